# %% [markdown]
# # Natural images
#
# A model of pixels has to learn what a photograph is, again from few images per task. A pretrained
# network knows already. Put one before the model as its `backbone`: it is frozen, and everything
# else sees its features. It needs `pip install -e ".[examples]"`.
#
# Nothing is downloaded here, so this page has no large pretrained network. It trains a small one
# first, on six classes of clothes, and then learns four *other* classes through it. The images are
# the 28 x 28 grey photographs of Fashion-MNIST. What you see is how it is done, not how good it
# gets: for that see [the
# results](../results.md#behind-squeezenet-whose-weights-a-package-of-the-registry-ships) on
# CIFAR-100.

# %%
import keras
import numpy as np

import keras_ccl as ccl

data = ccl.datasets.load("fashion_mnist", scaled=False)  # bytes, as in image files
LATER = ("T-shirt/top", "Trouser", "Pullover", "Dress")  # classes 0 to 3
print(data.train[0].shape, data.train[0].dtype)

# %% [markdown]
# ## A backbone
#
# With network access this cell is a few lines:
#
# ```python
# from keras.applications import mobilenet_v2
#
# pretrained = mobilenet_v2.MobileNetV2((96, 96, 3), include_top=False, pooling="avg")
# photographs = keras.Input((96, 96, 3))  # from 0 to 255
# features = pretrained(mobilenet_v2.preprocess_input(photographs))
# backbone = keras.Model(photographs, features)
# ```
#
# Here: three convolutions and a dense layer, trained on the six other classes, without the layer
# that classified them. Preprocessing belongs to the backbone, so that images go in as bytes.

# %%
keras.utils.set_random_seed(0)
layers = keras.layers
backbone = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, strides=2, activation="relu"),
        layers.Conv2D(32, 3, strides=2, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, "relu"),
    ],
    name="backbone",
)
pretrained = keras.Sequential([backbone, layers.Dense(10)])
pretrained.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

x, y = data.train
other = y >= len(LATER)
pretrained.fit(x[other], y[other], epochs=5, batch_size=64, verbose=0)
print("trained on", [data.class_names[k] for k in np.unique(y[other])])
print("features", backbone.output_shape)

# %% [markdown]
# ## Tasks
#
# Two tasks, each with two classes that the backbone never saw. Labels are names.


# %%
def task_of(*names):
    """The images of these classes, as a task."""
    wanted = [data.class_names.index(name) for name in names]
    splits = []
    for x, y in (data.train, data.test):
        rows = np.isin(y, wanted)
        splits.append((x[rows], np.array(data.class_names)[y[rows]]))
    return ccl.Task(splits[0], test=splits[1], name=" and ".join(names))


tasks = [task_of(*LATER[:2]), task_of(*LATER[2:])]

# %% [markdown]
# ## Learn
#
# `fit_tasks` and `predict` take the images. The features of a task are made once. Behind a
# backbone the epochs chosen are fewer; ten are enough here.

# %%
model = ccl.CCLGM((28, 28, 1), backbone=backbone, seed=0)
history = model.fit_tasks(tasks, epochs=10, verbose=0)
print(history.table())
print(model.class_names, f"{model.kept_bytes / 1e6:.1f} MB kept of earlier tasks")

# %% [markdown]
# What is kept is a Gaussian of the features of each class, and the teacher. Replay is drawn of
# these Gaussians, and they answer beside the networks.
#
# ## What the features are worth
#
# The simplest head on the same features says how much of this is the backbone's.
# `NearestClassMean` keeps one mean per class:

# %%
for head in (ccl.NearestClassMean, ccl.StreamingLDA, ccl.RandomFeatureRidge):
    simple = head((28, 28, 1), backbone=backbone)
    found = simple.fit_tasks(tasks, verbose=0)
    print(f"{head.__name__:<20}{found.average_accuracy[-1]:.4f}")

# %% [markdown]
# And a head on the pixels themselves, without a backbone:

# %%
from_pixels = ccl.RandomFeatureRidge((28, 28, 1), features="patches", feature_count=1000)
found = from_pixels.fit_tasks(tasks, verbose=0)
print(f"{found.average_accuracy[-1]:.4f}")

# %% [markdown]
# Here nothing is gained: patches of these small images tell more than the features of a network
# that learnt six classes in five epochs, and on its features the ridge is ahead of the `CCLGM`.
# That is what such a comparison is for: where a head is as accurate as the `CCLGM`, it is enough.
# On CIFAR-100, behind convolutions trained on CIFAR-10, the `CCLGM` is ahead of the three heads:
# [Choose your setting](../settings.md#natural-images).
#
# ## Save and export
#
# The backbone is part of the saved model and of the exported classifier. Images go in as bytes, in
# ONNX as numbers from 0 to 255.

# %%
model.save("clothes.keras")
model = ccl.load_model("clothes.keras")

about = ccl.export_student(model, "artefacts", formats="onnx")
print({name: f"{artefact['bytes'] / 1e6:.1f} MB" for name, artefact in about["artefacts"].items()})

# %% [markdown]
# ## Where to go next
#
# - `examples/split_cifar100.py` compares all methods behind SqueezeNet, MobileNetV2, or a network
#   of yours.
# - [Choose your setting](../settings.md#natural-images): what was measured on CIFAR-100.
# - [Your own images](your_images.md): how image files become tasks.
