"""Files of the repository as pages of the site, wherever a page links to them.

A page of `docs/` links to `../keras_ccl/bounds/objectives.py#joint_terms` as it would on a code
host; here the link leads to a page with that file, at that function or class.
"""

import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""What stands at the top of the repository by the name of its page."""

LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)\s#]+)(#[\w.]+)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    named: dict[str, bool] = {}  # whether links lead to what is within a file
    for file in files.documentation_pages():
        for match in LINK.finditer(file.content_string):
            path = in_repository(file.src_uri, match[1])
            if path.endswith(".py") and (ROOT / path).is_file():
                named[path] = named.get(path, False) or bool(match[2])
    for path, split in sorted(named.items()):
        content = source_page(path, split)
        files.append(File.generated(config, page_of(path), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    def led(match: re.Match) -> str:
        target, name = in_repository(page.file.src_uri, match[1]), (match[2] or "")[1:]
        to = page_of(target)
        if files.get_file_from_path(to) is None or to == posixpath.join("..", target):
            return match[0]
        if name and target.endswith(".py") and name not in dict(definitions(ROOT / target)):
            raise PluginError(f"{page.file.src_uri}: there is no {name} in {target}")
        start = posixpath.dirname(page.file.src_uri) or "."
        return posixpath.relpath(to, start) + (match[2] or "")

    return LINK.sub(led, markdown)


def in_repository(page: str, target: str) -> str:
    """The path in the repository that a link of a page leads to."""
    at_top = {page: name for name, page in PAGES.items()}
    source = at_top.get(page, f"docs/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), target))


def page_of(path: str) -> str:
    """The page of the site that shows a file of the repository."""
    if path.endswith(".py"):
        return f"source/{path.removesuffix('.py')}.md"
    return PAGES.get(path, path.removeprefix("docs/"))


def definitions(path: Path) -> Iterator[tuple[str, int]]:
    """The classes, their methods, and the functions of a file, and the line where each begins."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, first_line(node)
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    yield f"{node.name}.{part.name}", first_line(part)


def first_line(node: ast.ClassDef | ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def source_page(path: str, split: bool) -> str:
    """A file as Markdown.

    Args:
        path: in the repository.
        split: whether each definition gets a heading, to which links can lead.
    """
    lines = (ROOT / path).read_text().splitlines()
    starts = [("", 1), *(definitions(ROOT / path) if split else ())]
    ends = [line for _, line in starts[1:]] + [len(lines) + 1]
    parts = ["---\nsearch:\n  exclude: true\n---", f"# {path}"]
    for (name, start), end in zip(starts, ends, strict=True):
        if name:
            level = "###" if "." in name else "##"
            parts.append(f"{level} `{name}` {{ #{name} }}")
        code = "\n".join(lines[start - 1 : end - 1]).rstrip()
        parts.append(f"````python\n{code}\n````")
    return "\n\n".join(parts) + "\n"
