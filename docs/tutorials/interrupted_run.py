# %% [markdown]
# # A run that is interrupted
#
# A stream may take hours. With `checkpoint_dir` a run can be stopped at any time and goes on when
# the same program runs again: it ends with the same weights as if nothing had happened. This page
# stops a run on purpose, and compares. It needs `pip install -e ".[examples]"`.

# %% [markdown]
# ## The program
#
# Two tasks of two digits, and small networks. What matters is that the program does the same each
# time it runs: the same data, the same options, and a `seed`.

# %%
import numpy as np

import keras_ccl as ccl

data = ccl.datasets.load("mnist")
few = ccl.Task(tuple(part[:4000] for part in data.train), test=data.test)
stream = ccl.streams.split(few, classes_per_task=2)[:2]


def new_model():
    """The model, as the program makes it each time."""
    return ccl.CCLGM(
        input_shape=(28, 28, 1),
        num_classes=10,
        encoder=ccl.networks.dense_encoder((28, 28, 1), 40, units=(50,), seed=0),
        decoder=ccl.networks.dense_decoder((28, 28, 1), 40, units=(50,), seed=0),
        memory_features=500,
        seed=0,
    )


def program(model, callbacks=()):
    """All that it does."""
    return model.fit_tasks(
        stream, epochs=3, checkpoint_dir="run-1", callbacks=list(callbacks), verbose=0
    )


# %% [markdown]
# ## Ctrl-C
#
# This callback presses Ctrl-C in the middle of the second epoch of the second task. You need none
# of this: press the keys, or let the scheduler of your cluster send SIGTERM.

# %%
import signal

import keras


class PressCtrlC(keras.callbacks.Callback):
    """Interrupts this process once, after a step of the second task."""

    def on_task_begin(self, task):
        self.task = task.number

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.task, self.epoch) == (2, 1):
            signal.raise_signal(signal.SIGINT)


stopped = new_model()
try:
    program(stopped, [PressCtrlC()])
except KeyboardInterrupt:
    print("interrupted; tasks learnt:", int(stopped.tasks_seen.numpy()))

# %% [markdown]
# The step under way was finished, and everything saved: weights, teacher, optimizer, random
# numbers, the place in the epoch, and the history. The last two checkpoints stay; each is a folder
# that appears whole or not at all.

# %%
from pathlib import Path

for path in sorted(Path("run-1").iterdir()):
    print(path)

# %% [markdown]
# ## The same program again
#
# A new process makes the model anew and calls `fit_tasks` with the same folder. It goes on within
# the second epoch of the second task; the first is not learnt again, but is in the table.

# %%
resumed = new_model()
history = program(resumed)
print(history.table())

# %% [markdown]
# ## The same weights
#
# The run that nobody interrupted, in another folder:

# %%
whole = new_model()
expected = whole.fit_tasks(stream, epochs=3, checkpoint_dir="run-2", verbose=0)
pairs = list(zip(resumed.get_weights(), whole.get_weights(), strict=True))
print("equal arrays of weights:", sum(np.array_equal(a, b) for a, b in pairs), "of", len(pairs))
print("same history:", np.array_equal(history.accuracy, expected.accuracy, equal_nan=True))

# %% [markdown]
# They are equal bit for bit. After a crash or a `kill -9`, which save nothing, the run goes on
# from the end of the last epoch; `save_every=n` saves every n epochs where saving takes long.
#
# ## What is refused
#
# A folder belongs to one run. Other data or options would end in something that is neither run:

# %%
try:
    new_model().fit_tasks(stream, epochs=5, checkpoint_dir="run-1", verbose=0)
except ValueError as error:
    print(error)

# %% [markdown]
# A finished run is not learnt again either: the program returns at once, with the same history and
# the weights of the end.

# %%
again = new_model()
print(np.array_equal(program(again).accuracy, history.accuracy, equal_nan=True))

# %% [markdown]
# Checkpoints are for a run under way. Between runs, `model.save("m.keras")` and
# `ccl.load_model("m.keras")` are enough: see [A first stream](first_stream.md).
# [Reliability](../reliability.md) lists what is promised of interrupted runs, and which test holds
# it.
