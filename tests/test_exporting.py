"""Export: equal to the model, whole or not at all, and without teacher or optimizer."""

import hashlib
import json

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from checks import rows, tiny

import keras_ccl as ccl
from keras_ccl.export import formats, verification

X, Y = rows(60)


@pytest.fixture(scope="module")
def taught():
    """Two tasks, and a plain `fit`: the student has left its teacher, and Adam has moments."""
    model = tiny()
    model.fit_tasks([(X, Y), rows(60, seed=1)], epochs=2, batch_size=60, verbose=0)
    model.train_on_batch(X, Y)
    return model


@pytest.fixture(scope="module")
def exported(taught, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    about = ccl.export_student(
        taught,
        folder,
        formats=tuple(formats.FORMATS),
        quantize="int8",
        examples=(X, Y),
        class_names=["a", "b", "c"],
    )
    return folder, about


def test_every_artefact_is_there_and_recorded(exported):
    folder, about = exported
    files = {"classifier", "classifier.onnx", "classifier.int8.onnx", "classifier.tflite"}
    files |= {"decoder", "decoder.onnx", "decoder.tflite"}
    assert {path.name for path in folder.iterdir()} == {*files, "model.json"}
    assert json.loads((folder / "model.json").read_text()) == about
    assert set(about["artefacts"]) == files
    for name, record in about["artefacts"].items():
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            assert record["bytes"] == len(content)
            assert record["sha256"] == hashlib.sha256(content).hexdigest()
    found = formats.open_onnx(folder / "classifier.onnx")(X)
    accuracy = np.mean(found["probabilities"].argmax(1) == Y)
    assert about["artefacts"]["classifier.onnx"]["accuracy"] == pytest.approx(accuracy)
    median = np.median(found["familiarity"])
    assert about["familiarity_of_examples"]["50%"] == pytest.approx(median, rel=1e-4)


@pytest.mark.parametrize("name", formats.FORMATS)
@pytest.mark.parametrize("n", [1, 7, 60])
def test_each_runtime_says_what_keras_says(exported, taught, name, n):
    folder, _ = exported
    run = formats.FORMATS[name].open(folder / f"classifier{formats.FORMATS[name].suffix}")
    found = run(X[:n])
    np.testing.assert_allclose(found["probabilities"], taught.predict(X[:n], verbose=0), atol=1e-5)
    decode = formats.FORMATS[name].open(folder / f"decoder{formats.FORMATS[name].suffix}")
    z = found["latent_mean"]
    np.testing.assert_allclose(decode(z)["x"], taught.reconstruct(X[:n]), atol=1e-5)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_row_that_is_not_finite_has_no_answer_in_any_runtime(exported, name):
    folder, _ = exported
    for part, width in (("classifier", 6), ("decoder", 2)):
        given = np.full((4, width), 0.5, np.float32)
        given[1, 0], given[2, 1] = np.nan, np.inf
        found = formats.FORMATS[name].open(folder / f"{part}{formats.FORMATS[name].suffix}")(given)
        for key, answer in found.items():
            gaps = np.isnan(answer.reshape(4, -1))
            assert gaps[1:3].all() and not gaps[[0, 3]].any(), (part, key)


def test_the_metadata_travel_in_the_onnx_file(exported, taught):
    folder, about = exported
    session = onnxruntime.InferenceSession(str(folder / "classifier.onnx"))
    texts = session.get_modelmeta().custom_metadata_map
    found = {key: json.loads(text) for key, text in texts.items()}
    assert found["part"] == "classifier" and found["class_names"] == ["a", "b", "c"]
    assert found["input_shape"] == [6] and found["input_range"] == [0, 1]
    assert found["tasks_seen"] == 2 and found["likelihood"] == "bernoulli"
    assert found["content_hash"] == about["content_hash"] == verification.content_hash(taught)
    assert session.get_inputs()[0].shape == ["batch", 6]


@pytest.mark.slow
@pytest.mark.graph
def test_keras_own_export_answers_as_the_model(taught, tmp_path):
    taught.export(tmp_path / "saved", verbose=False)
    taught.export(tmp_path / "file.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "file.onnx"))
    expected = taught.predict(X, verbose=0)
    saved = tf.saved_model.load(tmp_path / "saved")
    for found in (saved.serve(X), session.run(None, {"x": X})[0]):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def named_arrays(owner, variables):
    """Arrays by name; of one to three numbers any file may hold the same."""
    arrays = {f"{owner} {v.path}": np.array(v) for v in variables}
    return {name: array for name, array in arrays.items() if array.size > 3 and array.any()}


def test_teacher_and_optimizer_stay_behind(exported, taught):
    """Not by name only: no array of theirs is in any file, where the student's are."""
    folder, _ = exported
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def holders(array):
        raw = array.tobytes(), array.T.tobytes()  # LiteRT holds kernels transposed
        return {path for path, content in files.items() if any(form in content for form in raw)}

    for part, slot in (("classifier", "encoder"), ("classifier", "classifier"), ("decoder",) * 2):
        kernel = getattr(taught, slot).trainable_weights[0]
        weights = folder / part / "variables" / "variables.data-00000-of-00001"
        expected = {weights, folder / f"{part}.onnx", folder / f"{part}.tflite"}
        assert expected <= holders(np.array(kernel)), slot
    foreign = named_arrays("optimizer", taught.optimizer.variables)
    assert len(foreign) > len(taught.trainable_weights)  # both moments of most weights
    for slot in ("encoder", "decoder", "classifier"):
        foreign |= named_arrays("teacher", getattr(taught.teacher, slot).weights)
    assert not {name for name, array in foreign.items() if holders(array)}
    for content in files.values():
        assert b"teacher" not in content and b"adam" not in content.lower()


def test_the_content_hash_tells_students_apart(taught):
    other = tiny(seed=1)
    assert verification.content_hash(taught) != verification.content_hash(other)
    again = tiny(seed=1)
    assert verification.content_hash(other) == verification.content_hash(again)


@pytest.mark.slow
def test_int8_is_a_third_at_most_of_a_real_student(tmp_path):
    x, y = rows(200, (12, 12, 1))
    model = ccl.CCLGM((12, 12, 1), 3, latent_dim=8, prior_components=4, seed=0)
    model.fit_tasks([(x, y)], epochs=1, verbose=0)
    about = ccl.export_student(model, tmp_path / "out", formats="onnx", quantize="int8")
    small, whole = (about["artefacts"][f"classifier{k}.onnx"] for k in (".int8", ""))
    assert small["bytes"] <= whole["bytes"] / 3
    assert small["worst_difference"]["probabilities"] < 0.05
    assert "tolerance" not in small and small["weights"] == "int8"


@pytest.mark.release
def test_the_convolutional_student_exports(tmp_path):
    x, y = rows(60, (8, 8, 1))
    model = ccl.CCLGM((8, 8, 1), 3, latent_dim=3, architecture="convolutional", seed=0)
    model.fit_tasks([(x, y)], epochs=1, verbose=0)
    about = ccl.export_student(
        model, tmp_path / "out", formats=("onnx", "litert"), quantize="int8", examples=(x, y)
    )
    record = about["artefacts"]["classifier.onnx"]
    assert record["worst_difference"]["probabilities"] <= 1e-5 and record["labels_equal"] == 1


def test_an_output_that_is_not_finite_is_named_and_nothing_is_left(taught, tmp_path):
    broken = tiny()
    broken.set_weights(taught.get_weights())
    kernel, bias = broken.classifier.get_weights()
    broken.classifier.set_weights([kernel * np.nan, bias])
    with pytest.raises(ValueError, match="tensor 'probabilities': .* not finite"):
        ccl.export_student(broken, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tensor", ["probabilities", "familiarity"])
def test_a_mismatch_is_an_error_that_names_the_tensor(tensor):
    expected = {"probabilities": np.full((4, 2), 0.5), "familiarity": np.full(4, -300.0)}
    wrong = {**expected, tensor: expected[tensor] * (1 + 3e-3)}
    with pytest.raises(ValueError, match=f"file: tensor {tensor!r} differs"):
        verification.compare(
            "file",
            lambda rows_: {k: v[: len(rows_)] for k, v in wrong.items()},
            np.zeros((4, 6)),
            expected,
        )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formats": ("pickle",)}, ValueError, "expected one of 'saved_model', 'onnx', 'litert'"),
        ({"formats": ()}, ValueError, "expected at least one"),
        ({"formats": "litert", "quantize": "int8"}, ValueError, "expected 'onnx' among them"),
        ({"quantize": "int4"}, ValueError, "quantize: expected one of None, 'int8'"),
        ({"class_names": ["a"]}, ValueError, "class_names: expected 3, received 1"),
        ({"examples": (X[:, :5], Y)}, ValueError, r"examples: x is \(5,\), the model expects"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    taught, tmp_path, options, error, message
):
    with pytest.raises(error, match=message):
        ccl.export_student(taught, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_a_model_without_a_task_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has learnt a task, received one with tasks_seen 0"):
        ccl.export_student(tiny(), tmp_path / "out")


def test_a_full_folder_is_kept_unless_overwrite(taught, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty; overwrite=True"):
        ccl.export_student(taught, out, formats="onnx")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    ccl.export_student(taught, out, formats="onnx", overwrite=True)
    written = {"classifier.onnx", "decoder.onnx", "model.json"}
    assert {path.name for path in out.iterdir()} == written
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_in_the_way_is_refused(taught, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(NotADirectoryError, match="expected a directory, received a file"):
        ccl.export_student(taught, tmp_path / "out")


def test_a_missing_package_is_told_in_one_sentence(taught, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r'tf2onnx is missing: pip install "keras-ccl\[export\]"'):
        ccl.export_student(taught, tmp_path / "out", formats="onnx")
    assert not list(tmp_path.iterdir())
