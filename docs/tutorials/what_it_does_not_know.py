# %% [markdown]
# # Missing boundaries, and what a model does not know
#
# Rows arrive in one stream. Nobody says where one task ends and the next begins, and later
# something comes that belongs to no class. This page learns such a stream with `fit_stream`, and
# asks the model what is familiar to it. It needs `pip install -e ".[examples]"`.

# %% [markdown]
# ## A stream
#
# Digits 0 to 3, two at a time, as one sequence of images. A tenth of the images is held out for
# later.

# %%
import numpy as np

import keras_ccl as ccl

data = ccl.datasets.load("mnist")
(x, y), kept = data.train, len(data.train[0]) * 9 // 10
tasks = ccl.streams.split(ccl.Task((x[:kept], y[:kept]), test=data.test))
learnt, later = tasks[:2], tasks[2]
held_out = ccl.streams.split(ccl.Task((x[kept:], y[kept:])))[:2]

incoming = ccl.streams.blurred(learnt)  # one task after the other; mixing=0.1 lets them fade
print("tasks end after so many rows:", incoming.ends)

# %% [markdown]
# ## Learn it
#
# Each row is read once, in its order. Before a block of 512 rows is learnt, a frozen copy of the
# model is asked for its bound on log p(x, y). Where the bound is clearly lower than on the rows
# before, the data have moved, and the teacher takes over. `test` only measures.

# %%
model = ccl.CCLGM((28, 28, 1), 10, seed=0)
found = model.fit_stream(incoming.rows, epochs=6, test=incoming.tasks, verbose=0)
print(found.table())
print("boundaries:", found.boundaries, found.reasons)

# %% [markdown]
# The first line is what the model took for the first task: it ends where the true one does. Below
# are the accuracies on each task, after each hand-over. A change is looked for only after a
# thousand rows of a segment; data that drift slowly are better served by `hand_over=n`, which lets
# the teacher take over after every n rows.
#
# ## What it does not know
#
# A classifier names one of its classes whatever comes:

# %%
far = ccl.datasets.load("fashion_mnist").test[0][:200]
probabilities = model.predict(far, verbose=0).max(1)
print("how sure of five photographs of clothes:", probabilities[:5].round(3))

# %% [markdown]
# `calibrate` takes rows of the last task that were not learnt. It finds one temperature, which
# makes the probabilities honest, and one threshold of familiarity. The earlier tasks are
# generated: none of their rows is needed.

# %%
print(model.calibrate(held_out[1].train, coverage=0.95))

# %% [markdown]
# `identify` answers with label, calibrated probability, familiarity in nats (0 at best), and
# whether the row is familiar:

# %%
known = np.concatenate([task.test()[0] for task in learnt])
answer = model.identify(known[:3])
print(answer.label, answer.probability.round(3), answer.familiarity.round(1), answer.familiar)

# %% [markdown]
# About 95 % of rows like those learnt should be called familiar. How many of three kinds are:

# %%
groups = {"digits 0 to 3": known, "digits 4 and 5": later.test()[0], "clothes": far}
for name, rows in groups.items():
    print(f"{name:<16}{model.identify(rows).familiar.mean():.3f}")

# %% [markdown]
# Clothes are told apart. Of digits that were not learnt more than half are called familiar: they
# consist of the same strokes. [The results](../results.md) have both on all of the data. A
# familiar image may still be misread.
#
# A further task ends the calibration, because it would no longer be true:

# %%
model.fit_tasks([later], epochs=1, verbose=0)
try:
    model.identify(known[:3])
except ValueError as error:
    print(error)

# %% [markdown]
# ## Where to go next
#
# - [No boundaries](../settings.md#no-boundaries) among the settings.
# - [Deployment](deployment.md): exported classifiers hold temperature and threshold.
# - `examples/no_boundaries.py` and `examples/unfamiliar.py` do both on all of the data.
