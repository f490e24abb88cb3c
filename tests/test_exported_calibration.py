"""What a calibrated model exports: calibrated probabilities, and what tells familiar rows."""

import json

import numpy as np
import onnxruntime
import pytest
from checks import rows, tiny

import keras_ccl as ccl
from keras_ccl.export import formats

X, Y = rows(60)


@pytest.fixture(scope="module")
def taught():
    model = tiny(num_classes=None, class_names=["a", "b", "c"])
    model.fit_tasks([(X, np.array(["a", "b", "c"])[Y])], epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def exported(taught, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    plain = ccl.export_student(taught, folder / "plain", formats="onnx")
    taught.calibrate((X, np.array(["a", "b", "c"])[Y]))
    about = ccl.export_student(taught, folder / "calibrated", formats=tuple(formats.FORMATS))
    return folder, plain, about


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_artefact_answers_as_the_model_does(exported, taught, name):
    folder, _, about = exported
    suffix = formats.FORMATS[name].suffix
    found = formats.FORMATS[name].open(folder / "calibrated" / f"classifier{suffix}")(X)
    expected = taught.identify(X)
    shares = found["calibrated_probabilities"]
    np.testing.assert_allclose(shares, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found["probabilities"], taught.predict(X, verbose=0), atol=1e-5)
    np.testing.assert_allclose(found["familiarity"], taught.familiarity(X), rtol=1e-4)
    names = np.array(about["class_names"])
    np.testing.assert_array_equal(names[shares.argmax(1)], expected.label)
    clear = np.abs(expected.familiarity - about["calibration"]["threshold"]) > 1e-3
    familiar = found["familiarity"] >= about["calibration"]["threshold"]
    np.testing.assert_array_equal(familiar[clear], expected.familiar[clear])
    record = about["artefacts"][f"classifier{suffix}"]
    assert record["tolerance"]["calibrated_probabilities"] == 1e-5
    assert record["worst_difference"]["calibrated_probabilities"] <= 1e-5


def test_the_metadata_tell_temperature_threshold_and_coverage(exported, taught):
    folder, plain, about = exported
    kept = taught.calibration
    assert about["calibration"] == {
        "temperature": kept.temperature,
        "threshold": kept.threshold,
        "coverage": 0.95,
        "tasks_seen": 1,
    }
    session = onnxruntime.InferenceSession(str(folder / "calibrated" / "classifier.onnx"))
    texts = session.get_modelmeta().custom_metadata_map
    assert json.loads(texts["calibration"]) == about["calibration"]
    assert json.loads(texts["class_names"]) == ["a", "b", "c"]
    assert plain["calibration"] is None
    found = formats.open_onnx(folder / "plain" / "classifier.onnx")(X)
    assert "calibrated_probabilities" not in found and "familiarity" in found


def test_a_temperature_that_the_artefact_lacks_is_noticed(taught, exported, monkeypatch, tmp_path):
    run = formats.open_onnx

    def as_if_uncalibrated(path):
        def answers(rows):
            found = run(path)(rows)
            if "calibrated_probabilities" in found:
                found["calibrated_probabilities"] = np.full_like(found["probabilities"], 0.5)
            return found

        return answers

    broken = formats.FORMATS["onnx"]._replace(open=as_if_uncalibrated)
    monkeypatch.setitem(formats.FORMATS, "onnx", broken)
    with pytest.raises(ValueError, match="'calibrated_probabilities' differs from the Keras model"):
        ccl.export_student(taught, tmp_path / "out", formats="onnx")


def test_a_head_exports_its_temperature(tmp_path):
    model = ccl.StreamingLDA((6,), 3)
    model.fit_tasks([(X, Y)], verbose=0)
    model.calibrate((X, Y))
    about = ccl.export_student(model, tmp_path / "out", formats="onnx")
    assert about["calibration"]["threshold"] is None
    found = formats.open_onnx(tmp_path / "out" / "classifier.onnx")(X)
    expected = model.identify(X).probabilities
    np.testing.assert_allclose(found["calibrated_probabilities"], expected, atol=1e-4)
