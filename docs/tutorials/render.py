"""Run the tutorials and write each as a page of the site, with what it printed and drew.

    python docs/tutorials/render.py                  # all of them, each in a process of its own
    python docs/tutorials/render.py first_stream     # some

A tutorial is a script in the percent format, which Jupyter (with jupytext), VS Code, PyCharm and
Spyder open as a notebook: `# %% [markdown]` begins a cell of text, `# %%` one of code. The page
is `NAME.md` beside the script; PNG files that a cell writes are its figures. An error ends the run.
Needs `pip install -e ".[tutorials]"`.
"""

import contextlib
import io
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "render")
MARK = re.compile(r"^# %%( \[markdown\])?$")


class Cell(NamedTuple):
    """A cell of a script, and the number of its first line."""

    is_text: bool
    source: str
    line: int


def cells_of(name: str) -> list[Cell]:
    """The cells of a tutorial, in order."""
    lines = (FOLDER / f"{name}.py").read_text().splitlines()
    marks = [k for k, line in enumerate(lines) if MARK.match(line)]
    found = []
    for mark, end in zip(marks, [*marks[1:], len(lines)], strict=True):
        is_text, body = lines[mark] != "# %%", lines[mark + 1 : end]
        if is_text:
            body = [line.removeprefix("#").removeprefix(" ") for line in body]
        found.append(Cell(is_text, "\n".join(body).strip(), mark + 2))
    return found


def page(cells: list[Cell], outputs: list[str]) -> str:
    """The Markdown of a tutorial, with the output of each of its cells ("" where there is none)."""
    parts = []
    for cell, output in zip(cells, outputs, strict=True):
        parts.append(cell.source if cell.is_text else f"```python\n{cell.source}\n```")
        parts.append(output)
    return "\n\n".join(part for part in parts if part) + "\n"


def run(name: str, cells: list[Cell]) -> Iterator[tuple[str, list[Path]]]:
    """Run the cells of a tutorial in the current folder, one after the other.

    Args:
        name: of the tutorial.
        cells: of its script.

    Yields:
        What each cell printed, and the PNG files that it wrote to the current folder.
    """
    path = FOLDER / f"{name}.py"
    namespace = {"__name__": "__main__", "__file__": str(path)}
    known: set[Path] = set()
    for cell in cells:
        printed = io.StringIO()
        if not cell.is_text:
            # Lines keep their numbers: of errors, and of the source that AutoGraph reads.
            code = compile("\n" * (cell.line - 1) + cell.source, str(path), "exec")
            with contextlib.redirect_stdout(printed):
                exec(code, namespace)
        drawn = sorted(set(Path().glob("*.png")) - known)
        known |= set(drawn)
        lines = printed.getvalue().strip("\n").splitlines()
        yield "\n".join(line.rstrip() for line in lines), drawn


def render(name: str) -> None:
    """Run a tutorial in a folder of its own, and write its page and its figures."""
    cells, outputs, figures = cells_of(name), [], {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for text, drawn in run(name, cells):
            parts = [f"```text\n{text}\n```"] if text else []
            parts += [f"![{path.stem.replace('_', ' ')}]({name}_{path.name})" for path in drawn]
            figures |= {f"{name}_{path.name}": path.read_bytes() for path in drawn}
            outputs.append("\n\n".join(parts))
    for old in FOLDER.glob(f"{name}_*.png"):
        old.unlink()
    for file, content in figures.items():
        (FOLDER / file).write_bytes(content)
    (FOLDER / f"{name}.md").write_text(page(cells, outputs))


def main(names: list[str]) -> None:
    if unknown := set(names) - set(NAMES):
        sys.exit(f"render: expected some of {NAMES}, received {sorted(unknown)}")
    os.environ |= {"MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = multiprocessing.get_context("spawn")
    with processes.Pool(1, maxtasksperchild=1) as pool:
        for name in names or NAMES:
            pool.apply(render, (name,))
            print(f"docs/tutorials/{name}.md", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
