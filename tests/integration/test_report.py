"""The example of a report: what it prints and writes."""

import csv
import json
import sys

import numpy as np
import pytest
from checks import ROOT, few_of

import keras_ccl as ccl

sys.path.insert(0, str(ROOT / "examples"))
import report
import running

pytestmark = pytest.mark.graph


@pytest.mark.slow
def test_the_example_writes_what_it_prints(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(running, "load", few_of(1000, 1000))
    report.main(["--tasks", "2", "--epochs", "2", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    title = "CCL-GM on split MNIST, the subset in the package, seed 0"
    assert title in printed and "auroc" in printed and "average accuracy" in printed
    with open(tmp_path / "log.csv") as file:
        logged = [(int(row["epoch"]), float(row["task"])) for row in csv.DictReader(file)]
    assert logged == [(0, 1), (1, 1), (2, 2), (3, 2)]
    history, measured = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("history", "evaluation")
    )
    np.testing.assert_allclose(measured["accuracy"], history["accuracy"][-1])
    assert (
        measured["temperature"] == ccl.load_model(tmp_path / "model.keras").calibration.temperature
    )
    assert title in (tmp_path / "report.md").read_text()
    for name in ("history", "learning", "evaluation"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_the_example_is_short():
    code = (ROOT / "examples" / "report.py").read_text().split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 38
