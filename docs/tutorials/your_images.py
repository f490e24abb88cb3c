# %% [markdown]
# # Your own images
#
# From folders of image files to a classifier that is saved, goes on with new classes, and is
# exported to ONNX. It needs `pip install -e ".[tutorials]"`.
#
# The first cell writes an example: small grey photographs of clothes, from the subset of
# Fashion-MNIST in the package. One folder per delivery, in it one folder per class, named as the
# class. Arrange your own files that way, and leave the cell out.

# %%
from pathlib import Path

import keras

import keras_ccl as ccl

data = ccl.datasets.load("fashion_mnist")
deliveries = {"monday": (1, 2), "tuesday": (3, 5)}
for part, (x, y) in {"train": data.train, "test": data.test}.items():
    for day, classes in deliveries.items():
        for k in classes:
            folder = Path("clothes", part, day, data.class_names[k])
            folder.mkdir(parents=True)
            for i, image in enumerate(x[y == k][:200]):
                keras.utils.save_img(folder / f"{i:03}.png", 255 * image, scale=False)

for folder in sorted(Path("clothes").glob("*/*/*")):
    print(folder, len(list(folder.glob("*.png"))), "files")

# %% [markdown]
# ## Read a folder
#
# Keras reads it. All images get one size. Labels become the names of the folders, so that those of
# different deliveries are not confused: Keras itself numbers the classes of each folder from 0.

# %%
import numpy as np

SHAPE = (28, 28, 1)  # height, width, channels: 1 for grey, 3 for colour


def read(folder):
    """The images in a folder of folders, as bytes, and the names of their classes."""
    dataset = keras.utils.image_dataset_from_directory(
        folder,
        image_size=SHAPE[:2],
        color_mode="grayscale" if SHAPE[2] == 1 else "rgb",
        batch_size=None,
        shuffle=False,
        verbose=False,
    )
    pixels, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.array(pixels).astype("uint8"), np.array(dataset.class_names)[list(labels)]


days = ["monday", "tuesday"]
tasks = [
    ccl.Task(read(f"clothes/train/{day}"), test=read(f"clothes/test/{day}"), name=day)
    for day in days
]
x, y = tasks[0].train
print(x.shape, x.dtype, np.unique(y))

# %% [markdown]
# Bytes are divided by 255 for you, when learning and in `predict`. Images that do not fit into
# memory come as a dataset instead, which is read batch by batch, keeps its order (so leave
# `shuffle=True`) and has to be scaled: `dataset.map(lambda x, y: (x / 255, tf.gather(names, y)))`.
#
# ## Learn the first delivery
#
# The model is told the size of an image. Which classes will come need not be known. Twenty epochs
# are few; without `epochs` their number is chosen from the number of images.

# %%
model = ccl.CCLGM(input_shape=SHAPE, seed=0)
history = model.fit_tasks(tasks[:1], epochs=20, verbose=0)
print(history.table())
print(model.class_names)

# %% [markdown]
# ## Save it, and go on with the next delivery
#
# The images of the first are not needed any more. If their test images are still there, `earlier`
# measures what the model still knows of them.

# %%
model.save("clothes.keras")

model = ccl.load_model("clothes.keras")
more = model.fit_tasks(tasks[1:], epochs=20, earlier=tasks[:1], verbose=0)
print((history + more).table())
print(model.class_names)

# %% [markdown]
# ## Ask it about a file

# %%
files = sorted(Path("clothes/test").glob("*/*/000.png"))
size = {"color_mode": "grayscale", "target_size": SHAPE[:2]}
images = [keras.utils.img_to_array(keras.utils.load_img(file, **size)) for file in files]
x = np.array(images).astype("uint8")
for file, probabilities in zip(files, model.predict(x, verbose=0), strict=True):
    k = probabilities.argmax()
    print(f"{file.parent.name:<12} -> {model.class_names[k]:<12} {probabilities[k]:.3f}")

# %% [markdown]
# ## Export it
#
# `artefacts` gets the classifier, the decoder, and `model.json`. Each file is opened by its own
# runtime and compared with the model before it appears.

# %%
about = ccl.export_student(model, "artefacts", formats="onnx", quantize="int8")
for name, artefact in about["artefacts"].items():
    print(f"{name:<24} {artefact['bytes'] / 1e6:.2f} MB")

# %% [markdown]
# Where there is no TensorFlow, [export/classify.py](../../export/classify.py) answers for files:
# it needs NumPy, Pillow and ONNX Runtime, and is one file to copy. `python export/classify.py
# artefacts/classifier.onnx clothes/test/monday/Trouser` on the command line; the same in Python:

# %%
import json

import onnxruntime

session = onnxruntime.InferenceSession("artefacts/classifier.onnx")
names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
(probabilities,) = session.run(["probabilities"], {"x": x.astype("float32") / 255})
print([names[k] for k in probabilities.argmax(1)])

# %% [markdown]
# ONNX takes numbers from 0 to 1, not bytes.
#
# ## Where to go next
#
# - Larger photographs: a model that sees pixels has to learn what a photograph is. Put a
#   pretrained network before it: [Natural images](natural_images.md).
# - [Deployment](deployment.md): LiteRT and the browser.
# - [A run that is interrupted](interrupted_run.md): `checkpoint_dir`.
