"""Sphinx builds the documentation site: `make docs`, then build/docs/index.html. No network
needed.
"""

import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

project = "fer-dag"
author = copyright = "fer-dag developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.apidoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
myst_url_schemes = ["http", "https", "mailto"]
exclude_patterns = ["left_out.md"]
suppress_warnings = ["docutils", "misc.highlighting_failure"]  # docstrings are plain text

apidoc_modules = [
    {
        "path": "../fer_core",
        "destination": "reference/library",
        "max_depth": 3,
        "separate_modules": False,
        "module_first": True,
        "implicit_namespaces": False,
    }
]
autodoc_default_options = {"members": True, "undoc-members": False}
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = "fer-dag"
html_static_path: list[str] = []


def _add_page(app: Sphinx, error: Exception | None) -> None:
    """The page of this run, so that publishing the site publishes the demo."""
    if error is None and (page := ROOT / "data" / "web").is_dir():
        shutil.copytree(page, Path(app.outdir) / "demo", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("build-finished", _add_page)
