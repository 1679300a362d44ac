"""The rule on the top of a package (section 2.1); the pools of code images that stand there have rules of their own."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.read_submission import POOL, POOL_MARKER
from pytest_mlpstorage.results.records import Package
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []


@rule("2.1.2", "topLevelSubdirectories", subject=Package, editions=("3.0",))
def top_level_directories(package: Package, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """At the top of a package stand ``closed`` or ``open`` or both, in lower case, and pools of code images; no other directory.

    A pool is ``code-images``, or a directory that holds the marker file of a pool. Dot entries are tolerated. A ``whatif``
    directory is written by the tool but never part of a submission: it is a warning. A directory that cannot be looked into fails.
    """
    # The rule speaks of directories. The reviewers' tree holds tables and notes at its top (results.csv, *.md), and files are
    # nothing that a result could hide in.
    divisions = edition.divisions
    marked = {pool.name for pool in package.pools if pool.marked}
    held = [name for name in package.entries.directories if not name.startswith(".") and not is_noise(name)]
    if not any(name in divisions for name in held):
        yield Finding("the package holds no division directory", required=" or ".join(divisions), file=package.relpath)
    for name in held:
        if name in divisions or name == POOL or name in marked:
            yield Met(str(shown(name)), _allowed(divisions))
        elif name == Division.WHATIF.value:
            yield Finding(
                "the package holds experiments, which are no part of a submission",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=name,
                required="to be left out when it is submitted",
                file=name,
            )
        else:
            yield Finding(_why(name, package, divisions), measured=shown(name), required=_allowed(divisions), file=name)
    linked = {problem.file for problem in package.problems}
    for name in package.entries.files:
        if name in divisions and name not in linked:
            yield Finding("a division is no directory", measured=name, required="a directory", file=name)
    for problem in package.problems:
        if "/" not in problem.file and not problem.file.startswith("."):
            yield Finding(f"a directory at the top of the package {problem.message}", required="a directory of files", file=problem.file)


def _allowed(divisions: tuple[str, ...]) -> str:
    return f"{', '.join(divisions)}, {POOL} or a directory with {POOL_MARKER}"


def _why(name: str, package: Package, divisions: tuple[str, ...]) -> str:
    if name.lower() in divisions:
        return f"a division directory is not written in lower case ({name.lower()})"
    if name in {pool.name for pool in package.pools}:
        return f"a directory of code images at the top of the package has no {POOL_MARKER}"
    return "the package holds a directory that is no part of one"
