# %% [markdown]
# # Your own networks
#
# A model has three networks: encoder, decoder and classifier. Each can be a Keras model of yours.
# This page gives convolutional ones to a model of small images, and shows what is checked. It
# needs `pip install -e ".[tutorials]"`.

# %% [markdown]
# ## The data
#
# scikit-learn's digits: 1,797 images of 8 x 8 pixels from 0 to 16. Divided by 16 they are in [0,
# 1], as images have to be. Every fourth image is held out. The tasks are four, three and three
# digits.

# %%
import numpy as np
from sklearn.datasets import load_digits

import keras_ccl as ccl

images, labels = load_digits(return_X_y=True)
x = (images / 16).reshape(-1, 8, 8, 1).astype("float32")
held_out = np.arange(len(x)) % 4 == 0


def task_of(*digits):
    """The images of these digits, as a task."""
    train, test = (np.isin(labels, digits) & part for part in (~held_out, held_out))
    return ccl.Task((x[train], labels[train]), test=(x[test], labels[test]), name=str(digits))


tasks = [task_of(0, 1, 2, 3), task_of(4, 5, 6), task_of(7, 8, 9)]

# %% [markdown]
# ## Three networks
#
# | network | input | output |
# |---|---|---|
# | encoder | x | 2 Z numbers: mean and log-variance of the latent variable, side by side |
# | decoder | Z numbers | the shape of x: logits of the pixels |
# | classifier | Z numbers | a logit for each class |
#
# Z is `latent_dim`. No network ends in an activation: the model does what follows.

# %%
import keras

Z, CLASSES = 16, 10
layers = keras.layers

encoder = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(2 * Z),
    ],
    name="encoder",
)
decoder = keras.Sequential(
    [
        keras.Input((Z,)),
        layers.Dense(4 * 4 * 32, activation="relu"),
        layers.Reshape((4, 4, 32)),
        layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(1, 3, padding="same"),
    ],
    name="decoder",
)
classifier = keras.Sequential([keras.Input((Z,)), layers.Dense(CLASSES)], name="classifier")
for network in (encoder, decoder, classifier):
    print(f"{network.name:<12}{network.count_params():>8,} weights, output {network.output_shape}")

# %% [markdown]
# ## A model of them
#
# `memory=None` leaves out the closed-form classifier that otherwise answers beside the networks
# where new classes come with new tasks. What follows is the networks alone.

# %%
model = ccl.CCLGM(
    (8, 8, 1),
    CLASSES,
    latent_dim=Z,
    encoder=encoder,
    decoder=decoder,
    classifier=classifier,
    memory=None,
    seed=0,
)
history = model.fit_tasks(tasks, epochs=20, verbose=0)
print(history.table())

# %% [markdown]
# The first column falls a little with each task: that is what the networks alone forget here.
#
# The initial weights are those of your layers, which draw them; `seed` is of everything that the
# model draws itself. For a run that repeats, call `keras.utils.set_random_seed` before you make
# the layers, or give them initializers with a seed.

# %% [markdown]
# ## What is checked
#
# A network whose shapes do not fit is refused when the model is made. A frequent mistake is an
# encoder with Z outputs, not 2 Z:

# %%
short = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(Z)])
try:
    ccl.CCLGM((8, 8, 1), CLASSES, latent_dim=Z, encoder=short)
except ValueError as error:
    print(error)

# %% [markdown]
# The teacher is a copy made of your network's configuration. So a layer of your own has to be
# registered, and `Lambda` layers are refused:

# %%
doubled = keras.Sequential(
    [keras.Input((8, 8, 1)), layers.Flatten(), layers.Lambda(lambda t: 2 * t), layers.Dense(2 * Z)]
)
try:
    ccl.CCLGM((8, 8, 1), CLASSES, latent_dim=Z, encoder=doubled)
except ValueError as error:
    print(error)


@keras.saving.register_keras_serializable(package="mine")
class Doubled(layers.Layer):
    """Twice what comes in."""

    def call(self, inputs):
        return 2 * inputs


accepted = keras.Sequential(
    [keras.Input((8, 8, 1)), layers.Flatten(), Doubled(), layers.Dense(2 * Z)]
)
ccl.CCLGM((8, 8, 1), CLASSES, latent_dim=Z, encoder=accepted)
print("accepted")

# %% [markdown]
# A network that you do not give is made for you: dense with two layers of 400 units, or with
# `architecture="convolutional"` gated convolutions. Their makers take sizes of yours, such as
# `ccl.networks.dense_encoder((8, 8, 1), 16, units=(100,))`.
#
# ## Where to go next
#
# - [Networks](../reference/networks.md) in the API reference.
# - [Keras's words](../keras.md#networks-and-files): `BatchNormalization`, `Dropout`, recurrent
#   layers, and others that were tried.
# - [Natural images](natural_images.md): a network that is not trained at all.
