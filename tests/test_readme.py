"""README's Python, word for word, in the order in which a reader meets it."""

import pytest
from checks import ROOT
from pages import in_few_steps, names, python_blocks, run

README = ROOT / "README.md"
BLOCKS = python_blocks(README)
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
    in_few_steps(monkeypatch)
    namespace = names()
    run(blocks, README, namespace)
    assert {path.name for path in tmp_path.iterdir()} == written
    history = namespace["history"]
    assert history.accuracy.shape[0] == history.tasks_before + len(history)


def test_no_snippet_is_left_out():
    assert len(TAUGHT) == len(BLOCKS) - 1 == README.read_text().count("```python") - 1
