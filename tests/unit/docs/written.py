"""The commands that the README and the docs tell people to give."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).parents[3]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#\s.*$")


@dataclasses.dataclass(frozen=True)
class Written:
    """One command as it stands on a page, without the comment behind it."""

    page: str
    line: int
    command: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.command}"


def pages() -> list[Path]:
    """The README, CONTRIBUTING and every page of the docs."""
    return [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted(path for path in (REPO / "docs").rglob("*.md"))]


def commands_of(text: str, page: str = "page.md") -> Iterator[Written]:
    """Each line of a block of bash, and each line after a prompt in a block of text; a line that ends in a backslash goes on."""
    for fence in _FENCE.finditer(text):
        number = text.count("\n", 0, fence.start()) + 1
        language, held = fence["language"], ""
        for offset, raw in enumerate(fence["text"].splitlines(), start=1):
            line = raw.strip()
            if language == "bash" or (language in {"text", "console"} and line.startswith("$ ")):
                line = line.removeprefix("$ ")
            else:
                continue
            held = f"{held} {_COMMENT.sub('', line).strip()}".strip()
            if held.endswith("\\"):
                held = held[:-1].strip()
            elif held:
                yield Written(page, number + offset, held)
                held = ""


def commands() -> list[Written]:
    """All of all pages."""
    return [one for page in pages() for one in commands_of(page.read_text(encoding="utf-8"), str(page.relative_to(REPO)))]
