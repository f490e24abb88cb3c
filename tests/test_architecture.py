"""The rooms are as docs/architecture.md shows them, and imports go one way."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "keras_ccl"


def rooms():
    """The files that the document lists, in import order, such as `models/ccl_gm.py`."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    (block,) = re.findall(r"```text\nkeras_ccl/\n(.*?)```", text, re.DOTALL)
    return re.findall(r"^    ([\w/]+\.py) ", block, re.MULTILINE)


def imported(path):
    """The modules of the package that a file imports, at its head or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the order"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    names = {name.removeprefix("keras_ccl.") for name in found if name.startswith("keras_ccl.")}
    files = {f"{name.replace('.', '/')}.py" for name in names}
    return {file for file in files if (PACKAGE / file).exists()}


def test_every_file_has_its_room():
    files = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    assert sorted(rooms()) == sorted(file for file in files if not file.endswith("__init__.py"))


def test_a_file_imports_only_from_rooms_above_it():
    order = rooms()
    assert len(order) > 20
    upward = [
        f"{file} imports {other}"
        for place, file in enumerate(order)
        for other in imported(PACKAGE / file)
        if order.index(other) >= place
    ]
    assert not upward


def test_no_file_is_longer_than_300_lines():
    files = [
        p
        for folder in ("keras_ccl", "examples", "tests", "export")
        for p in (ROOT / folder).rglob("*.py")
    ]
    assert not [str(p) for p in files if len(p.read_text().splitlines()) > 300]
