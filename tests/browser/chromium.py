"""How Chromium is opened, which pages a report has, and what a page tells while it is open."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import nbformat
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from repository import ROOT

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
PAGES = ["index", *NOTEBOOKS, "search", "report"]  # the last is the whole report in one file
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SLIDER = ":is(.cut-slider, [data-cut-slider])"

FLAGS = "no-sandbox disable-gpu disable-background-networking disable-component-update disable-sync no-first-run"
AXE = {"resultTypes": ["violations"], "preload": False}  # preloading fetches styles, which file: addresses refuse


def executable():
    """The path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium():
    with sync_playwright() as playwright:
        flags = [f"--{flag}" for flag in FLAGS.split()]
        browser = playwright.chromium.launch(executable_path=executable(), args=flags)
        yield browser
        browser.close()


class Opened:
    """A page with all that went wrong on it so far."""

    def __init__(self, browser, size="desktop", scheme="light"):
        width, height = SIZES[size]
        self.size = size
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.wrong, self.requests = [], []
        self.page.on("console", lambda message: self._log("console", message.text, message.type == "error"))
        self.page.on("pageerror", lambda error: self._log("error", error.message, True))
        self.page.on("requestfailed", lambda request: self._log("failed", request.url, True))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _log(self, kind, text, is_wrong):
        if is_wrong:
            self.wrong.append(f"{kind}: {text[:300]}")

    def open(self, path, query=""):
        self.page.goto(Path(path).as_uri() + query)
        return self.page

    def from_outside(self):
        """The requests that need more than the files."""
        return [url[:300] for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def violations(self, context=None):
        """What axe finds: the rule, the element, and what would be right."""
        found = Axe().run(self.page, context, AXE).response["violations"]
        return [
            f"{rule['id']}: {node['target']} {node['html'][:200]}: "
            + "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
            for rule in found
            for node in rule["nodes"]
        ]


def html_outputs(notebook):
    """All that an executed notebook shows as HTML."""
    cells = nbformat.read(notebook, 4).cells
    return [
        output["data"]["text/html"]
        for cell in cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]


def count_figures(notebook):
    return sum(html.count('<figure class="captioned"') for html in html_outputs(notebook))


def count_tables(notebook):
    return sum(html.count("<table") for html in html_outputs(notebook))
