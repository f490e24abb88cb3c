"""The packages are as docs/architecture.md shows them, and imports go one way."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "keras_ccl"
MOST_LINES, MOST_ENTRIES = 250, 10


def files_in_order():
    """The files that the document lists, in import order, such as `models/joint_vae.py`."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    (block,) = re.findall(r"```text\nkeras_ccl/\n(.*?)```", text, re.DOTALL)
    return re.findall(r"^    ([\w/]+\.py) ", block, re.MULTILINE)


def is_for_types_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def nodes_at_run_time(tree):
    """Every node but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if not is_for_types_only(node):
            yield node
            yield from nodes_at_run_time(node)


def imported(path):
    """The modules of the package that a file imports, at its head or inside a function."""
    found = set()
    for node in nodes_at_run_time(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the order"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    names = {name.removeprefix("keras_ccl.") for name in found if name.startswith("keras_ccl.")}
    files = {f"{name.replace('.', '/')}.py" for name in names}
    return {file for file in files if (PACKAGE / file).exists()}


def package_of(file):
    return file.split("/")[0]


def test_every_file_has_its_place():
    files = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    assert sorted(files_in_order()) == sorted(f for f in files if not f.endswith("__init__.py"))


def test_a_file_imports_only_from_files_above_it():
    order = files_in_order()
    assert len(order) > 20
    upward = [
        f"{file} imports {other}"
        for place, file in enumerate(order)
        for other in imported(PACKAGE / file)
        if order.index(other) >= place
    ]
    assert not upward


def test_a_package_stands_in_one_place_of_the_order():
    packages = [package_of(file) for file in files_in_order()]
    changes = [k for k, name in enumerate(packages) if k == 0 or packages[k - 1] != name]
    assert len(changes) == len(set(packages))


def test_the_package_has_few_entries():
    entries = [
        path.name for path in PACKAGE.iterdir() if path.name not in ("__init__.py", "__pycache__")
    ]
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_no_file_is_long():
    folders = ("keras_ccl", "examples", "benchmarks", "export", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    too_long = [str(p) for p in files if len(p.read_text().splitlines()) > MOST_LINES]
    assert not too_long
