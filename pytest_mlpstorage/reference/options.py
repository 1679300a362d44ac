"""The page of the command-line options, as pytest's own parser has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_mlpstorage.options import add_options
from pytest_mlpstorage.reference.markdown import code, plain, table, told_default

__all__ = ["options_page"]

_GROUP = "mlpstorage"


def options_page() -> list[str]:
    """The lines of the page, title first."""
    return [
        "Options",
        "Everything else on the line is pytest's: `-k`, `-m`, `--lf`, `--collect-only`, `-n`, `--junitxml`, `--html`, `-v`, `--color`. The",
        "options below stand in `pytest --help` under *MLPerf Storage*. An option goes before the YAML, the YAML before a variable of the",
        "environment ([configuration keys](configuration.md)), and that before what the edition of the rule book says.",
        "",
        *table(("option", "default", "what it does"), _rows()),
    ]


def _rows() -> Iterator[tuple[str, str, str]]:
    parser = pytest.Parser(_ispytest=True)  # the class is public for plugins' annotations; only pytest itself makes one that is asked
    add_options(parser)
    for option in parser.getgroup(_GROUP).options:
        attributes = option.attrs()
        metavar = attributes.get("metavar") or ""
        name = max(option.names(), key=len)
        if metavar:
            name += f"[={metavar}]" if attributes.get("nargs") == "?" else f"={metavar}"
        does, default = told_default(str(attributes.get("help") or "").replace("%%", "%"))
        yield code(name), plain(default), plain(does)
