"""Small notebooks and profiles for the tests of this folder."""

import nbformat

from higgs_lib.report.profile import read_profile


def write_notebook(
    path, *cells, parameters="n: int = 3  # a number\nname: str = 'a'  # a name\nshare: float = 0.5  # a share"
):
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    book.cells = [nbformat.v4.new_markdown_cell("# Title\n\n**Question.** What?")]
    book.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    book.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(book, path)
    return path


def make_folder(tmp_path):
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "01_one.ipynb", "print(n, name)")
    write_notebook(tmp_path / "notebooks" / "02_two.ipynb", "print(n)", parameters="n: int = 3  # a number")
    return tmp_path


def write_profile(folder, text):
    (folder / "mine.yaml").write_text(text)
    return read_profile(folder / "mine.yaml", folder / "notebooks")
