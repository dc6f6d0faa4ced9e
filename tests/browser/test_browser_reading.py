"""What a reader does with a run's report: unfold code, search, move a slider, enlarge, download, print and mail."""

import csv
import io
import re
import shutil
import unicodedata
import zlib
from pathlib import Path

import pytest
from chromium import NOTEBOOKS, PAGES, SIZES, SLIDER, Opened, count_tables

PAGE = "05_significance"
LARGEST_FILE = 15e6  # bytes, as mail servers take it

# The texts of a download's table: the innermost element around the link that has one.
TABLE_OF = """link => {
  let around = link;
  while (!around.querySelector("table")) around = around.parentElement;
  return [...around.querySelector("table").rows].map(row => [...row.cells].map(cell => cell.textContent));
}"""


@pytest.fixture
def opened(browser):
    """A new window of a desktop, in which nothing may go wrong."""
    opened = Opened(browser)
    yield opened
    opened.context.close()
    assert opened.wrong == []
    assert opened.from_outside() == []


@pytest.fixture
def page(opened, report):
    return opened.open(report / f"{PAGE}.html")


def test_the_code_unfolds_cell_by_cell_and_all_at_once(page):
    code = page.locator("article .cell_input pre")
    shown = page.locator("article .cell_input pre:visible")
    assert code.count() > 5
    assert shown.count() == 0
    page.locator("article .cell summary").first.click()
    assert shown.count() == 1
    page.locator("#show-code").click()
    assert shown.count() == code.count()
    page.locator("#show-code").click()
    assert shown.count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", PAGE])
def test_axe_finds_nothing_with_all_code_in_light_and_dark(browser, report, name, scheme):
    opened = Opened(browser, scheme=scheme)
    page = opened.open(report / f"{name}.html")
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.evaluate("document.querySelectorAll('details').forEach(folded => folded.open = true)")
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished))")
    assert opened.violations() == []
    opened.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_search_finds_a_word_without_a_server(browser, report, size):
    opened = Opened(browser, size)
    page = opened.open(report / "index.html")
    page.keyboard.press("Control+k")
    page.locator("input[name=q]:focus").fill("significance")
    page.keyboard.press("Enter")
    results = page.locator("ul.search li a")
    results.first.wait_for()
    assert PAGE in " ".join(results.evaluate_all("links => links.map(link => link.href)"))
    results.first.click()
    page.wait_for_url(lambda address: "search.html" not in address)
    assert "significance" in page.locator("article").inner_text().lower()
    assert opened.wrong == []
    assert opened.from_outside() == []
    opened.context.close()


@pytest.mark.parametrize("name", [PAGE, "report"])
def test_the_cut_moves_and_its_numbers_with_it(opened, report, name):
    page = opened.open(report / f"{name}.html")
    slider = page.locator(f"{SLIDER} input[type=range]").first
    shown = page.locator(SLIDER).first
    slider.focus()
    texts = []
    for key in ("Home", *["ArrowRight"] * 3, "End"):
        page.keyboard.press(key)
        texts.append(shown.inner_text())
        assert re.search(r"\d", texts[-1])
        assert not re.search("NaN|undefined|Infinity", texts[-1])
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("key", [None, "Enter"])
def test_a_figure_is_enlarged_and_put_back(page, key):
    small = page.locator("article figure.captioned img").first
    enlarged = page.locator("dialog[open] img")
    if key:
        small.locator("xpath=ancestor::*[self::button or self::a or @tabindex][1]").press(key)
    else:
        small.click()
    assert enlarged.count() == 1
    assert enlarged.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert enlarged.bounding_box()["width"] > small.bounding_box()["width"]
    page.keyboard.press("Escape")
    page.locator("dialog[open]").wait_for(state="detached")


def test_axe_finds_nothing_beside_an_enlarged_figure(opened, page):
    page.locator("article figure.captioned img").first.click()
    assert page.locator("dialog[open]").count() == 1
    assert opened.violations({"include": [["dialog"]]}) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_table_of_a_notebook_can_be_downloaded(opened, report, run, name):
    page = opened.open(report / f"{name}.html")
    links = page.locator("a.download-csv")
    assert links.count() == count_tables(run / "notebooks" / f"{name}.ipynb") > 0
    for link in links.all():
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename.endswith(".csv")
        rows = csv.reader(io.StringIO(download.value.path().read_text("utf-8-sig")))
        assert filled(rows) == filled(link.evaluate(TABLE_OF))


def filled(rows):
    """The texts of a table, row by row, without empty cells and rows, spaces, and what sets formulas."""
    texts = [[re.sub(r"[\s_^{}$\\]", "", unicodedata.normalize("NFKC", cell)) for cell in row] for row in rows]
    return [[text for text in row if text] for row in texts if any(row)]


def test_a_page_is_printed_with_text_from_the_first_sheet_on(page):
    sheets = text_operators(page.pdf(format="A4"))
    assert len(sheets) > 1
    assert sheets[0] > 20
    assert all(sheets)
    page.emulate_media(media="print")
    assert page.locator("h1:visible").inner_text().strip("#")
    assert page.get_by_text("Events shown").filter(visible=True).count() > 0


def text_operators(pdf):
    """How often text or an image is shown on each sheet of a PDF as Chromium writes it."""
    kids = re.search(rb"/Type /Pages\n/Count \d+\n/Kids \[([^]]*)\]", pdf)[1]
    shown = []
    for number in re.findall(rb"(\d+) 0 R", kids):
        contents = re.search(rb"/Contents (\d+) 0 R", entry(pdf, number))[1]
        stream = entry(pdf, contents).partition(b"stream\n")[2]
        shown.append(len(re.findall(rb"\b(?:Tj|TJ|Do)\b", zlib.decompressobj().decompress(stream))))
    return shown


def entry(pdf, number):
    return re.search(rb"\n%s 0 obj\n(.*?)endobj" % number, pdf, re.DOTALL)[1]


def test_the_front_page_shows_verdict_figure_and_table_at_once(opened, report):
    page = opened.open(report / "index.html")
    for part in (".verdict", ".headline img", ".headline table"):
        box = page.locator(part).bounding_box()
        assert box["height"] > 20, part
        assert 0 <= box["y"] < box["y"] + box["height"] <= SIZES["desktop"][1], part


def test_the_report_in_one_file_needs_no_other(browser, report, tmp_path):
    alone = Path(shutil.copy(report / "report.html", tmp_path))
    assert alone.stat().st_size < LARGEST_FILE
    opened = Opened(browser)
    page = opened.open(alone)
    figures = page.locator("figure.captioned img")
    assert figures.count() == sum(count(report / f"{name}.html") for name in PAGES if name != "report") > 20
    assert all(figures.evaluate_all("images => images.map(image => image.complete && image.naturalWidth > 0)"))
    assert [url for url in opened.requests if not url.startswith("data:")] == [alone.as_uri()]
    assert opened.wrong == []
    opened.context.close()


def count(path):
    """The number of figures on a page."""
    return len(re.findall(r"<figure [^>]*\bcaptioned\b", path.read_text()))
