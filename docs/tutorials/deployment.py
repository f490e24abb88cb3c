# %% [markdown]
# # Deployment
#
# A model leaves Python: as ONNX for servers and the browser, as LiteRT for telephones. This page
# exports one and asks each file in its own runtime. It needs `pip install -e ".[examples]"`.

# %% [markdown]
# ## A model to deploy
#
# Two tasks of two digits, learnt quickly. A tenth of the images is held out, to calibrate the
# model: it then tells how sure it may be, and which inputs are like nothing it has learnt.

# %%
import numpy as np

import keras_ccl as ccl

data = ccl.datasets.load("mnist")
(x, y), kept = data.train, len(data.train[0]) * 9 // 10
learnt = ccl.Task((x[:kept], y[:kept]), test=data.test)
held_out = ccl.Task((x[kept:], y[kept:]))
tasks, held_out = (ccl.streams.split(part)[:2] for part in (learnt, held_out))

model = ccl.CCLGM((28, 28, 1), 10, memory_features=1000, seed=0)
history = model.fit_tasks(tasks, epochs=8, verbose=0)
print(history.table())
print(model.calibrate(held_out[1].train))

# %% [markdown]
# A temperature above 1 says that the probabilities were too sure. Rows of less familiarity than the
# threshold, in nats, are called unfamiliar.
#
# ## Export
#
# The student alone is written, without teacher and optimizer. Each file is opened by its own
# runtime and compared with the model, on random inputs and on the examples. The folder appears
# whole or not at all.

# %%
u, v = tasks[1].test()
about = ccl.export_student(
    model, "artefacts", formats=("onnx", "litert"), quantize="int8", examples=(u, v)
)
for name, file in about["artefacts"].items():
    accuracy = f"accuracy {file['accuracy']:.4f}" if "accuracy" in file else ""
    print(f"{name:<24}{file['bytes'] / 1e6:6.2f} MB  {accuracy}")

# %% [markdown]
# The classifier says what an image is, the decoder turns a latent vector into an image. The file
# with weights of 8 bits is a quarter of the size. `model.json` says what goes in and comes out:

# %%
import json
from pathlib import Path

described = json.loads(Path("artefacts/model.json").read_text())
for name in ("input_shape", "input_range", "class_names", "calibration"):
    print(f"{name}: {described[name]}")

# %% [markdown]
# ## ONNX Runtime
#
# NumPy and ONNX Runtime are enough. Outputs are asked for by name;
# [Deployment](../deployment.md#the-tensors) lists them.

# %%
import onnxruntime

session = onnxruntime.InferenceSession("artefacts/classifier.onnx")
print([output.name for output in session.get_outputs()])

inputs = np.concatenate([u[:3], np.random.default_rng(0).uniform(size=(1, 28, 28, 1))])
inputs = inputs.astype("float32")  # three digits, and noise
wanted = ["calibrated_probabilities", "familiarity"]
shares, familiarity = session.run(wanted, {"x": inputs})
for k, row in enumerate(shares):
    familiar = familiarity[k] >= described["calibration"]["threshold"]
    print(described["class_names"][row.argmax()], f"{row.max():.3f}", "familiar:", bool(familiar))

# %% [markdown]
# A classifier names one of its classes whatever comes, noise included. The familiarity tells it
# apart.
#
# ## Files, where there is no TensorFlow
#
# [export/classify.py](../../export/classify.py) is one file to copy. It reads images, and answers
# for each:

# %%
import subprocess
import sys

import keras

for k, image in enumerate(inputs):
    keras.utils.save_img(Path("artefacts", f"input_{k}.png"), 255 * image, scale=False)

script = Path(ccl.__file__).parents[1] / "export" / "classify.py"
files = [f"artefacts/input_{k}.png" for k in range(len(inputs))]
command = [sys.executable, script, "artefacts/classifier.onnx", *files]
print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

# %% [markdown]
# ## LiteRT
#
# The same tensors, under the signature `serving_default`, in an interpreter that runs on
# telephones and small boards:

# %%
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter("artefacts/classifier.tflite")
classify = interpreter.get_signature_runner("serving_default")
answers = classify(x=inputs)
difference = np.abs(answers["calibrated_probabilities"] - shares).max()
print([described["class_names"][k] for k in answers["probabilities"].argmax(1)])
print("as ONNX Runtime answers:", bool(difference < 1e-4))

# %% [markdown]
# ## The browser
#
# `export/web` is a page that loads `classifier.onnx` and `decoder.onnx`: draw a digit, see
# probabilities and familiarity, move z and see what the decoder generates. Nothing is fetched from
# elsewhere. Two commands, in a clone:
#
# ```bash
# npm install --prefix export/web
# python export/web/serve.py artefacts
# ```
#
# It prints the address to open. This is the page, with another model:
#
# ![The page](../web.png)
#
# In a page of your own, with `onnxruntime-web`:
#
# ```js
# const about = await (await fetch("model.json")).json();
# const session = await ort.InferenceSession.create("classifier.onnx");
# const x = new ort.Tensor("float32", pixels, [1, ...about.input_shape]); // Float32Array, 0 to 1
# const { calibrated_probabilities, familiarity } = await session.run({ x });
# ```
#
# ## A later task
#
# An exported file is the student of today. When the next task has been learnt, export again; the
# calibration ends with the task, so calibrate first. `content_hash` in `model.json` tells the
# weights of two exports apart.
