"""How Sphinx renders this folder: the theme of the report, formulas without scripts, nothing from outside."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from higgs_lib import __version__

project = "higgs_lib"
author = ""
release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "higgs_lib.report.mathml",
    "api_pages",  # Google's sections of docstrings by sphinx.ext.napoleon
]
exclude_patterns = ["_build", "README.md"]  # README.md is the index of the repository's web view
default_role = "py:obj"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True

html_theme = "sphinx_book_theme"
html_title = "higgs_lib"
html_math_renderer = "mathml"
html_static_path = ["style"]
html_css_files = ["docs.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # one search, in the side bar
    "article_header_end": ["theme-switcher.html"],
    "show_toc_level": 1,
}
