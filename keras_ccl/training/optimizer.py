"""What happens to the optimizer between and within tasks."""

import contextlib
import math

import keras

OPTIMIZER_STATES = ("reset", "keep")
DECAYS = ("cosine", None)


def reset_optimizer(model):
    """Give the optimizer the state it would have if it were new; its variables stay the same.

    The train function captured those variables, so a new optimizer would have to be traced again.
    """
    build_optimizer(model)
    with model.distribute_strategy.scope():
        twin = type(model.optimizer).from_config(model.optimizer.get_config())
        twin.build(model.trainable_variables)
    for variable, fresh in zip(model.optimizer.variables, twin.variables, strict=True):
        variable.assign(fresh)


def build_optimizer(model):
    """Make the optimizer's variables now, once: for float16 Keras would make them again."""
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


@contextlib.contextmanager
def learning_rate_kept(optimizer):
    """Put the learning rate back at the end, whatever ended the task."""
    fixed = _has_fixed_rate(optimizer)
    before = float(optimizer.learning_rate.numpy()) if fixed else None
    try:
        yield
    finally:
        if fixed:
            optimizer.learning_rate = before


class CosineDecay(keras.callbacks.Callback):
    """Lets the learning rate fall from its value to 0 along a cosine over the steps of one `fit`.

    An optimizer whose learning rate is a schedule of its own is left alone.

    Args:
        steps: how many steps the task will take.
    """

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.initial = None
        self.step = 0

    def on_train_begin(self, logs=None):
        if _has_fixed_rate(self.model.optimizer):
            self.initial = float(self.model.optimizer.learning_rate.numpy())

    def on_train_batch_begin(self, batch, logs=None):
        if self.initial is not None:
            share = min(self.step / self.steps, 1.0)
            rate = self.initial * 0.5 * (1 + math.cos(math.pi * share))
            self.model.optimizer.learning_rate = rate
        self.step += 1


def _has_fixed_rate(optimizer):
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return isinstance(inner.get_config()["learning_rate"], float)
