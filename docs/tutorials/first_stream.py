# %% [markdown]
# # A first stream
#
# A classifier learns two digits, then two others, then two more, and never sees the earlier images
# again. This page trains an ordinary Keras network that way, watches it forget, and then does the
# same with a `CCLGM`, which does not. It takes about a minute on one core, and needs `pip install
# -e ".[examples]"`.

# %% [markdown]
# ## The data
#
# A subset of MNIST is in the package: nothing is downloaded. `split` makes one task for each two
# digits; three tasks are enough here. The images of such a task are made when they are needed:
# `train` and `test` are functions.

# %%
import keras
import numpy as np

import keras_ccl as ccl

data = ccl.datasets.load("mnist")
stream = ccl.streams.split(data, classes_per_task=2)[:3]
for task in stream:
    x, y = task.train()
    tested = len(task.test()[0])
    print(f"{task.name}: images {x.shape}, labels {np.unique(y)}, {tested} test images")

# %% [markdown]
# ## What forgetting looks like
#
# An ordinary network, one `fit` per task. After each task it is tested on all tasks so far.

# %%
keras.utils.set_random_seed(0)
layers = keras.layers
network = keras.Sequential(
    [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(100, "relu"), layers.Dense(10)]
)
network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
for k, task in enumerate(stream):
    network.fit(*task.train(), epochs=3, verbose=0)
    tested = [earlier.test() for earlier in stream[: k + 1]]
    print([float(np.mean(network.predict(u, verbose=0).argmax(1) == v)) for u, v in tested])

# %% [markdown]
# Each line is one task further. The network knows the two digits it has just learnt, and nothing
# else: it calls every image by one of them.
#
# ## The same with a CCLGM
#
# `num_classes` is the number of classes that will ever come. `fit_tasks` learns tasks in their
# order: here the first two. The images of a task are read during that task only; then a frozen
# copy of the model becomes the teacher of the next one.
#
# Without `epochs` their number is chosen from the number of rows. Ten are few, and keep this page
# short.

# %%
model = ccl.CCLGM(input_shape=(28, 28, 1), num_classes=10, seed=0)
history = model.fit_tasks(stream[:2], epochs=10, verbose=0)
print(history.table())

# %% [markdown]
# This is the matrix R: each line is a task learnt, each column the test accuracy on one task. The
# model is not told which task an image belongs to. `average` is the mean of a line; `forgetting`
# is how much the earlier tasks have lost since they were at their best; `neg. ELBO` is how badly
# the model explains the test images, in nats per image.
#
# ## What the teacher remembers
#
# No image is stored. For the third task the earlier digits come from the teacher, which generates
# images like these, with the probabilities of their labels:

# %%
images, probabilities = model.generate(24)
labels = np.array(model.class_names)[probabilities.argmax(1)]
ccl.plotting.plot_images({"first": images[:12], "second": images[12:]}, "generated_images.png")
print(labels[:12], labels[12:], sep="\n")

# %% [markdown]
# The two lines are the labels of the two rows. After ten epochs per task the images are rough, but
# most can be read as their label.
#
# Beside the networks, a closed-form classifier on fixed features takes part in every answer,
# because the first task lacks classes. It keeps sums over the images, no image. [How it
# works](../how_it_works.md) explains both; [Choose your setting](../settings.md#class-incremental)
# says how much of the accuracy is due to it.
#
# ## Save, load, go on
#
# The file holds all that the next task needs: teacher, sums, and the number of tasks learnt.

# %%
model.save("digits.keras")
model = ccl.load_model("digits.keras")

# %% [markdown]
# `earlier` measures the tasks learnt before as well. Only their test images are read. The sum of
# two histories is the whole matrix:

# %%
more = model.fit_tasks(stream[2:], epochs=10, verbose=0, earlier=stream[:2])
history = history + more
print(history.table())

# %% [markdown]
# `predict` gives the probabilities of all ten classes. The same numbers as in the table, and the
# whole history as a file; `history.plot("run.png")` draws it:

# %%
for task in stream:
    x, y = task.test()
    print(task.name, f"{np.mean(model.predict(x, verbose=0).argmax(1) == y):.4f}")
print(f"average {history.average_accuracy[-1]:.4f}, forgetting {history.forgetting[-1]:.4f}")
history.to_json("history.json")

# %% [markdown]
# ## Where to go next
#
# - [Your own table](your_csv.md) and [your own images](your_images.md).
# - [A run that is interrupted](interrupted_run.md), for streams that take hours.
# - [Keras's words](../keras.md): callbacks, `compile`, metrics.
