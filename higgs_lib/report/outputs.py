"""What the report makes of the HTML that notebooks show: tables that wrap and can be downloaded, numbered figures."""

import base64
import csv
import io

from bs4 import BeautifulSoup, Tag

from higgs_lib.plots.captions import plain
from higgs_lib.report.mathml import formulas

COMPACT = 85  # letters in a row that fit the page's column without a line break

ROLES = {"table": ["table"], "rowgroup": ["thead", "tbody"], "row": ["tr"], "rowheader": ["th"], "cell": ["td"]}
"""What the tags of a table are to a screen reader, also where a narrow screen shows its rows as blocks."""


class Outputs:
    """Rewrites the HTML outputs of one page, numbering its figures and tables."""

    def __init__(self, page: str, number: int):
        self.page, self.number = page, number
        self.n_figures = self.n_tables = 0

    def rewrite(self, html: str) -> str:
        """Returns the HTML of an output as the report shows it."""
        soup = BeautifulSoup(html, "html.parser")
        for figure in soup.select("figure.captioned"):
            self._number(soup, figure)
        for table in soup.find_all("table"):
            self._wrap(soup, table)
        return formulas(str(soup))

    def _number(self, soup: BeautifulSoup, figure: Tag) -> None:
        """Numbers a figure, and makes its image a button that enlarges it."""
        self.n_figures += 1
        name = f"Figure {self.number}.{self.n_figures}"
        figure["id"] = f"figure-{self.number}-{self.n_figures}"
        figure.find("img").wrap(
            soup.new_tag("button", attrs={"type": "button", "class": "enlarge", "title": f"Enlarge {name}"})
        )
        strong = soup.new_tag("strong")
        strong.string = f"{name}. "
        figure.find("figcaption").insert(0, strong)

    def _wrap(self, soup: BeautifulSoup, table: Tag) -> None:
        """Gives the cells of a table the name of their column, for narrow screens, and adds a link to its rows."""
        self.n_tables += 1
        rows = [[plain(cell.get_text(" ", strip=True)) for cell in row.find_all(["th", "td"])] for row in _rows(table)]
        for style in soup.find_all("style"):
            style.decompose()
        if max(map(_width, rows), default=0) <= COMPACT:
            table["class"] = [*table.get("class", []), "compact"]
        header = _header(table)
        for row in table.select("tbody tr"):
            for name, cell in zip(header, row.find_all(["th", "td"]), strict=False):
                cell["data-label"] = plain(name)
            for cell in row.find_all("th"):
                cell["scope"] = "row"
        for cell in table.select("thead th, thead td"):
            if cell.get_text(strip=True):
                cell["scope"] = "col"
            else:
                cell.name = "td"
        for role, tags in ROLES.items():
            for tag in [table, *table.find_all(tags)]:
                if tag.name in tags:
                    tag["role"] = "columnheader" if tag.get("scope") == "col" else role
        name = f"{self.page}-table-{self.n_tables}.csv"
        link = soup.new_tag("a", attrs={"class": "download-csv", "download": name, "href": _csv(rows)})
        link.string = "CSV"
        link["aria-label"] = f"Download table {self.n_tables} of this page as CSV"
        box = soup.new_tag("div", attrs={"class": "table-box"})
        table.wrap(box)
        box.append(link)


def _rows(table: Tag) -> list[Tag]:
    """Returns the rows of a table that hold a text."""
    return [row for row in table.find_all("tr") if row.get_text(strip=True)]


def _width(row: list[str]) -> int:
    """Returns the width of a row in letters, with the space between its cells."""
    return sum(len(text) + 3 for text in row)


def _header(table: Tag) -> list[str]:
    """Returns the names of a table's columns; where the header has several rows, each column's last name."""
    names: list[str] = []
    for row in table.select("thead tr"):
        cells = [(cell.get_text(" ", strip=True), int(cell.get("colspan", 1))) for cell in row.find_all(["th", "td"])]
        texts = [text for text, n_columns in cells for _ in range(n_columns)]
        names = [new or old for new, old in zip(texts, names or texts, strict=False)]
    return names


def _csv(rows: list[list[str]]) -> str:
    """Returns rows as the address of a CSV file that lies within the page."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.getvalue().encode()).decode()}"
