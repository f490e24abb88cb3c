"""What must hold of the pages as they were written: nothing remote is loaded, no link is broken."""

import posixpath
import re
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

LOADED = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*?\s(?:src|href)="([^"]*)"')
LINKED = re.compile(r'<a\b[^>]*?\shref="([^"]*)"')
NAMED = re.compile(r'<[^>]*?\s(?:id|name)="([^"]*)"')


class Found(NamedTuple):
    """The addresses that a page loads, those it links to, and the names of its parts."""

    loaded: list[str]
    linked: list[str]
    names: set[str]


def found_in(text: str) -> Found:
    loaded, linked, names = (
        [unescape(value) for value in pattern.findall(text)] for pattern in (LOADED, LINKED, NAMED)
    )
    return Found(loaded, linked, set(names))


def on_post_build(config: MkDocsConfig) -> None:
    root = Path(config.site_dir)
    pages = {path.relative_to(root).as_posix(): path for path in root.rglob("*.html")}
    pages.pop("404.html", None)  # its links begin at the root of a server
    found = {name: found_in(path.read_text()) for name, path in pages.items()}
    faults = [fault for name in found for fault in faults_of(name, found, root)]
    if faults:
        raise PluginError("\n".join(faults))


def faults_of(name: str, found: dict[str, Found], root: Path) -> list[str]:
    """What is wrong with a page: what it loads from elsewhere, and links that lead nowhere."""
    page = found[name]
    faults = [f"{name}: loads {url}" for url in page.loaded if urlsplit(url).netloc]
    for url in {*page.loaded, *page.linked}:
        parts = urlsplit(url)
        if parts.scheme or parts.netloc:
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
        target = name if not parts.path else path
        if (root / target).is_dir():
            target = posixpath.normpath(posixpath.join(target, "index.html"))
        if not (root / target).is_file():
            faults.append(f"{name}: {url} leads nowhere")
        elif target in found and unquote(parts.fragment) not in {"", *found[target].names}:
            faults.append(f"{name}: there is no {parts.fragment} in {target}")
    return faults
