"""The memory that the options `memory` and `memory_features` name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_ccl.bounds.likelihoods import Gaussian, Likelihood, is_image
from keras_ccl.data.validation import check_choice, check_positive
from keras_ccl.models.class_gaussians import RANK
from keras_ccl.models.feature_memory import MOST_BEHIND_BACKBONE, MOST_FEATURES, FeatureMemory
from keras_ccl.models.fixed_features import FEATURES
from keras_ccl.models.gaussian_memory import MOST_SIZE, GaussianMemory
from keras_ccl.models.memory import Memory

if TYPE_CHECKING:
    from keras_ccl.data.ready_tasks import ReadyTask
    from keras_ccl.models.joint_vae import JointVAE

GAUSSIANS = "gaussians"


def named_memory(
    memory: str | None, features: int | None, shape: tuple[int, ...], *, behind_backbone: bool
) -> tuple[str | None, int | None]:
    """What `memory="auto"` and `memory_features=None` stand for.

    Args:
        memory: the option.
        features: the option.
        shape: of one x, as it is observed.
        behind_backbone: whether these are the features of a backbone.

    Returns:
        Both, resolved.

    Raises:
        ValueError: for a memory that there is not, or that does not fit the inputs.
    """
    if features is not None:
        check_positive("memory_features", features, integer=True)
    if memory is None:
        return None, features
    check_choice("memory", memory, ("auto", GAUSSIANS, *FEATURES))
    if memory == "auto":
        large = len(shape) > 1 or shape[0] > MOST_SIZE
        others = "fourier" if not behind_backbone else "relu" if large else GAUSSIANS
        memory = "patches" if is_image(shape) else others
    if memory == GAUSSIANS:
        return memory, RANK if features is None else features
    FEATURES[memory].check_shape(shape, "memory")
    most = MOST_BEHIND_BACKBONE if behind_backbone else MOST_FEATURES
    return memory, most if features is None else features


def begin_memory(model: JointVAE, task: ReadyTask) -> None:
    """Called before a task is learnt: the first one tells whether there is a memory at all.

    There is where the first task lacks a class, and where later ones may bring further classes.
    Until all rows of a task are there, the memory only rests.

    Args:
        model: the student.
        task: the task.
    """
    if model.feature_memory is None:
        return
    if not task.complete:
        model.feature_memory.rest()
        return
    is_first = not model.tasks_seen.numpy() and not model.memory_size
    if is_first and (model.is_open or model.lacks_classes(task)):
        model.grow_memory(model.feature_memory.size_for(task.train.rows))
    model.feature_memory.begin(task.train, model.observe)


def end_memory(model: JointVAE, task: ReadyTask) -> None:
    """Called after a task is learnt, whose rows it learns too.

    Where classes come as they are met, it answers once there are more than in the first task.

    Args:
        model: the student.
        task: the task.
    """
    if model.feature_memory is None:
        return
    model.feature_memory.learn(task.train, model.observe)
    if model.is_open:
        if not model.tasks_seen.numpy():
            model.first_classes.assign(model.num_classes)
        if model.num_classes == model.first_classes.numpy():
            model.feature_memory.rest()


def make_memory(
    memory: str | None,
    features: int | None,
    shape: tuple[int, ...],
    num_classes: int,
    observation: Likelihood,
) -> Memory | None:
    """The memory of resolved options.

    Args:
        memory: as `named_memory` gives it.
        features: likewise.
        shape: of one x, as it is observed.
        num_classes: K.
        observation: of p(x|z).

    Raises:
        ValueError: for Gaussians where p(x|z) is not Gaussian.
    """
    if memory is None or features is None:
        return None
    if memory != GAUSSIANS:
        return FeatureMemory(
            memory,
            features,
            input_shape=shape,
            num_classes=num_classes,
            observation=observation,
        )
    if not isinstance(observation, Gaussian):
        raise ValueError(
            "memory: expected 'gaussians' where p(x|z) is Gaussian, received "
            f"{type(observation).__name__}"
        )
    return GaussianMemory(shape, num_classes, rank=features)
