"""What must hold of the pages as they were written: nothing remote is loaded, no link is broken."""

import posixpath
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Found(HTMLParser):
    """The addresses that a page loads, those it links to, and the names of its parts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        if tag in LOADED and LOADED[tag] in given and given.get("rel") not in ("canonical", "prev"):
            self.loaded.append(given[LOADED[tag]])
        elif tag == "a" and "href" in given:
            self.linked.append(given["href"])


def on_post_build(config: MkDocsConfig) -> None:
    root = Path(config.site_dir)
    pages = {path.relative_to(root).as_posix(): path for path in root.rglob("*.html")}
    pages.pop("404.html", None)  # its links begin at the root of a server
    found = {name: Found(path.read_text()) for name, path in pages.items()}
    faults = [fault for name in found for fault in faults_of(name, found, root)]
    if faults:
        raise PluginError("\n".join(faults))


def faults_of(name: str, found: dict[str, Found], root: Path) -> list[str]:
    """What is wrong with a page: what it loads from elsewhere, and links that lead nowhere."""
    page = found[name]
    faults = [f"{name}: loads {url}" for url in page.loaded if urlsplit(url).netloc]
    for url in [*page.loaded, *page.linked]:
        parts = urlsplit(url)
        if parts.scheme or parts.netloc:
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
        target = name if not parts.path else path
        if (root / target).is_dir():
            target = posixpath.normpath(posixpath.join(target, "index.html"))
        if not (root / target).is_file():
            faults.append(f"{name}: {url} leads nowhere")
        elif parts.fragment and target in found:
            if unquote(parts.fragment) not in found[target].names:
                faults.append(f"{name}: there is no {parts.fragment} in {target}")
    return faults
