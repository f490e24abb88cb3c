"""Random search over networks and weights of the method: one trial is one whole stream.

KerasTuner is an extra, imported where it is needed.
"""

import math
from dataclasses import replace

from keras_ccl.data.splits import resolve
from keras_ccl.data.streams import TaskStream, as_stream
from keras_ccl.data.validation import check_share
from keras_ccl.methods.ccl_gm import CCLGM
from keras_ccl.models import networks
from keras_ccl.training.fit_tasks import fit_tasks

OBJECTIVE = "average_accuracy"
OPTIONS = (
    "latent_dim",
    "classification_weight",
    "classification_at_mean",
    "distillation_weight",
    "prior_components",
    "temperature",
)
"""The options of `CCLGM` that are searched."""


def search(
    stream,
    input_shape,
    num_classes,
    *,
    trials,
    directory,
    validation_split=0.1,
    seed=0,
    architectures=networks.ARCHITECTURES,
    **options,
):
    """Look for the settings with the best final average accuracy on validation rows.

    Called again with the same directory it goes on with the trials that are missing.

    Args:
        stream: as in `fit_tasks`, each task of arrays. Its test rows are not read: the last rows of
            `train` are held out in their place.
        input_shape, num_classes: of the model.
        trials: how many; directory: where KerasTuner keeps them.
        validation_split: the share of each task's train rows held out.
        seed: of the search; every trial has the same model seed.
        architectures: those among which to search.
        **options: of `fit_tasks`.

    Returns:
        the values of the trials, best first: a list of dicts, each with `average_accuracy`.

    Raises:
        ImportError: if keras-tuner is not installed.
    """
    try:
        import keras_tuner as kt
    except ImportError as error:
        raise ImportError('keras-tuner is missing: pip install "keras-ccl[tune]"') from error
    check_share("validation_split", validation_split)
    held_out = on_validation_rows(stream, validation_split)

    class OneStreamATrial(kt.RandomSearch):
        def run_trial(self, trial, *arguments, **keywords):
            values = sample(trial.hyperparameters, architectures)
            model = build(values, input_shape, num_classes, seed=seed)
            history = fit_tasks(model, held_out, **options)
            return {OBJECTIVE: float(history.average_accuracy[-1])}

    tuner = OneStreamATrial(
        # KerasTuner builds one to see the space; the trials build their own.
        hypermodel=lambda hp: build(sample(hp, architectures), input_shape, num_classes, seed=seed),
        objective=kt.Objective(OBJECTIVE, "max"),
        max_trials=trials,
        seed=seed,
        directory=str(directory),
        project_name="stream",
    )
    tuner.search()
    best = tuner.oracle.get_best_trials(trials)
    return [
        {**sample(trial.hyperparameters, architectures), OBJECTIVE: trial.score} for trial in best
    ]


def sample(hp, architectures=networks.ARCHITECTURES):
    """One point of the space, a dict.

    Args:
        hp: KerasTuner's `HyperParameters`.
    """
    values = {
        "architecture": hp.Choice("architecture", list(architectures)),
        "latent_dim": hp.Choice("latent_dim", [20, 40, 80]),
        "classifier_units": hp.Choice("classifier_units", [0, 128, 512]),
        "classification_weight": hp.Choice("classification_weight", [30.0, 100.0, 300.0, 1000.0]),
        "classification_at_mean": hp.Choice("classification_at_mean", [0.0, 0.5]),
        "distillation_weight": hp.Choice("distillation_weight", [0.3, 1.0, 3.0]),
        "prior_components": hp.Choice("prior_components", [5, 20]),
        "temperature": hp.Choice("temperature", [1.0, 2.0]),
    }
    if values["architecture"] == "dense":
        values["units"] = hp.Choice("units", [200, 400, 800])
        values["layers"] = hp.Choice("layers", [1, 2, 3])
    else:
        values["filters"] = hp.Choice("filters", [16, 32])
    return values


def build(values, input_shape, num_classes, *, seed=None):
    """The model of one point of the space."""
    shape, latent_dim = tuple(input_shape), values["latent_dim"]
    encoder, decoder = _sizes(values)
    make = networks.MAKERS[values["architecture"]]
    return CCLGM(
        shape,
        num_classes,
        encoder=make.encoder(shape, latent_dim, **encoder, seed=seed),
        decoder=make.decoder(shape, latent_dim, **decoder, seed=seed),
        classifier=make.classifier(num_classes, latent_dim, units=_classifier(values), seed=seed),
        seed=seed,
        **{name: values[name] for name in OPTIONS},
    )


def as_code(values, input_shape, num_classes, *, seed=None):
    """What `build` does, as code to paste: an expression in which `ccl` is keras_ccl."""
    shape, latent_dim = tuple(input_shape), values["latent_dim"]
    encoder, decoder = _sizes(values)
    make = networks.MAKERS[values["architecture"]]

    def call(function, first, **sizes):
        listed = ", ".join(f"{name}={value!r}" for name, value in {**sizes, "seed": seed}.items())
        return f"ccl.networks.{function.__name__}({first!r}, {latent_dim}, {listed})"

    lines = [
        f"{shape!r}",
        f"{num_classes}",
        f"encoder={call(make.encoder, shape, **encoder)}",
        f"decoder={call(make.decoder, shape, **decoder)}",
        f"classifier={call(make.classifier, num_classes, units=_classifier(values))}",
        f"seed={seed!r}",
        *(f"{name}={values[name]!r}" for name in OPTIONS),
    ]
    return "ccl.CCLGM(\n    " + ",\n    ".join(lines) + ",\n)"


def _sizes(values):
    """The sizes of encoder and decoder, as their makers take them."""
    if values["architecture"] == "dense":
        units = (values["units"],) * values["layers"]
        return {"units": units}, {"units": units}
    filters = tuple(values["filters"] * 2**k for k in range(3))
    return {"filters": filters}, {"filters": filters[::-1]}


def _classifier(values):
    return (values["classifier_units"],) if values["classifier_units"] else ()


def on_validation_rows(stream, share):
    """The same stream with the last rows of each train split in place of its test rows."""
    return TaskStream(_held_out(task, share) for task in as_stream(stream))


def _held_out(task, share):
    def part(where):
        def cut():
            x, y = resolve(task.train)
            kept = len(x) - math.ceil(share * len(x))
            return (x[:kept], y[:kept]) if where == "train" else (x[kept:], y[kept:])

        return cut

    return replace(task, train=part("train"), validation=None, test=part("test"))
