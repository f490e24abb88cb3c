"""Random search over networks and weights of the method, in which each trial is a whole stream.

KerasTuner is optional and imported only when a search starts.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_ccl.data.sources import resolve
from keras_ccl.data.tasks import Task, TaskStream, as_stream
from keras_ccl.data.validation import check_share
from keras_ccl.methods.ccl_gm import CCLGM
from keras_ccl.models import networks
from keras_ccl.training.fit_tasks import fit_tasks

__all__ = [
    "OBJECTIVE",
    "OPTIONS",
    "as_code",
    "build",
    "on_validation_rows",
    "sample_settings",
    "search",
]

OBJECTIVE = "average_accuracy"
"""What is maximised: that of the last task, on validation data."""
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
    stream: Any,
    input_shape: Sequence[int],
    num_classes: int,
    *,
    trials: int,
    directory: str | os.PathLike,
    validation_split: float = 0.1,
    seed: int = 0,
    architectures: Iterable[str] = networks.ARCHITECTURES,
    **options: Any,
) -> list[dict[str, Any]]:
    """Search for the settings with the best final average accuracy on validation data.

    When called again with the same directory, it continues with the trials that are missing.

    Args:
        stream: As in `fit_tasks`, with tasks of arrays. Test data are not read; the last rows of
            each train split are held out instead.
        input_shape: The shape of one input.
        num_classes: The number of classes, K.
        trials: The number of trials.
        directory: The folder in which KerasTuner keeps the trials.
        validation_split: The share of the train data of each task to hold out.
        seed: The seed of the search, and of the model in every trial.
        architectures: The architectures to search.
        **options: Options of `fit_tasks`.

    Returns:
        The settings of the trials, best first, each with its `average_accuracy`.

    Raises:
        ImportError: If keras-tuner is not installed.
        ValueError: If `validation_split` is not in [0, 1).
    """
    try:
        import keras_tuner as kt
    except ImportError as error:
        raise ImportError('keras-tuner is missing: pip install "keras-ccl[tune]"') from error
    check_share("validation_split", validation_split)
    held_out = on_validation_rows(stream, validation_split)
    architectures = tuple(architectures)

    class OneStreamPerTrial(kt.RandomSearch):
        def run_trial(self, trial: Any, *arguments: Any, **keywords: Any) -> dict[str, float]:
            values = sample_settings(trial.hyperparameters, architectures)
            model = build(values, input_shape, num_classes, seed=seed)
            history = fit_tasks(model, held_out, **options)
            return {OBJECTIVE: float(history.average_accuracy[-1])}

    tuner = OneStreamPerTrial(
        # KerasTuner calls this once to learn the search space; trials build models of their own.
        hypermodel=lambda hp: build(
            sample_settings(hp, architectures), input_shape, num_classes, seed=seed
        ),
        objective=kt.Objective(OBJECTIVE, "max"),
        max_trials=trials,
        seed=seed,
        directory=str(directory),
        project_name="stream",
    )
    tuner.search()
    best = tuner.oracle.get_best_trials(trials)
    return [
        {**sample_settings(trial.hyperparameters, architectures), OBJECTIVE: trial.score}
        for trial in best
    ]


def sample_settings(
    hp: Any, architectures: Iterable[str] = networks.ARCHITECTURES
) -> dict[str, Any]:
    """Sample one point of the search space.

    Args:
        hp: The `HyperParameters` of KerasTuner.
        architectures: The architectures to search.

    Returns:
        The settings by name.
    """
    values = {
        "architecture": hp.Choice("architecture", list(architectures)),
        "latent_dim": hp.Choice("latent_dim", [20, 40, 80]),
        "classifier_units": hp.Choice("classifier_units", [0, 128, 512]),
        "classification_weight": hp.Choice("classification_weight", [30.0, 100.0, 300.0, 1000.0]),
        "classification_at_mean": hp.Choice("classification_at_mean", [0.0, 0.5]),
        "distillation_weight": hp.Choice("distillation_weight", [0.3, 1.0, 3.0]),
        "prior_components": hp.Choice("prior_components", [20, 60]),
        "temperature": hp.Choice("temperature", [1.0, 2.0]),
    }
    if values["architecture"] == "dense":
        values["units"] = hp.Choice("units", [200, 400, 800])
        values["layers"] = hp.Choice("layers", [1, 2, 3])
    else:
        values["filters"] = hp.Choice("filters", [16, 32])
    return values


def build(
    values: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    *,
    seed: int | None = None,
) -> CCLGM:
    """Build the model of one point of the search space.

    Args:
        values: The settings, as `sample_settings` returns them.
        input_shape: The shape of one input.
        num_classes: The number of classes, K.
        seed: The seed of the model.

    Returns:
        The model.
    """
    shape, latent_dim = tuple(input_shape), values["latent_dim"]
    encoder, decoder = _encoder_and_decoder_sizes(values)
    make = networks.MAKERS[values["architecture"]]
    return CCLGM(
        shape,
        num_classes,
        encoder=make.encoder(shape, latent_dim, **encoder, seed=seed),
        decoder=make.decoder(shape, latent_dim, **decoder, seed=seed),
        classifier=make.classifier(
            num_classes, latent_dim, units=_classifier_units(values), seed=seed
        ),
        seed=seed,
        **{name: values[name] for name in OPTIONS},
    )


def as_code(
    values: Mapping[str, Any],
    input_shape: Sequence[int],
    num_classes: int,
    *,
    seed: int | None = None,
) -> str:
    """Write the call of `build` as an expression to paste, in which `ccl` is keras_ccl.

    Args:
        values: The settings, as `sample_settings` returns them.
        input_shape: The shape of one input.
        num_classes: The number of classes, K.
        seed: The seed of the model.

    Returns:
        Python code that makes the same model.
    """
    shape, latent_dim = tuple(input_shape), values["latent_dim"]
    encoder, decoder = _encoder_and_decoder_sizes(values)
    make = networks.MAKERS[values["architecture"]]

    def call(function: Callable, first: Any, **sizes: Any) -> str:
        listed = ", ".join(f"{name}={value!r}" for name, value in {**sizes, "seed": seed}.items())
        return f"ccl.networks.{function.__name__}({first!r}, {latent_dim}, {listed})"

    lines = [
        f"{shape!r}",
        f"{num_classes}",
        f"encoder={call(make.encoder, shape, **encoder)}",
        f"decoder={call(make.decoder, shape, **decoder)}",
        f"classifier={call(make.classifier, num_classes, units=_classifier_units(values))}",
        f"seed={seed!r}",
        *(f"{name}={values[name]!r}" for name in OPTIONS),
    ]
    return "ccl.CCLGM(\n    " + ",\n    ".join(lines) + ",\n)"


def _encoder_and_decoder_sizes(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arguments that set the sizes of encoder and decoder."""
    if values["architecture"] == "dense":
        units = (values["units"],) * values["layers"]
        return {"units": units}, {"units": units}
    filters = tuple(values["filters"] * 2**k for k in range(3))
    return {"filters": filters}, {"filters": filters[::-1]}


def _classifier_units(values: Mapping[str, Any]) -> tuple[int, ...]:
    return (values["classifier_units"],) if values["classifier_units"] else ()


def on_validation_rows(stream: Any, share: float) -> TaskStream:
    """Replace the test data of every task by the last rows of its train data.

    Args:
        stream: As in `fit_tasks`, with tasks of arrays.
        share: The share of the train data to hold out.

    Returns:
        The stream, whose splits are cut when they are reached.
    """
    return TaskStream(_with_held_out_test(task, share) for task in as_stream(stream))


def _with_held_out_test(task: Task, share: float) -> Task:
    def part(where: str) -> Callable[[], tuple]:
        def cut() -> tuple:
            x, y = resolve(task.train)
            kept = len(x) - math.ceil(share * len(x))
            return (x[:kept], y[:kept]) if where == "train" else (x[kept:], y[kept:])

        return cut

    return replace(task, train=part("train"), validation=None, test=part("test"))
