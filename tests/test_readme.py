"""README's Python, word for word, in the order in which a reader meets it."""

import re
from pathlib import Path

import pytest
from checks import rows

import keras_ccl as ccl
from keras_ccl.training import budgets

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def names():
    """What README's snippets take for granted: some images, and tasks of them."""
    data = [rows(20, (28, 28, 1), 10, seed=k) for k in range(6)]
    found = {f"{name}{k}": data[k][i] for k in range(1, 5) for i, name in enumerate("xy")}
    found |= {f"{name}{k}": data[k + 3][i] for k in (1, 2) for i, name in enumerate("uv")}
    return {**found, "x": data[0][0], "tasks": [ccl.Task(data[5], test=data[0])]}


EXPORTS = [block for block in BLOCKS if "export_student" in block]
TAUGHT = [block for block in BLOCKS if block not in EXPORTS]


@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.parametrize(
    ("blocks", "written"),
    [
        pytest.param(TAUGHT, {"m.keras", "run-1", "run.json", "run.png"}, id="learning"),
        pytest.param(BLOCKS[:1] + EXPORTS, {"artefacts"}, id="export"),
    ],
)
def test_readme_runs(blocks, written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for size in ("STEPS", "FEWEST_STEPS", "FEWEST_EPOCHS"):  # the words alone are tried
        monkeypatch.setattr(budgets, size, 2)
    namespace = names()
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)
    assert {path.name for path in tmp_path.iterdir()} == written
    history = namespace["history"]
    assert history.accuracy.shape[0] == history.tasks_before + len(history)


def test_no_snippet_is_left_out():
    assert len(TAUGHT) == len(BLOCKS) - 1 == README.read_text().count("```python") - 1
