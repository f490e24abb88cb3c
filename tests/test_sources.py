"""The forms that rows come in: each is read as the arrays that it holds, or refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from checks import rows, same_weights, slow_but, tiny, weights_of

import keras_ccl as ccl
from keras_ccl.data.splits import as_split
from keras_ccl.data.validation import DataSpec

SPEC = DataSpec((6,), 3, True)
X, Y = rows(20)
BYTES = np.round(255 * X).astype("uint8")


class Frame:
    """What a data frame and a column of one have in common: NumPy can make an array of them."""

    def __init__(self, values):
        self.values, self.columns = values, range(6)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def __len__(self):
        return len(self.values)


class Batches(keras.utils.PyDataset):
    """Five batches, and how often a pass began and ended."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log = []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    def on_epoch_begin(self):
        self.log.append("begin")

    def on_epoch_end(self):
        self.log.append("end")


def batches():
    yield from zip(np.split(X, 5), np.split(Y, 5), strict=True)


def single_rows():
    yield from zip(X.tolist(), Y.tolist(), strict=True)


def one_hot_rows():
    yield from zip(X, np.eye(3)[Y], strict=True)


def without_length():
    return tf.data.Dataset.from_tensor_slices((X, Y)).filter(lambda x, y: True)


SOURCES = {
    "lists": (X.tolist(), Y.tolist()),
    "a list of two lists": [X.tolist(), Y.tolist()],
    "frames": (Frame(X), Frame(Y)),
    "a column of labels": (X, Y[:, None]),
    "a PyDataset": Batches(),
    "a PyDataset with workers": Batches(workers=3, max_queue_size=1),
    "a function that returns a generator of batches": batches,
    "one that returns a generator of rows": single_rows,
    "one of rows with one-hot labels": one_hot_rows,
    "a function that returns a PyDataset": lambda: Batches(),
    "tf.data without length": without_length(),
    "a function that returns tf.data": without_length,
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_form_is_read_as_its_rows(name):
    (task,) = ccl.TaskStream([SOURCES[name]])
    split = as_split(task.train, SPEC, "here", batch_size=4)
    for _ in range(2):  # passes
        x, y = zip(*split.batches(4).as_numpy_iterator(), strict=True)
        np.testing.assert_array_equal(np.concatenate(x), X)
        np.testing.assert_array_equal(np.concatenate(y), Y)
    assert split.rows == 20 and split.steps(4) == 5
    assert (x[0].dtype, y[0].dtype) == (np.float32, np.int32)


@pytest.mark.slow
def test_rows_without_length_learn_as_a_dataset_of_the_same_batches(recwarn):
    models = [tiny(ccl.JointVAE, prior="normal") for _ in range(2)]
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(10)
    for model, data in zip(models, (dataset, single_rows), strict=True):
        task = ccl.Task(data, validation=data)
        model.fit_tasks([task], epochs=2, batch_size=10, verbose=0)
    assert same_weights(*(weights_of(model) for model in models))
    assert not [w for w in recwarn if "ran out of data" in str(w.message)]


def test_a_py_dataset_is_told_of_each_pass():
    dataset = Batches()
    as_split(dataset, SPEC, "here", batch_size=4)
    assert dataset.log == ["begin", "end"]


def test_a_py_dataset_without_end_needs_steps_per_epoch():
    class Endless(Batches):
        num_batches = None

        def __getitem__(self, index):
            return super().__getitem__(index % 5)

    with pytest.raises(ValueError, match="here: an infinite dataset needs steps_per_epoch"):
        as_split(Endless(), SPEC, "here", batch_size=4)
    assert as_split(Endless(), SPEC, "here", batch_size=4, steps=7).rows == 28


def test_a_generator_without_end_is_read_for_the_steps_of_an_epoch():
    def endless():
        while True:
            yield from batches()

    split = as_split(endless, SPEC, "here", batch_size=4, steps=7)
    learnt, steps = split.training(4, seed=tf.constant([1, 2]), steps_per_epoch=7)
    assert split.rows == 28 and steps == 7
    x, _ = zip(*learnt.take(14).as_numpy_iterator(), strict=True)
    np.testing.assert_array_equal(np.concatenate(x[:5]), X)


def changing():
    yield X[:4], Y[:4]
    yield X[:4], Y[:4] + 0.5


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (batches(), "received a generator, which can be read only once; pass the function"),
        (lambda: iter(()), "expected at least one row, received an empty dataset"),
        (lambda: iter([{"x": X}]), r"expected a generator of \(x, y\) or .*, received one of dict"),
        (changing, "failed after 4 rows: ValueError: expected .* as in the first element"),
        (([[0.5], [0.5, 0.5]], [0, 1]), "expected rows of one shape"),
        ((Frame(X.astype(object)), Y), "expected real numbers in x, received dtype object"),
    ],
    ids=["generator", "nothing", "dicts", "another type", "ragged", "objects"],
)
def test_what_cannot_be_read_is_refused(task, message):
    model = tiny()
    before = weights_of(model)
    with pytest.raises((TypeError, ValueError), match=f"task 1, train: .*{message}"):
        model.fit_tasks([task], epochs=1, verbose=0)
    assert same_weights(before, weights_of(model))


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("form", [np.ndarray.tolist, Frame, np.asarray])
def test_rows_that_are_not_within_a_list_of_tasks_are_refused_in_every_form(kind, form):
    with pytest.raises(TypeError, match="expected a list of tasks, such as"):
        tiny().fit_tasks(kind((form(X), form(Y))), epochs=1)


@pytest.mark.parametrize("weight", [[-1.0] * 20, [np.nan] * 20, [1.0] * 19, [["a"]] * 20])
def test_bad_weights_of_rows_are_refused(weight):
    with pytest.raises(ValueError, match="here: expected .*sample_weight"):
        as_split((X, Y, weight), SPEC, "here", batch_size=4)


@pytest.mark.parametrize("as_dataset", [False, True])
def test_weights_of_rows_stay_with_their_rows(as_dataset):
    data = X, Y, np.arange(20)
    data = tf.data.Dataset.from_tensor_slices(data) if as_dataset else data
    split = as_split(data, SPEC, "here", batch_size=4)
    batched, steps = split.training(4, seed=tf.constant([1, 2]))
    x, _, weight = zip(*batched.take(steps or 5).as_numpy_iterator(), strict=True)
    order = np.concatenate(weight).astype(int)
    assert sorted(order) == list(range(20)) and weight[0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate(x), X[order])


@pytest.mark.parametrize("as_dataset", slow_but([False, True], [False]))
def test_bytes_mean_the_unit_range_whatever_they_are_given_to(as_dataset):
    floats = BYTES.astype("float32") / 255
    model, expected = (tiny(ccl.JointVAE, prior="normal") for _ in range(2))
    data = tf.data.Dataset.from_tensor_slices((BYTES, Y)).batch(8) if as_dataset else (BYTES, Y)
    same = tf.data.Dataset.from_tensor_slices((floats, Y)).batch(8) if as_dataset else (floats, Y)
    model.fit_tasks([data], epochs=1, verbose=0)
    expected.fit_tasks([same], epochs=1, verbose=0)
    assert same_weights(weights_of(model), weights_of(expected))
    for ask in (model.predict, model.elbo, model.reconstruct, lambda x: model.encode(x).mean()):
        np.testing.assert_allclose(ask(BYTES), ask(floats), rtol=1e-5, atol=1e-6)
    given, exact = data if as_dataset else (BYTES, Y), same if as_dataset else (floats, Y)
    measured = [
        model.evaluate(*(rows if isinstance(rows, tuple) else (rows,)), verbose=0, return_dict=True)
        for rows in (given, exact)
    ]
    assert measured[0] == pytest.approx(measured[1], rel=1e-5)


def test_a_gaussian_likelihood_takes_bytes_as_they_are():
    split = as_split((BYTES, Y), SPEC._replace(unit_range=False), "here", batch_size=4)
    np.testing.assert_array_equal(split.x, BYTES)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_an_image_folder_is_read_as_its_pixels(as_bytes, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), np.uint8)
    for k, image in enumerate(images):  # two classes
        (tmp_path / f"{k % 2}").mkdir(exist_ok=True)
        keras.utils.save_img(tmp_path / f"{k % 2}" / f"{k}.png", image, scale=False)
    folder = keras.utils.image_dataset_from_directory(
        tmp_path, image_size=(5, 4), batch_size=4, shuffle=False, verbose=False
    )
    pixels = (lambda x: tf.cast(x, "uint8")) if as_bytes else (lambda x: x / 255)
    spec = DataSpec((5, 4, 3), 4, True)
    with pytest.raises(ValueError, match="here: .*expects x in .0, 1.*divide by 255"):
        as_split(folder, spec, "here", batch_size=4)
    split = as_split(folder.map(lambda x, y: (pixels(x), y + 2)), spec, "here", batch_size=4)
    x, y = (
        np.concatenate(part) for part in zip(*split.batches(4).as_numpy_iterator(), strict=True)
    )
    np.testing.assert_allclose(x, images[[0, 2, 4, 1, 3, 5]] / 255, atol=1e-6)
    assert y.tolist() == [2, 2, 2, 3, 3, 3] and split.rows == 6
