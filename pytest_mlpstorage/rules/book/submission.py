"""Rules on what stands directly in a submission: its name, its directories, descriptions and results that belong together (section 2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.manifest import MANIFEST
from pytest_mlpstorage.results.records import Listing, Submission, SystemDescription
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence

__all__: list[str] = []

_REQUIRED = ("results", "systems")
_DESCRIPTION, _PDF, _NOTES = ".yaml", ".pdf", ".md"
_NOT_A_LETTER = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)


def _counted(names: tuple[str, ...]) -> list[str]:
    """Names that count: dot entries and what desktops leave behind are tolerated everywhere."""
    return [name for name in names if not name.startswith(".") and not is_noise(name)]


@rule("2.1.1", "submitterRootDirectory", subject=Submission, editions=("3.0",))
def submitter_root_directory(submission: Submission, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of a submitter is named with letters, digits, dots, underscores and hyphens only.

    Every other character of the submitter's name is written as a hyphen, one for one.
    """
    if not re.compile(edition.component_pattern, re.ASCII).fullmatch(submission.submitter):
        yield Finding(
            "the directory of a submitter is named with characters other than letters, digits, '.', '_' and '-'",
            measured=shown(submission.submitter),
            required=shown(_NOT_A_LETTER.sub("-", submission.submitter)),
            file=submission.relpath,
        )
    else:
        yield Met(str(shown(submission.submitter)), "letters, digits, '.', '_' and '-' only")


@rule("2.1.5", "requiredSubdirectories", subject=Submission, editions=("3.0",))
def required_subdirectories(submission: Submission, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of a submitter holds exactly the directories ``results`` and ``systems``; files and dot entries are allowed.

    A ``code`` directory is left over from older rounds: code stands in the package's pool. Directories that cannot be looked into fail.
    """
    part = {Division.CLOSED: "a", Division.OPEN: "b"}.get(submission.division, "")
    held = _counted(submission.entries.directories)
    for name in _REQUIRED:
        if name not in held:
            yield Finding(
                f"the submission lacks a directory{_nested(submission, held)}",
                required=f"{name}/",
                file=submission.relpath,
                part=part,
            )
    for name in held:
        if name not in _REQUIRED:
            yield Finding(
                "the submission holds a directory that is no part of one",
                measured=f"{shown(name)}/",
                required=" and ".join(f"{required}/" for required in _REQUIRED),
                file=submission.below(name),
                part=part,
            )
        else:
            yield Met(f"{name}/", f"the directories {' and '.join(f'{required}/' for required in _REQUIRED)}, no other")
    for problem in submission.problems:
        if problem.file != submission.below(MANIFEST) and not problem.file.rpartition("/")[2].startswith("."):
            yield Finding(f"a directory of the submission {problem.message}", required="a directory of files", file=problem.file, part=part)


def _nested(submission: Submission, held: list[str]) -> str:
    """A hint where the missing directories stand one level too deep."""
    files = TreeFiles(submission.root)
    for name in held:
        if name not in _REQUIRED and set(_REQUIRED) <= set(files.listing(submission.root / submission.relpath / name).directories):
            return f"; {shown(name)}/ holds them, so it is nested one level too deep"
    return ""


@rule("2.1.7", "systemsDirectoryFiles", subject=Submission, editions=("3.0",))
def systems_directory_files(submission: Submission, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """``systems/`` holds YAML descriptions, each with a PDF of the same name and the other way round, and notes in Markdown.

    Nothing else stands there but dot entries; no directory.
    """
    if "systems" not in submission.entries.directories:
        yield NoEvidence("there is no directory of systems", submission.relpath)
        return
    place = submission.below("systems")
    known = 0
    for name in _counted(submission.systems_entries.directories):
        yield Finding("systems/ holds a directory", measured=f"{shown(name)}/", required="files only", file=f"{place}/{name}")
    for name in _counted(submission.systems_entries.files):
        if _suffix(name) in (_DESCRIPTION, _PDF, _NOTES):
            known += 1
        else:
            yield Finding(
                "systems/ holds a file that is no description, PDF or note",
                measured=shown(name),
                required=f"*{_DESCRIPTION}, *{_PDF} or *{_NOTES}",
                file=f"{place}/{name}",
            )
    yield Met(f"{known} files", f"each *{_DESCRIPTION}, *{_PDF} or *{_NOTES}")
    described, drawn = (_stems(submission.systems_entries, suffix) for suffix in (_DESCRIPTION, _PDF))
    if described == drawn:
        yield Met(f"{len(described)} descriptions with a PDF", "each with a PDF of its name, and the other way round")
    for stem in sorted(described - drawn):
        yield Finding("a system description has no PDF beside it", required=f"{shown(stem)}{_PDF}", file=f"{place}/{stem}{_DESCRIPTION}")
    for stem in sorted(drawn - described):
        yield Finding("a PDF has no system description beside it", required=f"{shown(stem)}{_DESCRIPTION}", file=f"{place}/{stem}{_PDF}")


def _suffix(name: str) -> str:
    # Names are compared as they are, endings in any case: SYSTEM.PDF is a PDF, whatever machine wrote it.
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def _stems(listing: Listing, suffix: str) -> set[str]:
    return {name[: -len(suffix)] for name in _counted(listing.files) if _suffix(name) == suffix}


@rule("2.1.8", "resultsDirectorySystems", subject=Submission, editions=("3.0",))
def results_directory_systems(submission: Submission, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """``results/`` holds at least one system; each has its description and PDF in ``systems/``, and each description its results.

    The name in the description, ``submission_name``, is the name of that directory.
    """
    if "results" not in submission.entries.directories:
        yield NoEvidence("there is no directory of results", submission.relpath)
        return
    measured = _counted(submission.results_entries.directories)
    described, drawn = (_stems(submission.systems_entries, suffix) for suffix in (_DESCRIPTION, _PDF))
    if not measured:
        yield Finding("results/ holds no system", required="results/<system>/", file=submission.below("results"))
    for name in measured:
        lacking = [suffix for suffix, stems in ((_DESCRIPTION, described), (_PDF, drawn)) if name not in stems]
        if not lacking:
            yield Met(str(shown(name)), "at least 1 system, each with description and PDF")
        for suffix in lacking:
            yield Finding(
                "a system with results has no description" if suffix == _DESCRIPTION else "a system with results has no PDF",
                required=f"systems/{shown(name)}{suffix}",
                file=submission.below("results", name),
            )
    if described <= set(measured):
        yield Met(f"{len(described)} descriptions", "results of each")
    for stem in sorted(described - set(measured)):
        yield Finding(
            "a system is described that has no results",
            required=f"results/{shown(stem)}/",
            file=submission.below("systems", f"{stem}{_DESCRIPTION}"),
        )
    for system in submission.systems:
        yield from _name(system)


def _name(system: SystemDescription) -> Iterator[Finding | NoEvidence | Met]:
    field = "system_under_test.solution.submission_name"
    named = system.value(field)
    if system.document is None:
        yield NoEvidence("the system description could not be read", system.relpath)
    elif not isinstance(named, (str, int, float)) or str(named) != system.name:
        yield Finding(
            "the name in a system description is not that of its file and of its results",
            measured=shown(named),
            required=shown(system.name),
            file=system.relpath,
            field=field,
        )
    else:
        yield Met(f"submission_name {shown(named)}", "the name of its directory in results/")


@rule("2.1.10", "workloadCategories", subject=Submission, editions=("3.0",))
def workload_categories(submission: Submission, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of a system in ``results/`` holds at least one benchmark directory of the edition, and no other directory."""
    # Conflict C-2: the rule's text names training and checkpointing only; the official code and every other section know four.
    if "results" not in submission.entries.directories:
        yield NoEvidence("there is no directory of results", submission.relpath)
    elif not _counted(submission.results_entries.directories):
        yield NotAsked("no system", "asked of each")
    for system in _counted(submission.results_entries.directories):
        place = submission.below("results", system)
        held = _counted(submission.system_entries[system].directories)
        if not any(name in edition.categories for name in held):
            yield Finding("a system has no benchmark directory", required=" or ".join(edition.categories), file=place)
        for name in held:
            if name in edition.categories:
                yield Met(name, f"one or more of {', '.join(edition.categories)}")
            else:
                yield Finding(
                    "a system has a directory that is no benchmark",
                    measured=shown(name),
                    required=" or ".join(edition.categories),
                    file=f"{place}/{name}",
                )
