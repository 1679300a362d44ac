"""Rules on records that must agree: provenance with the code image, the manifest with the leaves, the rollup with its tables (2.1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS
from pytest_mlpstorage.results.manifest import MANIFEST, edition_in, listed_leaves
from pytest_mlpstorage.results.provenance import PROVENANCE, UNKNOWN, Provenance, image_digits
from pytest_mlpstorage.results.read_submission import POINTER, leaf_directories, read_pointer
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, StoredResult, Submission, VectorDatabaseResult
from pytest_mlpstorage.results.rollup import ROLLUP, read_rollup
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_METADATA = "_metadata.json"

_SAME_IMAGE = "the code image of the leaf's pointer, or unknown"


@rule("PROV-01", "leafProvenance", subject=StoredResult, editions=("3.0",))
def leaf_provenance(result: StoredResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A leaf's provenance record can be read and names the same code image as the leaf's pointer.

    A leaf whose metadata declares a record has it. A leaf that never declared one is asked nothing.
    """
    for leaf in result.leaves:
        declared = leaf.metadata.provenance_file if leaf.metadata is not None else None
        if leaf.planned:
            continue
        if leaf.provenance is not None:
            yield from _stamp(result, leaf, leaf.provenance)
        elif PROVENANCE in leaf.pruned:
            yield NoEvidence("the provenance record was removed by its publisher", f"{leaf.relpath}/{PROVENANCE}", withheld=True)
        elif PROVENANCE in leaf.files:
            reasons = [p.message for p in leaf.problems if p.file == f"{leaf.relpath}/{PROVENANCE}"]
            yield Finding(f"a provenance record {(reasons or ['cannot be read'])[0]}", file=f"{leaf.relpath}/{PROVENANCE}")
        elif declared is not None:
            yield Finding(
                "a leaf lacks the provenance record that its metadata declares",
                required=shown(declared),
                file=leaf.relpath,
                field="provenance_file",
            )
        else:
            yield NotAsked("no record declared", "asked of a leaf that has or declares one")


def _stamp(result: StoredResult, leaf: Leaf, stamp: Provenance) -> Iterator[Finding | NoEvidence | Met]:
    for problem in stamp.problems:
        yield Finding(f"a provenance record holds what it may not: {problem}", file=stamp.path)
    field = "tool.code_image"
    if stamp.code_image is None:
        yield Finding("a provenance record names no code image", required=f"the image, or {UNKNOWN}", file=stamp.path, field=field)
    elif stamp.code_image == UNKNOWN:
        yield Met(UNKNOWN, _SAME_IMAGE)
    else:
        files = TreeFiles(result.root)
        text = read_pointer(files, leaf.path)
        named, pointed = image_digits(stamp.code_image), image_digits(text or "")
        if pointed is None:
            # That there is no pointer, or none that can be read, is what the rule on pointers finds.
            yield NoEvidence("the leaf names no code image to compare with", f"{leaf.relpath}/{POINTER}")
        elif named is None or not pointed.startswith(named):
            yield Finding(
                "a provenance record names another code image than the leaf's pointer",
                measured=shown(stamp.code_image),
                required=shown(text),
                file=stamp.path,
                field=field,
            )
        else:
            yield Met(str(shown(stamp.code_image)), _SAME_IMAGE)


@rule("PROV-02", "submissionManifest", subject=Submission, editions=("3.0",))
def submission_manifest(submission: Submission, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The manifest of a submission can be read, lists exactly its run leaves, and declares the edition that each stamped leaf declares.

    A submission without a manifest is asked nothing.
    """
    file = submission.below(MANIFEST)
    if MANIFEST not in submission.entries.names:
        yield NotAsked("no manifest", "asked where there is one")
        return
    if submission.manifest is None:
        reasons = [p.message for p in submission.problems if p.file == file]
        yield Finding(f"the manifest {(reasons or ['cannot be read'])[0]}", file=file)
        return
    leaves = dict(_leaves(submission))
    yield from _listed(submission, leaves, file)
    declared = edition_in(submission.manifest)
    if declared is None:
        measured = shown(submission.manifest.get("rules_edition"))
        yield Finding("the manifest declares no edition", measured=measured, required="rules_edition", file=file, field="rules_edition")
        return
    agreeing = 0
    for relpath in leaves:
        stamped = _stamped_edition(submission.root, relpath)
        if stamped == declared:
            agreeing += 1
        elif stamped is not None:
            yield Finding(
                "a leaf is stamped with another edition than the manifest declares",
                measured=shown(stamped),
                required=shown(declared),
                file=f"{relpath}/{PROVENANCE}",
                field="rules_edition",
            )
    yield Met(f"edition {shown(declared)}, stamped on {agreeing} leaves", "an edition, the same on all stamped leaves")


def _leaves(submission: Submission) -> Iterator[tuple[str, str]]:
    """Relative path and phase of every leaf of a submission."""
    files = TreeFiles(submission.root)
    for result in submission.results:
        for phase, path in leaf_directories(files, submission.root / result, _benchmark(result)):
            yield files.relative(path), phase


def _benchmark(result: str) -> str:
    """The benchmark directory in the path of a result; a system may be named like one, so the last."""
    return next((part for part in reversed(result.split("/")[:-1]) if part in BENCHMARKS), "")


def _listed(submission: Submission, leaves: dict[str, str], file: str) -> Iterator[Finding | Met]:
    """Compares the leaves that the manifest lists with those of the tree."""
    listed = listed_leaves(submission.manifest or {})
    results = submission.below("results")
    if not listed.found:
        # The names of the manifest's keys were never published: that none was recognised may be for want of knowing them.
        if leaves:
            yield Finding(
                "the manifest holds nothing that could be recognised as a list of run leaves, whose form is not published",
                severity=Severity.INFO,
                category=Category.CLOSED,
                file=file,
            )
        yield NotAsked("no list of leaves recognised", "asked where one is (its form is not published)")
        return
    if listed.nameless:
        yield Finding("the manifest lists leaves whose place in the tree it does not tell", measured=listed.nameless, required=0, file=file)
    # Whether a run leaf is one of any phase or of the phase run only is not published either; both are taken for complete.
    names = {f"{results}/{name}" for name in listed.leaves}
    all_phases = any(leaves.get(name, "run") != "run" for name in names)
    expected = [relpath for relpath, phase in leaves.items() if all_phases or phase == "run"]
    for relpath in expected:
        if relpath not in names:
            yield Finding("a leaf of the submission is not in its manifest", required=MANIFEST, file=relpath)
    for name in sorted(names - leaves.keys()):
        yield Finding("the manifest lists a leaf that is not in the submission", measured=MANIFEST, file=name)
    if names == set(expected) and not listed.nameless:
        yield Met(f"{len(names)} leaves listed", f"the {len(expected)} {'leaves' if all_phases else 'run leaves'} of the tree")


def _stamped_edition(root: Path, relpath: str) -> str | None:
    """The edition that a leaf's provenance record declares; None where it has none or one that cannot be read, which PROV-01 finds."""
    path = root / relpath / PROVENANCE
    record = TreeFiles(root).json_object(path) if os.path.lexists(path) else None
    return Provenance.from_json(record).edition if record is not None else None


def _exactly_one_metadata(result: StoredResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run of a KV cache or vector database result holds exactly one metadata file."""
    if not result.runs:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
    for leaf in result.runs:
        found = sorted(name for name in leaf.files if "/" not in name and name.endswith(_METADATA))
        if len(found) != 1 and not leaf.planned:
            yield Finding(
                "a run does not hold exactly one metadata file", measured=len(found), required=f"1 file *{_METADATA}", file=leaf.relpath
            )
        elif not leaf.planned:
            yield Met(f"{len(found)} metadata file", f"1 file *{_METADATA} in each run")


for _subject in (VectorDatabaseResult, KVCacheResult):
    rule("LEAF-01", "runLeafMetadata", subject=_subject, editions=("3.0",))(_exactly_one_metadata)


@rule("RPT-01", "rollupTableAgreement", subject=Submission, editions=("3.0",))
def rollup_agreement(submission: Submission, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The Public IDs in the submitter's table of results are those of all tables of its systems together.

    Every table can be read and is a list of rows. A submission without that table is asked nothing.
    """
    if ROLLUP not in submission.results_entries.files:
        yield NotAsked(f"no results/{ROLLUP}", "asked where there is one")
        return
    rollup = read_rollup(submission)
    for problem in rollup.problems:
        yield Finding(f"a table of results {problem.message}", file=problem.file)
    if rollup.problems:
        return
    file = submission.below("results", ROLLUP)
    for public_id in sorted(rollup.below - rollup.top):
        yield Finding("a Public ID of a system's table is missing from the submitter's table", required=shown(public_id), file=file)
    for public_id in sorted(rollup.top - rollup.below):
        yield Finding("a Public ID of the submitter's table is in no system's table", measured=shown(public_id), file=file)
    if not rollup.top and not rollup.below:
        yield NotAsked("no Public ID in any table", "asked where there is one")
    elif rollup.top == rollup.below:
        yield Met(f"{len(rollup.top)} Public IDs", f"the {len(rollup.below)} Public IDs of the systems' tables")
