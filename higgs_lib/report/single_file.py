"""Joins the pages of a report into one HTML file that needs nothing else, to mail or to keep."""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag

from higgs_lib.files import write_atomically

NAME = "report.html"
STYLES = (
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "mystnb.*.css",
    "report.css",
)
FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
ADDRESS = re.compile(r"url\((?!['\"]?data:)[^)]*\)")


def write(html: Path, names: list[str], title: str) -> Path:
    """Writes `html`/report.html, the pages of these names one after the other, and returns its path."""
    pages = {name: _article(html / f"{name}.html") for name in names}
    for name, article in pages.items():
        _make_links_local(article, name, pages)
    sheets = [path for pattern in STYLES for path in sorted((html / "_static").glob(pattern))]
    styles = "\n".join(path.read_text("utf-8") for path in sheets)
    styles = ADDRESS.sub("none", FONT_FACE.sub("", re.sub(r"/\*#.*?\*/", "", styles)))
    contents = "".join(
        f'<li><a href="#{name}">{escape(article.h1.get_text().rstrip("#"))}</a></li>' for name, article in pages.items()
    )
    articles = "".join(
        f'<article id="{name}" class="bd-article">{a.decode_contents()}</article>' for name, a in pages.items()
    )
    script = (html / "_static" / "report.js").read_text("utf-8")
    banner = BeautifulSoup((html / f"{names[0]}.html").read_text("utf-8"), "html.parser")
    shown = banner.select_one(".bd-header-announcement__content").get_text()
    with write_atomically(html / NAME) as path:
        path.write_text(
            f'<!DOCTYPE html>\n<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<script>document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches'
            ' ? "dark" : "light"</script>'
            f"<style>{styles}</style></head>\n<body class='single-file'><header class='single-file-header'>"
            f"<p>{escape(shown)}</p></header><main class='bd-content'>"
            f"<nav aria-label='Contents'><ul>{contents}</ul></nav>{articles}</main>\n"
            f"<script>{script}</script></body></html>\n",
            "utf-8",
        )
    return html / NAME


def _article(path: Path) -> Tag:
    """Returns the content of a page."""
    return BeautifulSoup(path.read_text("utf-8"), "html.parser").select_one("article.bd-article")


def _make_links_local(article: Tag, name: str, pages: dict[str, Tag]) -> None:
    """Makes names unique over all pages, lets links between pages point into the file, and drops other files' links."""
    for tag in article.find_all(id=True):
        tag["id"] = f"{name}--{tag['id']}"
    for tag in article.find_all(["label", "output"], attrs={"for": True}):
        tag["for"] = f"{name}--{tag['for']}" if isinstance(tag["for"], str) else [f"{name}--{t}" for t in tag["for"]]
    for link in article.find_all("a", href=True):
        place = urlsplit(link["href"])
        if place.scheme:
            continue
        page = Path(place.path).stem if place.path else name
        if page in pages and not place.path.endswith((".ipynb", ".json")):
            link["href"] = f"#{page}--{place.fragment}" if place.fragment else f"#{page}"
        else:
            link.unwrap()
