"""The tutorials run from beginning to end, and their pages are those of their scripts."""

import importlib.util
import re
import tempfile

import pytest
from pages import DOCS, few_rows, in_small

import keras_ccl as ccl

FOLDER = DOCS / "tutorials"
OUTPUT = re.compile(r"\n```text\n.*?\n```\n|\n!\[[^]\n]*\]\(\w+\.png\)\n", re.DOTALL)

OF_TENSORFLOW = ("__autograph_generated_file", ".ses")
"""Begin the names of temporary files of TensorFlow and its converters, in the folder for such."""


def loaded(path):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


render = loaded(FOLDER / "render.py")


def as_it_runs(name):
    """A parameter: a tutorial, in traced functions where it exports, which needs them."""
    exports = "export_student" in (FOLDER / f"{name}.py").read_text()
    return pytest.param(name, marks=[pytest.mark.graph] if exports else [])


def few_digits(load):
    """scikit-learn's `load_digits`, of which 100 rows are taken."""
    return lambda **options: tuple(part[:100] for part in load(**options))


@pytest.mark.tutorial
@pytest.mark.parametrize("name", map(as_it_runs, render.NAMES))
def test_a_tutorial_runs_and_leaves_nothing_elsewhere(name, tmp_path, monkeypatch):
    datasets = pytest.importorskip("sklearn.datasets", reason='pip install -e ".[tutorials]"')
    here, aside = tmp_path / "here", tmp_path / "aside"
    here.mkdir()
    aside.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("TMPDIR", str(aside))
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    load = ccl.datasets.load
    in_small(monkeypatch)
    monkeypatch.setattr(ccl.datasets, "load", few_rows(load, 120))
    monkeypatch.setattr(datasets, "load_digits", few_digits(datasets.load_digits))
    before = sorted(FOLDER.iterdir())
    outputs = list(render.run(name, render.cells_of(name)))
    assert any(text for text, _ in outputs)
    assert sorted(FOLDER.iterdir()) == before
    assert sorted(tmp_path.iterdir()) == [aside, here]
    left = [path.name for path in aside.iterdir()]
    assert [name for name in left if not name.startswith(OF_TENSORFLOW)] == []


@pytest.mark.parametrize("name", render.NAMES)
def test_the_page_of_a_tutorial_is_that_of_its_script(name):
    cells = render.cells_of(name)
    text = (FOLDER / f"{name}.md").read_text()
    assert without_outputs(text) == render.page(cells, [""] * len(cells))
    shown = set(re.findall(rf"\(({name}_\w+\.png)\)", text))
    assert shown == {path.name for path in FOLDER.glob(f"{name}_*.png")}
    assert OUTPUT.search(text) and not re.search(r"/tmp/|/home/|Traceback", text)


def without_outputs(text):
    return OUTPUT.sub("", text)


def test_outputs_are_all_that_a_page_has_beside_its_script():
    cells = [
        render.Cell(True, "# A title", 1),
        render.Cell(False, "print(1)", 3),
        render.Cell(False, "plot()", 5),
        render.Cell(True, "An end", 7),
    ]
    outputs = ["", "```text\n1\n\n2\n```", "![a figure](a_figure.png)\n\n![b](b.png)", ""]
    bare = render.page(cells, [""] * 4)
    assert without_outputs(render.page(cells, outputs)) == bare
    assert bare == "# A title\n\n```python\nprint(1)\n```\n\n```python\nplot()\n```\n\nAn end\n"


def test_every_tutorial_has_its_page_in_the_navigation():
    assert {"first_stream", "your_csv", "your_images"} < set(render.NAMES)
    listed = re.findall(r"tutorials/(\w+)\.md", (DOCS / "site" / "mkdocs.yml").read_text())
    assert sorted(listed) == render.NAMES == sorted(path.stem for path in FOLDER.glob("*.md"))
