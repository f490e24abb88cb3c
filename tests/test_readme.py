"""README's Python, word for word, in the order in which a reader meets it."""

import numpy as np
import pandas as pd
import pytest
from checks import ROOT
from pages import in_small, names, python_blocks, run
from PIL import Image

import keras_ccl as ccl

README = ROOT / "README.md"
BLOCKS = python_blocks(README)
WRITTEN = {"kinds.keras", "runs", "artefacts"}


def tables(folder):
    """Measurements of two kinds in one month, and of a third in the next."""
    rng = np.random.default_rng(0)
    for month, kinds in {"january": ["ash", "elm"], "february": ["elm", "yew"]}.items():
        measured = pd.DataFrame(rng.normal(size=(40, 3)), columns=["height", "girth", "age"])
        measured.assign(kind=kinds * 20).to_csv(folder / f"{month}.csv", index=False)
    return {"january.csv", "february.csv"}


def photos(folder):
    """A folder for each of two classes, of images of any size."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir(parents=True)
        for k in range(4):
            pixels = rng.integers(0, 256, (40, 30), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{k}.png")
    return {"photos"}


@pytest.mark.graph
@pytest.mark.slow
def test_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    in_small(monkeypatch)
    given = tables(tmp_path) | photos(tmp_path)
    namespace = names()
    run(BLOCKS, README, namespace)
    assert {path.name for path in tmp_path.iterdir()} == given | WRITTEN
    assert namespace["probabilities"].shape == (len(namespace["data"].test[0]), 10)
    assert ccl.load_model(tmp_path / "kinds.keras").class_names == ("ash", "elm")
    assert namespace["model"].class_names == ("cat", "dog")
    assert "classes 0, 1, 2, 3, 4" in capsys.readouterr().out


def test_a_busy_person_can_read_it():
    text = README.read_text()
    assert len(text.splitlines()) <= 120
    assert len(BLOCKS) == text.count("```python") == 3
