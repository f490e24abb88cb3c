"""What the client and the example say of images that are like nothing learnt."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from checks import ROOT, few_of, run_here

import keras_ccl as ccl

sys.path.insert(0, str(ROOT / "examples"))
import running
import unfamiliar

pytestmark = pytest.mark.graph


@pytest.fixture(scope="module")
def calibrated(work, tmp_path_factory):
    """The folder of an exported model that is calibrated, and the model."""
    model = ccl.load_model(work / "model.keras")
    x, y = ccl.datasets.load("mnist").train
    model.calibrate((x[500:1000], y[500:1000]), coverage=0.9)
    folder = tmp_path_factory.mktemp("calibrated") / "out"
    ccl.export_student(model, folder, formats="onnx")
    return folder, model


def test_the_client_tells_what_is_unfamiliar(calibrated, tmp_path):
    folder, model = calibrated
    x = ccl.datasets.load("mnist").train[0][1000:1020]
    noise = np.random.default_rng(0).uniform(size=x.shape).astype(np.float32)
    np.save(tmp_path / "x.npy", np.concatenate([x, noise]))
    done = run_here("export/classify.py", folder / "classifier.onnx", tmp_path / "x.npy", "--json")
    answers, expected = json.loads(done.stdout), model.identify(np.concatenate([x, noise]))
    assert [a["familiar"] for a in answers] == expected.familiar.tolist()
    assert not expected.familiar[20:].any() and expected.familiar[:20].mean() > 0.7
    assert [int(a["label"]) for a in answers] == expected.label.tolist()
    shares = [a["probability"] for a in answers]
    np.testing.assert_allclose(shares, expected.probability, atol=1e-4)
    done = run_here("export/classify.py", folder / "classifier.onnx", tmp_path / "x.npy")
    told = [line.endswith(" nats  unfamiliar") for line in done.stdout.splitlines()]
    assert told == (~expected.familiar).tolist()


def test_without_calibration_nothing_is_called_unfamiliar(work):
    done = run_here("export/classify.py", work / "out/classifier.onnx", work / "rows.npy", "--json")
    assert all(answer["familiar"] is None for answer in json.loads(done.stdout))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_says_what_is_unfamiliar(tmp_path):
    about = {"class_names": ["a", "b"], "calibration": {"threshold": -5.0}}
    plain = {"probabilities": [0.01, 0.99], "familiarity": [-6]}
    tempered = {**plain, "calibrated_probabilities": [0.3, 0.7]}
    cases = [
        (tempered, about),
        ({**tempered, "familiarity": [-5]}, about),
        (plain, {**about, "calibration": None}),
    ]
    shutil.copy(ROOT / "export/web/verdict.js", tmp_path / "verdict.mjs")
    (tmp_path / "case.mjs").write_text(
        'import { verdict } from "./verdict.mjs";'
        f"console.log(JSON.stringify({json.dumps(cases)}.map((pair) => verdict(...pair))));"
    )
    command = ["node", tmp_path / "case.mjs"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    unlike, like, uncalibrated = json.loads(done.stdout)
    assert unlike["unfamiliar"] and unlike["text"].startswith("Unfamiliar: ")
    assert not like["unfamiliar"] and like["text"] == "b, 70.0 %"
    assert like["probabilities"] == [0.3, 0.7]
    assert not uncalibrated["unfamiliar"] and uncalibrated["text"] == "b, 99.0 %"


@pytest.mark.slow
def test_the_example_prints_what_it_measured(monkeypatch, tmp_path, capsys):
    load_few = few_of(1000, 1000)
    monkeypatch.setattr(running, "load", load_few)
    unfamiliar.main(["--tasks", "2", "--epochs", "1", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    figures = dict(re.findall(r"(near|far): AUROC ([\d.]+), FPR95 [\d.]+", printed))
    assert re.search(r"before calibration: ECE [\d.]+, NLL [\d.]+", printed)
    assert re.search(r"after calibration: ECE [\d.]+, NLL [\d.]+", printed)
    assert "of the surest 80%" in printed and "of the surest 100%" in printed
    about = json.loads((tmp_path / "export" / "model.json").read_text())
    model = ccl.load_model(tmp_path / "model.keras")
    assert about["calibration"]["temperature"] == model.calibration.temperature
    assert model.calibration.tasks_seen == 2
    (u, v), (other, _) = (load_few(name).test for name in ("mnist", "fashion_mnist"))
    known, unknown = model.familiarity(u[v < 4]), model.familiarity(other)
    assert figures.keys() == {"near", "far"}
    expected = ccl.uncertainty.auroc(known, unknown)
    assert float(figures["far"]) == pytest.approx(expected, abs=1e-4)


def test_the_example_is_short_and_refuses_a_stream_of_one_task(tmp_path, capsys):
    code = (ROOT / "examples" / "unfamiliar.py").read_text().split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 42
    with pytest.raises(SystemExit):
        unfamiliar.main(["--tasks", "1", "--out", str(tmp_path / "out")])
    assert "--tasks: expected at least 2" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
