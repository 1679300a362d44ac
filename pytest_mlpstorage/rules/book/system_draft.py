"""A rule of this suite on drafts of system descriptions: what a person must say was said."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.results.system_draft import MARK, marked_fields
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []

_NAMED = 5


@rule("MLPS-DRAFT-1", "noUnfilledFields", subject=SystemDescription, editions=("3.0",))
def no_unfilled_fields(description: SystemDescription, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """No value of a system description is still marked to be filled in, as ``--mlps-describe-system`` marks what it cannot know."""
    # A text field takes any text, so the schema alone would let the mark of one pass.
    marked = list(marked_fields(description.document))
    if marked:
        named = ", ".join(str(shown(path)) for path in marked[:_NAMED])
        more = f" and {len(marked) - _NAMED} more" if len(marked) > _NAMED else ""
        yield Finding(
            f"the description is a draft: fields are still to be filled in: {named}{more}",
            measured=f"{len(marked)} values {MARK} …>",
            required="a value for each",
            file=description.relpath,
            field=str(shown(marked[0])),
        )
    elif description.document is None:
        yield NotAsked("no document", "asked of one that can be read")
    else:
        yield Met(f"no value {MARK} …>", "a value for each field")
