// Loads an exported student and wires it to the page. The models come from ?models=, a folder with
// model.json, classifier.onnx and decoder.onnx; by default models/ beside this page.

import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
import { makePad } from "./pad.js";
import { fitted, show } from "./pixels.js";
import { verdict } from "./verdict.js";

const $ = (id) => document.getElementById(id);
const SLIDER = { min: -3, max: 3, step: 0.05 };

ort.env.wasm.wasmPaths = new URL("./node_modules/onnxruntime-web/dist/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more need a page served with cross-origin isolation

async function load(folder) {
  const answer = await fetch(new URL("model.json", folder));
  if (!answer.ok) throw new Error(`no model.json in ${folder}: ${answer.status}`);
  const about = await answer.json();
  const [height, width, channels] = about.input_shape;
  if (about.input_shape.length !== 3 || channels !== 1 || !about.input_range)
    throw new Error(`this page draws grey images; the model takes ${about.input_shape}`);
  const open = (name) => ort.InferenceSession.create(new URL(name, folder).href);
  const sessions = [await open("classifier.onnx"), await open("decoder.onnx")];
  return { about, height, width, classifier: sessions[0], decoder: sessions[1] };
}

/** Runs calls one after the other, and of those that wait only the last. */
function latestOnly(work) {
  let [busy, waiting] = [false, null];
  return async function call(...given) {
    if (busy) return void (waiting = given);
    busy = true;
    await work(...given);
    busy = false;
    if (waiting) call(...[waiting, (waiting = null)][0]);
  };
}

function makeBars(names) {
  const meters = names.map((name) => {
    const [row, label, meter, share] = ["li", "span", "meter", "span"].map((tag) =>
      document.createElement(tag),
    );
    label.textContent = name;
    meter.setAttribute("aria-label", name);
    row.append(label, meter, share);
    $("bars").append(row);
    return (value) => {
      meter.value = value;
      share.textContent = `${(100 * value).toFixed(1)} %`;
    };
  });
  return (values) => meters.forEach((set, k) => set(values[k] ?? 0));
}

function makeSliders(count, changed) {
  const sliders = Array.from({ length: count }, (_, k) => {
    const [label, input] = [document.createElement("label"), document.createElement("input")];
    Object.assign(input, { type: "range", ...SLIDER, value: 0 });
    input.addEventListener("input", changed);
    label.append(`z${k + 1}`, input);
    $("sliders").append(label);
    return input;
  });
  return {
    values: () => Float32Array.from(sliders, (slider) => Number(slider.value)),
    set(values) {
      sliders.forEach((slider, k) => (slider.value = values[k]));
      changed();
    },
  };
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

async function start() {
  const folder = new URL(new URLSearchParams(location.search).get("models") ?? "models/", location);
  const { about, height, width, classifier, decoder } = await load(folder);
  const names = about.class_names;
  const last = { input: null, answer: null, z: null, dream: null }; // for tests, and the console

  const setBars = makeBars(names);
  const best = (values) => values.indexOf(Math.max(...values));

  const classify = latestOnly(async () => {
    const x = fitted($("pad"), height, width);
    show($("seen"), x ?? new Float32Array(height * width), height, width);
    last.input = x && Array.from(x);
    if (!x) {
      last.answer = null;
      setBars([]);
      $("answer").classList.remove("unfamiliar");
      $("answer").textContent = "Nothing drawn yet.";
      $("familiarity").textContent = "–";
      return;
    }
    const found = await classifier.run({ x: new ort.Tensor("float32", x, [1, height, width, 1]) });
    last.answer = Object.fromEntries(
      Object.entries(found).map(([name, tensor]) => [name, Array.from(tensor.data)]),
    );
    const said = verdict(last.answer, about);
    setBars(said.probabilities);
    $("answer").classList.toggle("unfamiliar", said.unfamiliar);
    $("answer").textContent = said.text;
    $("familiarity").textContent = `${last.answer.familiarity[0].toFixed(1)} nats`;
  });

  const dream = latestOnly(async () => {
    const z = sliders.values();
    const found = await decoder.run({ z: new ort.Tensor("float32", z, [1, z.length]) });
    show($("dream"), found.x.data, height, width);
    const probabilities = Array.from(found.probabilities.data);
    Object.assign(last, { z: Array.from(z), dream: { x: Array.from(found.x.data), probabilities } });
    const label = best(probabilities);
    $("dreamt").textContent = `${names[label]}, ${(100 * probabilities[label]).toFixed(1)} %`;
  });

  const sliders = makeSliders(about.latent_dim, dream);
  const pad = makePad($("pad"), classify);
  $("clear").addEventListener("click", pad.clear);
  $("random").addEventListener("click", () =>
    sliders.set(Array.from({ length: about.latent_dim }, normal)),
  );
  $("from-drawing").addEventListener("click", () => last.answer && sliders.set(last.answer.latent_mean));
  await dream();
  const { calibration, familiarity_of_examples: usual } = about;
  if (calibration)
    $("usual").textContent = `(unfamiliar below ${calibration.threshold.toFixed(1)})`;
  else if (usual)
    $("usual").textContent = `(99 % of its test images: above ${usual["1%"].toFixed(0)})`;
  const tasks = about.tasks_seen === 1 ? "1 task" : `${about.tasks_seen} tasks`;
  $("about").textContent = `${about.method}, ${tasks} learnt, ${names.length} classes.`;
  window.student = { about, last };
}

start().catch((error) => {
  $("about").textContent = `Could not start: ${error.message}`;
  throw error;
});
