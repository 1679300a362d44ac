"""Makes each change of a submission in a copy of it, judges the copy, and prints what was told: ``judge_mutations.py TREE BASE``.

Run under the edition by which the submission was made; a process a core, because starting one takes longer than judging.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from submission_changes import Mutation
from submission_mutations_around import ACCEPTED, MOVES, MUTATIONS
from submission_mutations_vector import VECTOR, VECTOR_CHANGES

from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules.judging import rules_for, said_of
from pytest_mlpstorage.rules.verdicts import judge_tree
from pytest_mlpstorage.verdict import Division


def judged(tree: Path) -> list[dict[str, Any]]:
    """What every subject of a tree was told, and its verdict."""
    read = read_tree(tree)
    said = {place: said_of(read.load(place)) for place in read.places}
    verdicts = judge_tree(read, say=said.__getitem__)
    by_path = {**verdicts.results, **verdicts.submissions}
    return [
        {
            "kind": place.kind,
            "path": place.relpath,
            "verdict": by_path[place.relpath].verdict.value if place.kind not in ("package", "system") else "",
            "told": [
                {"rule": rule, "severity": f.severity.value, "category": f.category.value, "line": f.line()}
                for rule, spoken in said[place].items()
                for f in spoken.findings
            ],
        }
        for place in read.places
    ]


def asked(tree: Path) -> list[tuple[str, str, str, bool]]:
    """Kind of subject, id, severity of every rule that is asked of the tree, and whether it is asked in the other division only."""
    found = {}
    for place in read_tree(tree).places:
        for division in (Division.CLOSED, Division.OPEN, place.division):
            for rule in rules_for(dataclasses.replace(place, division=division)):
                found[place.kind, rule.id] = (place.kind, rule.id, rule.severity.value, division is not place.division)
    return sorted(found.values())


def main(tree: Path, base: str) -> None:
    """Print what was told of the tree as it is, which rules are asked of it, and what was told after each change."""
    before = judged(tree)  # and with it all is loaded that the processes below need
    names = [name for name, mutation in changes().items() if mutation.base == base]
    with multiprocessing.get_context("fork").Pool() as pool:
        after = dict(zip(names, pool.map(functools.partial(changed, tree), names), strict=True))
    sys.stdout.write(json.dumps({"before": before, "asked": asked(tree), "after": after}))


def changes() -> dict[str, Mutation]:
    """Every change by its name."""
    found = {f"{kind} {rule}": mutation for (kind, rule), mutation in MUTATIONS.items()}
    found |= {f"{kind} {rule}": dataclasses.replace(mutation, base=VECTOR) for (kind, rule), mutation in VECTOR_CHANGES.items()}
    return found | {name: move for name, (move, _) in MOVES.items()} | {"accepted": ACCEPTED}


def changed(tree: Path, name: str) -> list[dict[str, Any]]:
    """What was told of a copy of the tree after the change of that name."""
    with tempfile.TemporaryDirectory(prefix="mlps-changed-", dir=tree.parent) as folder:
        copy = Path(folder) / tree.name
        shutil.copytree(tree, copy, copy_function=os.link)  # a change writes files anew
        for change in changes()[name].changes:
            change(copy)
        return judged(copy)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
