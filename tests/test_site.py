"""The pages of docs/: their code runs, and what they name exists."""

import ast
import importlib
import inspect
import itertools
import re
import textwrap
from dataclasses import is_dataclass

import pytest
from checks import ROOT, slow_but
from pages import DOCS, in_small, names, python_blocks, run, saved_before

import keras_ccl as ccl
from keras_ccl import tuning
from keras_ccl.models.keras_training import KerasTraining

PAGES = {str(path.relative_to(DOCS)): path for path in sorted(DOCS.rglob("*.md"))}
"""Tutorials run as scripts, in `test_tutorials.py`; their links are tested here."""
NOT_RUN = {"architecture.md": "the loop in outline"}
WRITTEN = {
    "index.md": {"digits.keras"},
    "settings.md": {"digits.keras", "run-1", "artefacts"},
    "deployment.md": {"digits.keras", "artefacts"},
    "scaling.md": {"run-1"},
    "guide.md": {"m.keras", "run-1", "run.json", "run.png", "artefacts"},
}
LINK = re.compile(r"\]\(((?:\.\./)+[^)#]*?\.py)(?:#([\w.]+))?\)")
SOURCES = sorted((ROOT / "keras_ccl").rglob("*.py"))
MODULES = (
    ccl,
    ccl.datasets,
    ccl.methods,
    ccl.metrics,
    ccl.networks,
    ccl.plotting,
    ccl.streams,
    ccl.uncertainty,
)


def is_run_here(page):
    return page not in NOT_RUN and not page.startswith("tutorials/")


@pytest.mark.parametrize(
    "page",
    slow_but(
        [page for page in PAGES if python_blocks(PAGES[page]) and is_run_here(page)],
        each_time=[page for page in PAGES if page.startswith("reference/")],
    ),
)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    in_small(monkeypatch)
    if page in ("settings.md", "deployment.md"):
        saved_before(tmp_path)
    namespace = names()
    run(python_blocks(PAGES[page]), page, namespace)
    assert {path.name for path in tmp_path.iterdir()} == WRITTEN.get(page, set())
    history = namespace.get("history")
    assert history is None or history.accuracy.shape[0] == history.tasks_before + len(history)


def test_no_page_is_left_out():
    with_code = {page for page in PAGES if "```python" in PAGES[page].read_text()}
    assert set(NOT_RUN) < with_code and {"index.md", "settings.md", "from_avalanche.md"} < with_code


# The reference.


def public_names():
    """Every public name, as it is imported."""
    found = {
        f"keras_ccl.{name}" for name in ccl.__all__ if not inspect.ismodule(getattr(ccl, name))
    }
    for module in MODULES[1:]:
        found |= {f"{shown_as(module)}.{name}" for name in module.__all__}
    return found | {f"keras_ccl.tuning.{name}" for name in tuning.__all__}


def shown_as(module):
    """The name under which users find a module, such as `keras_ccl.streams`."""
    return f"keras_ccl.{module.__name__.rpartition('.')[2]}"


def entries():
    pages = [PAGES[page].read_text() for page in PAGES if page.startswith("reference/")]
    return re.findall(r"^::: ([\w.]+)$", "\n".join(pages), re.MULTILINE)


def test_every_public_module_tells_what_is_public():
    modules = {name for name in ccl.__all__ if inspect.ismodule(getattr(ccl, name))}
    assert {shown_as(module) for module in MODULES[1:]} == {f"keras_ccl.{name}" for name in modules}


def test_every_public_name_has_its_entry():
    found = entries()
    assert len(found) == len(set(found))
    beside = {"keras_ccl.Task", "keras_ccl.TaskStream"}  # in `streams` too
    same = {f"keras_ccl.streams.{name.rpartition('.')[2]}" for name in beside}
    assert sorted(public_names() - same - set(found)) == []


def test_every_entry_can_be_imported():
    for entry in entries():
        assert resolved(entry) is not None, entry


def resolved(dotted):
    """What a dotted name stands for, through modules and attributes."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            found = getattr(found, name)
        return found
    return None


def documented():
    """What the reference shows of functions and classes, and the code that takes the arguments."""
    for entry in entries():
        found = resolved(entry)
        if inspect.isfunction(found) or inspect.ismethod(found):
            yield pytest.param(found, found, id=entry)
        elif has_arguments_of_its_own(found):
            yield pytest.param(found, found.__init__, id=entry)


def has_arguments_of_its_own(found):
    """Whether it is a class with a constructor that somebody wrote."""
    made = is_dataclass(found) or getattr(found, "_is_protocol", False)
    return inspect.isclass(found) and "__init__" in vars(found) and not made


@pytest.mark.parametrize(("found", "code"), documented())
def test_docstrings_tell_arguments_results_and_errors(found, code):
    text, signature = inspect.getdoc(found) or "", inspect.signature(code)
    implied = {"self", "model"} if vars(KerasTraining).get(found.__name__) else {"self"}
    for name in signature.parameters.keys() - implied:
        assert re.search(rf"^ +(\*\*?)?{name}: ", text, re.MULTILINE), name
    if found is code and signature.return_annotation is not None:
        assert "Returns:" in text
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    if any(isinstance(node, ast.Raise) for node in ast.walk(tree)):
        assert "Raises:" in text


def methods():
    """The public methods of the classes of the reference."""
    for entry in entries():
        found = resolved(entry)
        for name, member in vars(found).items() if inspect.isclass(found) else ():
            if inspect.isfunction(member) and not name.startswith("_"):
                told_by_base = any(hasattr(base, name) for base in found.__mro__[1:])
                if member.__doc__ or not told_by_base:
                    yield pytest.param(member, id=f"{entry}.{name}")


@pytest.mark.parametrize("method", methods())
def test_methods_tell_shapes_and_errors(method):
    text = inspect.getdoc(method) or ""
    assert text
    annotations = [str(p.annotation) for p in inspect.signature(method).parameters.values()]
    if any(re.search(r"\b(ndarray|Tensor)\b", annotation) for annotation in annotations):
        assert "`[" in text or "stateless seed" in text or "calar" in text
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    if any(isinstance(node, ast.Raise) for node in ast.walk(tree)):
        assert "Raises:" in text


def test_constants_are_told():
    named = [entry for entry in entries() if entry.rpartition(".")[2].isupper()]
    constants = [entry for entry in named if not inspect.isclass(resolved(entry))]
    assert len(constants) > 6
    for entry in constants:
        assert any(entry.rpartition(".")[2] in told_constants(path) for path in SOURCES), entry


def told_constants(path):
    """The constants of a file that a string follows, which says what they are."""
    nodes = ast.parse(path.read_text()).body
    for node, text in itertools.pairwise(nodes):
        target = getattr(node, "target", None) or getattr(node, "targets", [None])[0]
        if isinstance(target, ast.Name) and isinstance(text, ast.Expr):
            yield target.id


# What pages name.


@pytest.mark.parametrize("page", PAGES)
def test_files_and_functions_that_a_page_links_to_exist(page):
    for target, name in LINK.findall(PAGES[page].read_text()):
        path = (PAGES[page].parent / target).resolve()
        assert path.is_file() and path.is_relative_to(ROOT), target
        assert not name or name in defined_in(path), f"{target}#{name}"


def defined_in(path):
    """The functions, the classes and their methods, such as `JointVAE.train_step`."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{m.name}" for m in node.body if hasattr(m, "name"))


def test_the_method_and_its_promises_are_linked():
    terms = [name for _, name in LINK.findall(PAGES["how_it_works.md"].read_text())]
    assert len(set(terms)) > 40 and all(terms)
    tests = {
        path.rpartition("/")[2] for path, _ in LINK.findall(PAGES["reliability.md"].read_text())
    }
    assert len(tests) > 40 and all(name.startswith("test_") for name in tests)


@pytest.mark.parametrize("page", ["index.md", "settings.md"])
def test_figures_are_those_of_the_results(page):
    text, results = PAGES[page].read_text(), PAGES["results.md"].read_text()
    figures = set(re.findall(r"\b\d+\.\d{2,4}\b", text)) - {"3.11"}  # of Python
    assert not {figure for figure in figures if figure not in results}
    commands = set(re.findall(r"^\|.*\| `(python .*?)` \|$", text, re.MULTILINE))
    commands |= set(re.findall(r"^`(python .*?)`", text, re.MULTILINE))
    assert not {command for command in commands if command not in results}
    assert page != "settings.md" or (len(figures) > 20 and len(commands) > 7)


def test_every_python_that_is_named_is_tested():
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    (matrix,) = re.findall(r"python: \[(.*)\]", workflow)
    assert matrix.replace('"', "").split(", ") == named
