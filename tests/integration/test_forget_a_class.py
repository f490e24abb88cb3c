"""The example that forgets a class: what it prints, writes and refuses."""

import json
import re
import sys

import numpy as np
import onnxruntime
import pytest
from checks import ROOT, few_of

import keras_ccl as ccl

sys.path.insert(0, str(ROOT / "examples"))
import forget_a_class
import running

pytestmark = pytest.mark.graph


load_few = few_of(1000, 1000)


@pytest.mark.release
def test_what_the_example_exports_never_names_the_class(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(running, "load", load_few)
    forget_a_class.main(["--tasks", "2", "--epochs", "2", "--forget", "1", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    figures = dict(re.findall(r"(before|after): others [\d.]+, 1 ([\d.]+)", printed))
    assert figures.keys() == {"before", "after"} and float(figures["after"]) == 0
    areas = re.findall(r"(?:bound|familiarity|probability) ([\d.]+)", printed)
    assert len(areas) == 6 and all(0 <= float(area) <= 1 for area in areas)
    assert "on the test images of 'all but 1'" in printed
    model = ccl.load_model(tmp_path / "model.keras")
    x = load_few("mnist").test[0]
    session = onnxruntime.InferenceSession(str(tmp_path / "export" / "classifier.onnx"))
    (shares,) = session.run(["probabilities"], {"x": x})
    assert not shares[:, 1].any() and np.allclose(shares.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(shares, model.predict(x, verbose=0), atol=1e-4)
    about = json.loads((tmp_path / "export" / "model.json").read_text())
    assert len(about["class_names"]) == 10 and model.forgotten == {1}


def test_the_example_is_short_and_refuses_a_class_that_it_does_not_learn(tmp_path, capsys):
    code = (ROOT / "examples" / "forget_a_class.py").read_text().split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 42
    for flags in (["--tasks", "2", "--forget", "4"], ["--tasks", "1", "--forget", "1"]):
        with pytest.raises(SystemExit):
            forget_a_class.main([*flags, "--out", str(tmp_path / "out")])
        assert "--forget: expected a class of at least 2 tasks" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
