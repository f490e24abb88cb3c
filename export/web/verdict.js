// What the page says of an answer of the classifier: of a calibrated model the calibrated
// probabilities, and whether its input is familiar at all.

/** The most likely class, its probability, and whether the input is like nothing learnt. */
export function verdict(answer, about) {
  const probabilities = answer.calibrated_probabilities ?? answer.probabilities;
  const label = probabilities.indexOf(Math.max(...probabilities));
  const name = about.class_names[label];
  const unfamiliar = answer.familiarity[0] < (about.calibration?.threshold ?? -Infinity);
  const text = unfamiliar
    ? `Unfamiliar: like nothing learnt. Most like ${name}.`
    : `${name}, ${(100 * probabilities[label]).toFixed(1)} %`;
  return { probabilities, unfamiliar, text };
}
