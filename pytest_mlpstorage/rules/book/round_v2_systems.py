"""A rule of this suite on the descriptions of systems in round 2.0, whose own checker opened them only to name things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_WANTED = "a YAML or JSON document whose top level is a mapping"


@rule("MLPS-DESC-1", "readableDescription", subject=SystemDescription, editions=("2.0",), severity=Severity.INFO)
def readable_description(description: SystemDescription, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The description of a system can be read at all: a document whose top level is a mapping.

    Round 2.0 had no schema of descriptions and no rule on them, so what is wrong is told and costs nothing.
    """
    if description.document is None and description.problems:
        for problem in description.problems:
            yield _told(f"the description of the system {problem.message}", problem.file)
    elif not isinstance(description.document, Mapping):
        what = "holds nothing" if description.document is None else "is no mapping at its top level"
        yield _told(f"the description of the system {what}", description.relpath, shown(description.document))
    else:
        yield Met(f"a mapping of {len(description.document)} keys", _WANTED)


def _told(message: str, file: str, measured: str | float | None = None) -> Finding:
    return Finding(message, Severity.INFO, Category.CLOSED, measured=measured, required=_WANTED, file=file)
