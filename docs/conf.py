"""Builds the pages: ``python -m sphinx -W -b html docs build/docs``; it imports nothing of the package and asks no network."""

from __future__ import annotations

from importlib import metadata

project = "pytest-mlpstorage"
project_copyright = "the authors of pytest-mlpstorage, Apache-2.0"
try:
    release = metadata.version("pytest-mlpstorage")
except metadata.PackageNotFoundError:  # the pages can be built without it
    release = ""

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["images/README.md"]
nitpicky = True

# Pages of errors are reached by their index, which is a table of links and no table of contents.
suppress_warnings = ["toc.not_included"]

# Two hyphens begin an option; they are no dash.
smartquotes = False

html_theme = "furo"
html_title = f"pytest-mlpstorage {release}".strip()
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
