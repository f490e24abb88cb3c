# %% [markdown]
# # Writing a method
#
# A method of continual learning is a part of a `JointVAE`: a class of about 30 lines that says
# what it adds to the training. This page writes one, compares it with what is there, and checks
# what every method has to satisfy. It needs `pip install -e ".[examples]"`.
#
# The method: the weights must not move far from where they were after the last task. It is EWC
# without the Fisher information, and a baseline rather than an invention.

# %% [markdown]
# ## The stream, and what has to be beaten
#
# Two tasks: digits upright, and on their side. Both have all ten classes, so no memory takes part.
# 2,000 images and small networks keep it short.

# %%
import keras
import numpy as np
import tensorflow as tf

import keras_ccl as ccl

data = ccl.datasets.load("mnist")
few = ccl.Task(
    tuple(part[:2000] for part in data.train), test=tuple(part[:1000] for part in data.test)
)
stream = ccl.streams.rotated(few, tasks=2, degrees=180)  # 0 and 90


def learnt(method=None):
    """A model that has learnt the stream by a method, and its history; None: by none."""
    shape, latent, units = (28, 28, 1), 20, (100,)
    model = ccl.JointVAE(
        shape,
        10,
        latent_dim=latent,
        encoder=ccl.networks.dense_encoder(shape, latent, units=units, seed=0),
        decoder=ccl.networks.dense_decoder(shape, latent, units=units, seed=0),
        method=method,
        seed=0,
    )
    return model, model.fit_tasks(stream, epochs=8, verbose=0)


_, history = learnt()
print(history.table())

# %% [markdown]
# Without a method the model adapts to the second task and forgets the first: 0.39 is left of 0.88.
#
# ## The method
#
# `Method` has a moment for everything that a method may do. All do nothing by default. This one
# needs five of them:
#
# | moment | what it does here |
# |---|---|
# | `attach(model)` | makes the weights of the method, here one beside each of the model |
# | `is_active(tasks_seen)` | says that there is nothing to add before a task was learnt |
# | `term_weights()` | names its terms of the loss, and says how much each weighs |
# | `terms(model, rows, found)` | computes them, within the training step: one scalar each |
# | `end_task(model, task)` | keeps the weights as they are now |


# %%
@keras.saving.register_keras_serializable(package="mine")
class StayNear(ccl.methods.Method):
    """The squared distance to the weights after the last task is a term of the loss.

    Args:
        penalty_weight: of the term.
        **kwargs: of `keras.layers.Layer`.
    """

    option_names = ("penalty_weight",)

    def __init__(self, *, penalty_weight=1.0, **kwargs):
        super().__init__(**kwargs)
        self.penalty_weight = penalty_weight

    def attach(self, model):
        self.last = [self.weight_beside(v, "last") for v in model.trainable_variables]

    def is_active(self, tasks_seen):
        return tasks_seen > 0

    def term_weights(self):
        return {"moved": self.penalty_weight}

    def terms(self, model, rows, found):
        pairs = zip(model.trainable_variables, self.last, strict=True)
        return {"moved": sum(tf.reduce_sum(tf.square(v - last)) for v, last in pairs)}

    def end_task(self, model, task):
        for last, variable in zip(self.last, model.trainable_variables, strict=True):
            last.assign(variable)


# %% [markdown]
# `option_names` are the arguments of the constructor: they are saved with the model and recorded
# in the history. `weight_beside` makes a weight that is not trained, is saved with the model, and
# grows when classes are added.
#
# ## Does it help?

# %%
model, history = learnt(StayNear(penalty_weight=10.0))
print(history.table())

# %% [markdown]
# The first task loses less, and the second is harder to learn: the larger the weight, the more of
# both. In a study the weight is chosen on held-out rows, never on these test images. For
# comparison, generative replay in its place, in the same small networks:

# %%
_, replayed = learnt(ccl.methods.GenerativeReplay())
print(replayed.table())

# %% [markdown]
# After eight epochs on 2,000 images the two are equal within what one seed can tell. That says
# little about either: a `CCLGM` also refits p(z) after each task, and [the results](../results.md)
# compare methods with all of the data and enough steps.
#
# ## What a method has to satisfy
#
# The term is logged under its name, each epoch. Here is the last of each task: 0 while the method
# was not active.

# %%
for k, epochs in enumerate(history.epochs, start=1):
    print(f"task {k}:", epochs["moved"][-1:])

# %% [markdown]
# It is saved and loaded with its options, and answers as before:

# %%
model.save("stay_near.keras")
loaded = ccl.load_model("stay_near.keras")
x, _ = data.test
same = np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
print(loaded.method.options(), "the same answers:", same)

# %% [markdown]
# ## Where to go next
#
# - [Method](../reference/methods.md) in the API reference: all moments. `rows` adds rows to a
#   step, as replay does.
# - [keras_ccl/methods/lwf.py](../../keras_ccl/methods/lwf.py): a method with a teacher, in 70
#   lines.
# - [Contributing](../contributing.md#add-a-method): one file and one line in `registry.py`, and
#   the tests of the library run it through what holds for every method: replicas, checkpoints,
#   growing, export.
