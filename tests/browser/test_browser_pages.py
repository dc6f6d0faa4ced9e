"""Every page of a run's report, opened from the file system on a desktop and on a phone."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from chromium import NOTEBOOKS, PAGES, SIZES, SLIDER, Opened, count_figures

SMALLEST_TEXT = 11  # pixels

# Tables, figures and sliders that leave the window or the article, have to be scrolled, or whose cells are cut.
SHOWN = f"article :is(table, figure img, .headline img, {SLIDER})"
CUT = """shown => [...document.querySelectorAll(shown)].flatMap(one => {
  const box = one.getBoundingClientRect(), name = one.tagName + " " + (one.alt || one.textContent).trim().slice(0, 60);
  if (!box.width) return [];
  const outer = [];
  for (let around = one.parentElement; around; around = around.parentElement) outer.push(around);
  const article = one.closest("article").getBoundingClientRect();
  const leaves = [0, article.left].some(left => box.left < left - 1)
    || [innerWidth, article.right].some(right => box.right > right + 1);
  const scrolled = outer.filter(e => getComputedStyle(e).overflowX != "visible" && e.scrollWidth > e.clientWidth + 1);
  const cells = [...one.querySelectorAll("th, td")].filter(e => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1);
  return [
    ...(leaves ? [`${name}: ${box.left} to ${box.right}`] : []),
    ...scrolled.map(e => `${name}: in a ${e.tagName} ${e.className} of ${e.scrollWidth} in ${e.clientWidth} pixels`),
    ...cells.map(e => `${name}: the cell ${e.textContent.trim()} is cut`),
  ];
})"""

FIGURES = """() => [...document.querySelectorAll("article img")].map(image => ({
  alt: image.alt,
  caption: image.closest("figure.captioned")?.querySelector("figcaption")?.textContent.trim() ?? "",
  headline: image.closest(".headline") !== null,
  text: image.dataset.smallestText * image.getBoundingClientRect().width / image.getAttribute("width"),
}))"""


@pytest.fixture(scope="module", params=[(page, size) for page in PAGES for size in SIZES], ids="-".join)
def opened(browser, report, request):
    name, size = request.param
    opened = Opened(browser, size)
    opened.name = name
    opened.open(report / f"{name}.html")
    yield opened
    opened.context.close()


def test_the_report_has_a_page_for_every_notebook(report):
    assert {page.stem for page in report.glob("*.html")} == set(PAGES)


def test_a_page_opens_without_errors_and_needs_only_files(opened):
    assert opened.page.locator("h1:visible").count() == 1 or opened.name == "report"
    assert opened.wrong == []
    assert opened.from_outside() == []


def test_nothing_is_cut_or_has_to_be_scrolled_sideways(opened):
    assert opened.page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    assert opened.page.evaluate(CUT, SHOWN) == []


@pytest.mark.parametrize("width", [600, 768, 1000, 1100, 1199, 1200, 1920])
def test_the_front_page_fits_windows_of_other_widths(browser, report, width):
    """Its figure and its table stand beside each other where there is room for both."""
    opened = Opened(browser)
    opened.page.set_viewport_size({"width": width, "height": 800})
    opened.open(report / "index.html")
    assert opened.page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0
    opened.context.close()


def test_every_figure_has_an_alternative_text_and_a_caption(opened, run):
    figures = opened.page.evaluate(FIGURES)
    for figure in figures:
        for text in (figure["alt"], figure["caption"] or (figure["headline"] and figure["alt"])):
            assert len(text.split()) > 2, figure
            assert not re.search(r"[0-9a-f]{16}|\.(svg|png)\b", text), figure
    if opened.name in NOTEBOOKS:
        expected = count_figures(run / "notebooks" / f"{opened.name}.ipynb")
        assert opened.page.locator("article figure.captioned").count() == expected > 0


def test_text_in_figures_is_large_enough_on_a_desktop(opened):
    if opened.size == "phone":
        pytest.skip("a tap enlarges the figures on a phone")
    sizes = [figure["text"] for figure in opened.page.evaluate(FIGURES)]
    assert [size for size in sizes if not size >= SMALLEST_TEXT - 0.05] == []


def test_links_lead_to_files_and_anchors(opened):
    places = opened.page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.href)")
    local = {place for place in places if place.startswith("file:")}
    assert local
    for place in local:
        parts = urlsplit(place)
        path = Path(unquote(parts.path))
        assert path.is_file(), place
        assert not parts.fragment or unquote(parts.fragment) in anchors(path), place


def test_axe_finds_nothing(opened):
    if opened.name == "report":  # below the headings it is the pages again, and would take a minute
        opened.page.evaluate(
            "document.querySelectorAll('article section > :not(h1, section)').forEach(e => e.remove())"
        )
    assert opened.violations() == []


@cache
def anchors(path):
    """The identifiers of a page's elements."""
    found = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.update(v for k, v in attributes if k in ("id", "name"))
    parser.feed(path.read_text())
    parser.close()
    return found
