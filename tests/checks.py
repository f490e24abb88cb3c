"""Small models, data and property checks that tests share."""

import contextlib
import dataclasses
import io
import os
import runpy
import subprocess
import sys
import traceback
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import keras_ccl as ccl

ROOT = Path(__file__).parents[1]


def run_script(script, *arguments, python=sys.executable, **environment):
    """A script of this project, run as a person runs it from its root: the finished process."""
    return subprocess.run(
        [str(python), script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def run_here(script, *arguments):
    """The same in this process, which spares the start: what the finished process would be."""
    path, out, errors, code = ROOT / script, io.StringIO(), io.StringIO(), 0
    argv, folders = [str(path), *map(str, arguments)], [str(path.parent), *sys.path]
    with (
        contextlib.chdir(ROOT),
        mock.patch.multiple(sys, argv=argv, path=folders),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except Exception:
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(argv, code, out.getvalue(), errors.getvalue())


def tiny_networks(input_shape=(6,), num_classes=3, latent_dim=2, seed=0):
    """Networks of a few units, for tests of what does not depend on size."""
    return {
        "encoder": ccl.networks.dense_encoder(input_shape, latent_dim, units=(8,), seed=seed),
        "decoder": ccl.networks.dense_decoder(input_shape, latent_dim, units=(8,), seed=seed),
        "classifier": ccl.networks.dense_classifier(num_classes, latent_dim, units=(), seed=seed),
    }


def tiny(cls=ccl.CCLGM, input_shape=(6,), num_classes=3, latent_dim=2, seed=0, **options):
    """A tiny model of any class; with `num_classes=None` of named classes, or open to new ones."""
    classes = num_classes or len(options.get("class_names", "?"))
    networks = tiny_networks(input_shape, classes, latent_dim, seed)
    of_tiny = {"likelihood": "bernoulli", "prior_components": 2}
    return cls(
        input_shape,
        num_classes,
        **{**of_tiny, "latent_dim": latent_dim, "seed": seed, **networks, **options},
    )


def rows(n=40, input_shape=(6,), num_classes=3, seed=0):
    """Random (x, y) in the unit range, with every class among the labels."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, *input_shape)).astype("float32")
    return x, (np.arange(n) % num_classes).astype("int32")


def few_of(train, test):
    """The `load` of the examples, of so many rows of the subset in the package."""

    def load(name, *_, **options):
        data = ccl.datasets.load(name, **options)
        return dataclasses.replace(
            data,
            train=tuple(part[:train] for part in data.train),
            test=tuple(part[:test] for part in data.test),
        )

    return load


def slow_but(names, each_time, then=None):
    """Parameters of a test, of which all but some are in the slow tier.

    Args:
        names: all of them.
        each_time: those of the default tier.
        then: those of the slow tier, where the others are for a release alone; None: all others.
    """

    def of_tier(name):
        if name in each_time:
            return name
        later = pytest.mark.slow if then is None or name in then else pytest.mark.release
        return pytest.param(name, marks=later)

    return [of_tier(name) for name in names]


def weights_of(model):
    """Every weight of a model, as arrays."""
    return [np.array(weight) for weight in model.get_weights()]


def same_weights(first, second):
    """Whether two lists of arrays are equal, bit for bit."""
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
