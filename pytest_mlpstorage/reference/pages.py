"""The pages by the names of their files, and writing them into a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.reference.columns import columns_page
from pytest_mlpstorage.reference.commands import commands_page
from pytest_mlpstorage.reference.fixtures import fixtures_page
from pytest_mlpstorage.reference.keys import keys_page
from pytest_mlpstorage.reference.line import WRITE
from pytest_mlpstorage.reference.metrics import metrics_page
from pytest_mlpstorage.reference.options import options_page

__all__ = ["PAGES", "pages", "write_pages"]

PAGES: Final[Mapping[str, Callable[[], list[str]]]] = {
    "options.md": options_page,
    "commands.md": commands_page,
    "configuration.md": keys_page,
    "metrics.md": metrics_page,
    "columns.md": columns_page,
    "fixtures.md": fixtures_page,
}
"""File → the lines of its text below the title; the first of them is the title."""


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    return {name: _page(make()) for name, make in PAGES.items()}


def _page(lines: list[str]) -> str:
    title, *text = lines
    told = f"Written by `{WRITE} docs/reference`; a test holds this page against the code."
    return "\n".join([f"# {title}", "", told, "", *text]) + "\n"


def write_pages(folder: Path) -> None:
    """Write the pages into a folder, beside what else is there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
