"""Shows a figure with a caption, in a notebook and in the report."""

import base64
import html
import io
import re

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.text import Text

PIXELS_PER_POINT = 96 / 72  # CSS


class CaptionedFigure:
    """A figure as HTML with its caption, which is its alternative text as well."""

    def __init__(self, figure: Figure, caption: str) -> None:
        self.caption = caption
        self.svg = _svg(figure)
        self.smallest_text = min(text.get_fontsize() for text in _texts(figure))
        self.width = round(figure.get_figwidth() * 72 * PIXELS_PER_POINT)

    def __repr__(self) -> str:
        return f"Figure: {plain(self.caption)}"

    def _repr_html_(self) -> str:
        """Returns the figure as an image within the page, of the size at which its text is as large as the page's."""
        image = base64.b64encode(self.svg).decode()
        return (
            f'<figure class="captioned"><img src="data:image/svg+xml;base64,{image}" '
            f'alt="{html.escape(plain(self.caption))}" width="{self.width}" '
            f'data-smallest-text="{self.smallest_text * PIXELS_PER_POINT:.1f}">'
            f"<figcaption>{html.escape(self.caption, quote=False)}</figcaption></figure>"
        )


def caption(text: str, label: str = "") -> CaptionedFigure:
    """Returns the current figure with a caption, and closes it.

    `text` states what the figure shows, in one or two sentences; formulas stand between dollars. `label` is written
    above the figure: which events it shows (`study.event_label`).
    """
    figure = plt.gcf()
    if label:
        figure.suptitle(label, x=0.005, ha="left", fontsize="medium", fontstyle="italic")
    captioned = CaptionedFigure(figure, text)
    plt.close(figure)
    return captioned


def plain(text: str) -> str:
    r"""Returns a text with its formulas as plain letters: `$m_{\ell\nu}$` becomes m_ℓν."""
    symbols = {
        r"\ell": "ℓ",
        r"\nu": "ν",
        r"\eta": "η",
        r"\phi": "φ",
        r"\Delta": "Δ",
        r"\sigma": "σ",
        r"\pm": "±",
        r"\sqrt": "√",
        r"\to": "→",
    }
    for name, letter in symbols.items():
        text = text.replace(name, letter)
    return re.sub(r"\$([^$]+)\$", lambda formula: re.sub(r"\\[a-z]+|[{}]", "", formula[1]), text)


def _svg(figure: Figure) -> bytes:
    """Returns a figure as SVG, the same for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _texts(figure: Figure) -> list[Text]:
    """Returns all visible texts of a figure."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
