# %% [markdown]
# # Your own table
#
# From a CSV file to a classifier that is saved, goes on with a new class, and is exported to ONNX.
# You know Keras; you have never seen this library. It needs `pip install -e ".[tutorials]"`.
#
# The example is scikit-learn's wine table: 178 wines of three kinds, 13 chemical measurements. The
# first cell writes it to `wine.csv`. With a table of your own leave it out, and change the three
# names in the second.

# %%
from sklearn.datasets import load_wine

wine = load_wine(as_frame=True)
table = wine.data.assign(kind=wine.target.map({0: "barolo", 1: "grignolino", 2: "barbera"}))
table.to_csv("wine.csv", index=False)

# %% [markdown]
# ## Read it
#
# Every column but the label has to be a number. Text columns with few values become columns of 0
# and 1, and rows with a missing value are dropped: the model refuses them.

# %%
import pandas as pd

FILE = "wine.csv"
LABEL = "kind"  # the column with the answer: strings or integers
IGNORED = []  # columns that must not be used, such as an identifier

table = pd.read_csv(FILE).drop(columns=IGNORED).dropna()
x = pd.get_dummies(table.drop(columns=LABEL)).astype("float32")
y = table[LABEL]
print(x.shape, y.value_counts().to_dict())

# %% [markdown]
# Nothing has to be scaled: the columns are standardised by the first task, and the model keeps the
# means and deviations. Here they range from below 1 to more than 1,000:

# %%
print(x.agg(["min", "max"]).T.iloc[[0, 4, 7, 12]])

# %% [markdown]
# ## Tasks
#
# A task is what arrives together: the table of a month, a site, or a machine. Here the first has
# two kinds, and the third comes later. A quarter of the rows of each kind is held out to test on.

# %%
import keras_ccl as ccl

test_rows = y.groupby(y).sample(frac=0.25, random_state=0).index


def task_of(*labels):
    """The rows with these labels, as a task."""
    wanted, held_out = y.isin(labels), y.index.isin(test_rows)
    train, test = wanted & ~held_out, wanted & held_out
    return ccl.Task((x[train], y[train]), test=(x[test], y[test]), name=" and ".join(labels))


first = task_of("barolo", "grignolino")
second = task_of("barbera")

# %% [markdown]
# Where your file has a column that tells what came when, such as `month`, read it before it
# becomes one of `IGNORED`, and make one task of each group: `[ccl.Task((x.loc[rows], y.loc[rows]))
# for rows in y.groupby(month).groups.values()]`. A task may repeat old classes, bring new ones, or
# both.
#
# ## Learn the first task
#
# The model is told the number of columns and nothing else. Labels are the strings of your file.
# Epochs and batch size follow from the number of rows: of few rows there are many epochs.

# %%
model = ccl.CCLGM(input_shape=(x.shape[1],), seed=0)
history = model.fit_tasks([first], verbose=0)
print(history.table())
print(model.class_names, history.options["epochs_by_task"], history.options["batch_size_by_task"])

# %% [markdown]
# `task 1` is the accuracy on its held-out rows; `neg. ELBO` says how badly the model explains
# them, in nats per row. The last line has the classes, the epochs, and the rows per batch.
# `verbose=0` keeps this page short; without it you see a bar.
#
# ## Save it, and go on when new rows come
#
# This may be another day, in another program. The rows of the first task need not exist any more;
# where their test rows still do, `earlier` measures what is left of the first task.

# %%
model.save("wines.keras")

model = ccl.load_model("wines.keras")
more = model.fit_tasks([second], earlier=[first], verbose=0)
print((history + more).table())
print(model.class_names)

# %% [markdown]
# The second line is after the new kind: the first column is what the model still knows of the
# first two.
#
# ## Ask it
#
# `predict` returns a probability for each class, in the order of `class_names`:

# %%
new = x.loc[test_rows[::9]]
answers = pd.DataFrame(model.predict(new, verbose=0), columns=model.class_names, index=new.index)
print(answers.round(3).assign(truth=y[new.index]))

# %% [markdown]
# Rows that do not fit are refused before anything is learnt, and the message says what was
# expected. Here a missing value was forgotten:

# %%
broken = x.copy()
broken.iloc[3, 2] = float("nan")
try:
    model.fit_tasks([(broken, y)])
except ValueError as error:
    print(error)

# %% [markdown]
# ## Export it
#
# The folder gets the classifier as ONNX and what there is to know about it as `model.json`. The
# file is opened by ONNX Runtime and compared with the model before it appears.

# %%
import json

import onnxruntime

ccl.export_student(model, "artefacts", formats="onnx")

session = onnxruntime.InferenceSession("artefacts/classifier.onnx")
names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])
(probabilities,) = session.run(["probabilities"], {"x": new.to_numpy("float32")})
print([names[k] for k in probabilities.argmax(1)])

# %% [markdown]
# The columns go in as they are, in the order in which they were learnt: the standardisation is
# part of the file. Keep `list(x.columns)` beside it. Where text became columns, a later table may
# lack some of its values: `x.reindex(columns=known_columns, fill_value=0)` brings back the columns
# that the model knows.
#
# ## Where to go next
#
# - [Deployment](deployment.md), the tutorial: LiteRT and the browser too.
# - [A run that is interrupted](interrupted_run.md): `checkpoint_dir`.
# - [What it does not know](what_it_does_not_know.md): rows that belong to no class.
# - [Choose your setting](../settings.md#few-rows): what to expect of small tables, and where it
#   fails.
