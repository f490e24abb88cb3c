"""The example of a stream without boundaries, in a tiny setting."""

import json
import sys

import keras
import numpy as np
import pytest
from checks import ROOT, few_of, slow_but

import keras_ccl as ccl

sys.path.insert(0, str(ROOT / "examples"))
import no_boundaries
import running

pytestmark = pytest.mark.graph


@pytest.mark.parametrize("stream", slow_but(no_boundaries.STREAMS, [], ["split"]))
def test_it_ends_in_table_history_model_and_export(stream, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(running, "load", few_of(3000, 200))
    command = ["--tasks", "2", "--epochs", "1", "--stream", stream, "--mixing", "0.05"]
    no_boundaries.main([*command, "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "handed over" in printed and "average accuracy" in printed and "over time" in printed
    history = json.loads((tmp_path / "history.json").read_text())
    assert history["reasons"][-1] == "end" and len(history["accuracy"][0]) == 2
    model = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(model, ccl.CCLGM) and int(model.tasks_seen) == len(history["boundaries"])
    exported = json.loads((tmp_path / "export" / "model.json").read_text())
    reached = exported["artefacts"]["classifier.onnx"]["accuracy"]
    assert reached == pytest.approx(np.array(history["accuracy"])[-1, 1])


@pytest.mark.parametrize(
    "flags, told",
    [
        (["--mixing", "1"], "--mixing: expected a share in [0, 1), received '1'"),
        (["--mixing", "some"], "--mixing: expected a share in [0, 1), received 'some'"),
        (["--stream", "rotated"], "invalid choice: 'rotated'"),
        (["--tasks", "6"], "--tasks: expected an integer from 1 to 5, received '6'"),
        (["--checkpoint-dir", "."], "unrecognized arguments: --checkpoint-dir"),
    ],
)
def test_a_wrong_flag_is_one_line(flags, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        no_boundaries.main(flags)
    assert told in capsys.readouterr().err and not list(tmp_path.iterdir())
