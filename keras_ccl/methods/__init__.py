"""Methods of continual learning, one file each: parts that are attached to a `JointVAE`."""

from keras_ccl.methods.ewc import ElasticWeightConsolidation
from keras_ccl.methods.generative_replay import GenerativeReplay
from keras_ccl.methods.lwf import LearningWithoutForgetting
from keras_ccl.methods.registry import HEADS, METHODS
from keras_ccl.methods.si import SynapticIntelligence
from keras_ccl.models.method import Method

__all__ = [
    "HEADS",
    "METHODS",
    "ElasticWeightConsolidation",
    "GenerativeReplay",
    "LearningWithoutForgetting",
    "Method",
    "SynapticIntelligence",
]
