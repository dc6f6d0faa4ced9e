"""The report of two small notebooks: what a reader finds where."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from bs4 import BeautifulSoup

from higgs_lib import data, plots, study

HEADLINE = {
    "verdict": "The deep network reaches an AUC of 0.81 [0.80, 0.82] on built-in events at √s = 8 TeV.",
    "rows": [["deep network", "0.81 [0.80, 0.82]", "0.880", "80 built-in events; [B]: 10,000,000 UCI events"]],
}


FILE = "<img src=x onerror=alert(1)> `b` $\\frac{ &amp; {math}`x` [a](b) 'c' ::: |.csv"
"""The name of a user's file, in which each part would be code in one of the languages of a page."""

TEXT = "`</code><script>alert(1)</script> $x$ {math}`x`\n:::{include} a"
"""The same as a parameter."""


def output(shown):
    return nbformat.v4.new_output("execute_result", shown | {"text/plain": "shown"}, execution_count=1)


def write_executed(path, title, answer, figure):
    """An executed notebook, as papermill leaves it, with one figure, one table and an answer."""
    code = nbformat.v4.new_code_cell
    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": ""}})
    book.metadata["papermill"] = {"duration": 60.0, "end_time": "2026-11-27T01:04:00+00:00"}
    book.metadata["higgs_lib"] = {"part": "Physics" if path.name < "10" else "Engineering"}
    book.cells = [
        nbformat.v4.new_markdown_cell(f"# {title}\n\n**Question.** What is\nthe {title}?\n\n- Input: events."),
        code("run: str = 'a'  # a folder\nn: int = 3  # a number", metadata={"tags": ["parameters"]}),
        code('run = "/a/path"\nn = 4', metadata={"tags": ["injected-parameters"]}),
        code(
            "from higgs_lib import study\n\nstudy.header(events)", outputs=[output({"text/markdown": "**Machine:**"})]
        ),
        code("draw()", outputs=[output({"text/html": figure})], metadata={"tags": ["headline"]}),
        code("x = 1"),
        code("table", outputs=[output({"text/html": "<table><tr><td>1</td></tr></table>"})]),
        nbformat.v4.new_markdown_cell("## Answer"),
        code("Markdown(answer)", outputs=[output({"text/markdown": answer})]),
    ]
    nbformat.write(book, path)
    record = {"recipe": {"parameters": {"n": 4, "text": TEXT}}, "seconds": 61.0}
    path.with_suffix(".json").write_text(json.dumps(record))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "mine"
    for name in ("notebooks", "metrics"):
        (run / name).mkdir(parents=True)
    (run / FILE).write_text("".join(f"{label},{','.join(['0.5'] * 28)}\n" for label in (0, 1)))
    events = run / "data" / "events.parquet"
    data.ingest(run / FILE, events)
    plt.plot([1, 2])
    figure = plots.caption("Depth gains $m_{bb}$.", study.event_label(events))._repr_html_()
    write_executed(run / "notebooks" / "01_data.ipynb", "Events", "**Masses help by 0.15.** They peak.", figure)
    write_executed(
        run / "notebooks" / "10_speed.ipynb", "Speed", "**It trains fast.** See [here](01_data.ipynb).", figure
    )
    study.Run(run).save("headline", HEADLINE)
    # An earlier version numbered its notebooks otherwise: the profile does not have this one.
    write_executed(run / "notebooks" / "02_training.ipynb", "Old training", "**It was another number.**", figure)
    # In a process of its own: Sphinx and its theme use what later versions of each other deprecate. Its locale is
    # ASCII, and the report UTF-8 all the same.
    profile = "Profile(Path('mine.yaml'), {}, {'01_data': {}, '10_speed': {}}, {}, {}, {})"
    build = (
        "from pathlib import Path; from higgs_lib.report import pages; from higgs_lib.report.profile import Profile; "
        f"pages.build({str(run)!r}, {profile}, {str(run / 'data/events.parquet')!r})"
    )
    locale = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", build], env=os.environ | locale, check=True)
    return run / "report"


def test_notebooks_of_an_earlier_version_are_not_shown(report):
    assert not (report / "02_training.html").exists()
    assert {path.name for path in (report / "notebooks").iterdir()} == {"01_data.ipynb", "10_speed.ipynb"}
    assert "Old training" not in (report / "index.html").read_text() + (report / "report.html").read_text()


def page(report, name):
    return BeautifulSoup((report / f"{name}.html").read_text(), "html.parser")


def test_the_front_page_answers_and_says_how(report):
    front = page(report, "index")
    assert front.select_one("p.verdict").get_text() == HEADLINE["verdict"]
    assert [cell.get_text() for cell in front.select(".headline tbody tr > *")] == HEADLINE["rows"][0][:3]
    assert HEADLINE["rows"][0][3] in front.select_one(".headline .note").get_text()
    assert front.select_one(".headline figure img")["alt"] == "Depth gains m_bb."
    text = front.article.get_text(" ", strip=True)
    for expected in (
        "Masses help by 0.15.",
        "It trains fast.",
        "make reproduce PROFILE=mine",
        "27 November 2026",
        f"n = 4 , text = {TEXT!r}",
        f"make reproduce PROFILE=mine DATA={shlex.quote(FILE)}",
    ):
        assert expected in text
    text = text.replace("‘", "'").replace("’", "'")  # Sphinx sets quotes in sentences
    assert "2 events of ?img src=x onerror=alert(1)? ?b? ??frac? &amp? ?math??x? ?a?(b) 'c' ::: ?.csv, a file" in text
    for link in front.select("article a[download]"):
        assert (report / link["href"]).is_file()
    assert json.loads((report / "results.json").read_text())["headline"].items() >= HEADLINE.items()


@pytest.mark.parametrize("name", ["index", "01_data", "10_speed", "report"])
def test_nothing_that_comes_from_data_becomes_code(report, name):
    soup = page(report, name)
    assert "onerror=alert(1)" in soup.get_text()
    assert not [tag for tag in soup.find_all(True) if "onerror" in tag.attrs or tag.get("src") == "x"]
    assert not [script for script in soup.find_all("script") if "alert(1)" in script.get_text()]
    assert not soup.find_all("a", href="b")


def test_the_answer_stands_under_the_question_and_its_code_at_the_end(report):
    article = page(report, "01_data").article
    question, answer = article.select_one("p.question"), article.select_one(".admonition.answer")
    assert question.get_text() == "What is the Events?"
    assert "Masses help by 0.15. They peak." in answer.get_text(" ", strip=True)
    assert article.get_text().count("They peak.") == 1
    assert article.get_text().index("They peak.") < article.get_text().index("Figure 1.1.")


def test_imports_and_paths_are_hidden_and_parameters_are_named(report):
    article = page(report, "01_data").article
    assert "study.header" not in article.get_text()
    assert "/a/path" not in article.get_text()
    prompts = [summary.get_text(" ", strip=True) for summary in article.select("details summary")]
    assert prompts[0].startswith("Show parameters of this page")
    assert prompts[1].startswith("Show parameters that the profile changes")


def test_code_that_shows_nothing_folds_with_the_code_that_follows_it(report):
    blocks = [block.get_text().split() for block in page(report, "01_data").select("details .highlight")]
    assert ["x", "=", "1", "table"] in blocks
    assert ["draw()"] in blocks  # the figure of the front page stays apart


def test_pages_are_in_two_parts_numbered(report):
    captions = [caption.get_text(strip=True) for caption in page(report, "index").select(".bd-links .caption")]
    assert captions == ["Physics", "Engineering"]
    assert page(report, "10_speed").h1.get_text().startswith("10. Speed")


def test_the_single_file_needs_no_other(report):
    whole = (report / "report.html").read_text()
    soup = BeautifulSoup(whole, "html.parser")
    assert len(soup.select("figure.captioned")) == 3  # one on each page, and the headline
    assert not soup.find_all(["link", "iframe"])
    assert not [tag for tag in soup.find_all(src=True) if not tag["src"].startswith("data:")]
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    local = [link["href"] for link in soup.find_all("a", href=True) if not link["href"].startswith(("http", "data:"))]
    assert local
    assert {href[1:] for href in local} <= set(ids)
    assert Path(report, "report.html").stat().st_size < 15e6
