"""Formulas of the pages, `$x$` and ```math blocks as GitHub shows them too, as MathML.

Browsers draw MathML themselves, so that no script is loaded for it.
"""

import re
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from mkdocs.config.defaults import MkDocsConfig

SPACED = re.compile("(?<=<mi>log</mi>)(?=<mi>)")
INLINE = r"(?<![\\$\w])\$(?=\S)([^$\n]+?)(?<=\S)\$(?!\w)"
AFTER_CODE, BEFORE_ESCAPES = 190, 180  # priorities of Python-Markdown's own patterns


def mathml(source: str, display: str) -> str:
    """A formula, with the space after a logarithm that the converter leaves out."""
    return SPACED.sub('<mspace width="0.167em" />', convert(source, display=display))


class Inline(InlineProcessor):
    """`$x$` within text."""

    def handleMatch(self, m: Any, data: str) -> tuple[ElementTree.Element | str, int, int]:
        return self.md.htmlStash.store(mathml(m[1], "inline")), m.start(0), m.end(0)


class Formulas(Extension):
    """Formulas within text; those in blocks are a fence of `pymdownx.superfences`."""

    def extendMarkdown(self, md: Markdown) -> None:
        priority = (AFTER_CODE + BEFORE_ESCAPES) / 2
        md.inlinePatterns.register(Inline(INLINE, md), "formula", priority)


def block(source: str, *_: Any, **__: Any) -> str:
    """A ```math block: every line of it a formula of its own, unless it begins an environment."""
    formulas = [source] if r"\begin" in source else source.strip().splitlines()
    return "".join(f"<p>{mathml(formula, 'block')}</p>" for formula in formulas)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.markdown_extensions.append(Formulas())
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "math", "class": "math", "format": block}]
    return config
