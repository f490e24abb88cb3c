"""Every method by its name on the command line, for examples, sweep and benchmarks."""

import functools
from collections.abc import Callable
from typing import Any

from keras_ccl.methods.ccl_gm import CCLGM
from keras_ccl.methods.ewc import EWC
from keras_ccl.methods.heads import NearestClassMean, RandomFeatureRidge, StreamingLDA
from keras_ccl.methods.lwf import LearningWithoutForgetting
from keras_ccl.methods.si import SynapticIntelligence
from keras_ccl.models.closed_form_head import ClosedFormHead
from keras_ccl.models.joint_vae import JointVAE
from keras_ccl.models.method import Method

Maker = Callable[..., JointVAE]
"""A function of input_shape, num_classes and the options of model and method together."""


def joint_vae_with(method: type[Method]) -> Maker:
    """A maker of `JointVAE`s with a method of this class."""

    def make(
        input_shape: tuple[int, ...], num_classes: int | None = None, **options: Any
    ) -> JointVAE:
        own = {name: options.pop(name) for name in method.option_names if name in options}
        return JointVAE(input_shape, num_classes, method=method(**own), **options)

    return make


METHODS: dict[str, Maker] = {
    "ccl-gm": CCLGM,
    "ccl-gm-paper": CCLGM.paper,
    "vae-cl": JointVAE,
    "ewc": EWC,
    "lwf": joint_vae_with(LearningWithoutForgetting),
    "si": joint_vae_with(SynapticIntelligence),
}
"""Functions that make a model with each method, from input_shape, num_classes and options."""

HEADS: dict[str, Callable[..., ClosedFormHead]] = {
    "nearest-mean": NearestClassMean,
    "lda": StreamingLDA,
    "ridge": RandomFeatureRidge,
    "ridge-patches": functools.partial(RandomFeatureRidge, features="patches"),
}
"""Heads in closed form, which have no networks and learn in one pass."""
