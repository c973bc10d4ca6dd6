"""How the documentation is built: `sphinx-build -W docs OUT`."""

from __future__ import annotations

import shutil
from pathlib import Path

import ipywarmup

# Sphinx reads what is below this folder only; the copies are not kept anywhere else.
HERE = Path(__file__).parent
shutil.copytree(
    HERE.parent / "notebooks",
    HERE / "notebooks",
    ignore=shutil.ignore_patterns(".*", "*.cfg"),
    dirs_exist_ok=True,
)

project = "ipywarmup"
author = "The ipywarmup developers"
copyright = "the ipywarmup developers"  # noqa: A001 - Sphinx's name
release = version = ipywarmup.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

# Their stored outputs are shown; `pytest notebooks` checks them.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_title = "ipywarmup"
html_static_path: list[str] = []
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    # Nothing is asked for from elsewhere when a page is opened.
    "external_links": [],
    "footer_start": ["copyright"],
    "footer_end": [],
}

# The kinds of arguments, and classes that are described elsewhere.
nitpick_ignore = [
    ("py:class", name)
    for name in (
        *("callable", "iterable", "optional", "Run"),
        *("concurrent.futures.Executor", "concurrent.futures.Future"),
    )
]
