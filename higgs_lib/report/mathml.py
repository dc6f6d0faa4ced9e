"""The Sphinx extension that writes formulas as MathML, which browsers draw without any script."""

import html
import re

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx

from higgs_lib.plots.captions import plain

INLINE_FORMULA = re.compile(r"\$([^$<>]+)\$")  # in HTML that no Markdown parser reads, as a table of pandas


def setup(app: Sphinx) -> dict:
    """Registers the renderer of formulas, whose name is mathml."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_visit_inline_math, None), block_renderers=(_visit_block_math, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def formulas(text: str) -> str:
    """Returns HTML with its formulas between dollars as MathML."""
    return INLINE_FORMULA.sub(lambda found: _mathml(found.group(1), "inline"), text)


def _mathml(formula: str, display: str) -> str:
    """Returns a formula as MathML, with a label for those who do not see it."""
    label = html.escape(plain(f"${formula}$"))
    return latex2mathml.converter.convert(formula, display=display).replace("<math ", f'<math aria-label="{label}" ', 1)


def _visit_inline_math(translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    translator.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _visit_block_math(translator, node: nodes.math_block) -> None:
    """Writes a formula on a line of its own."""
    translator.body.append(f'<div class="formula">{_mathml(node.astext(), "block")}</div>')
    raise nodes.SkipNode
