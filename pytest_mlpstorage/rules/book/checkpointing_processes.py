"""Rules on how many ranks a checkpointing run has, how they are spread, and on the subset form (4.3.5, 4.6, RC-CKP)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import CheckpointModel
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.rules.checkpoints import (
    asked_subset,
    checkpointing_of,
    is_subset,
    processes_of,
    recorded_model,
    runs_of_known_model,
)
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_summary
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

# Conflict C-1: what the metadata calls `verification` is what a tool believed when it started, in upper case, and null
# where it had no belief. The division of a result is the directory that it was submitted in, and nothing else is asked.


@rule(
    "4.3.5", "checkpointSubsetRunValidation", subject=CheckpointingResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,)
)
def subset_run(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run has the subset form only for a model of which the edition allows it, and then with the edition's number of ranks."""
    # During the round the rule's text lacked a "not", and what was enforced was the inverse: only other models had the subset
    # form. The number of ranks was the same in both readings.
    book = checkpointing_of(edition)
    inverted = edition.profile is not None and "4.3.5" in edition.profile.inverted
    allowed = tuple(name for name in book.models if (name in book.subset_models) is not inverted)
    for run in runs_of_known_model(result, edition):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata, name, _ = run
        required = f"subset form: only {', '.join(allowed)}, {book.subset_processes} ranks"
        if not is_subset(metadata):
            yield Met("no subset form", required)
            continue
        if name not in allowed:
            yield Finding(
                "a closed run has the subset form, which is not for this model",
                measured=shown(recorded_model(metadata)),
                required=", ".join(allowed),
                file=metadata.path or leaf.relpath,
                field="args.model",
            )
        ran = leaf.summary.num_accelerators if leaf.summary is not None else None
        if ran is None:
            yield NoEvidence("no summary says how many ranks there were", leaf.relpath)
        elif ran != book.subset_processes:
            yield Finding(
                "a closed run of the subset form has another number of ranks",
                measured=ran,
                required=book.subset_processes,
                file=leaf.summary.path if leaf.summary is not None else leaf.relpath,
                field="num_accelerators",
            )
        elif name in allowed:
            yield Met(f"subset form of {name}, {ran} ranks", required)


@rule("4.6.1", "checkpointClosedMpiProcesses", subject=CheckpointingResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,))
def closed_processes(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run has exactly as many ranks as the edition gives the model; there is no reduced form.

    What was asked for and what ran must both be that number. A number that the open division allows makes the result
    invalid here; it would be OPEN under ``open/``.
    """
    for run in runs_of_known_model(result, edition):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata, name, model = run
        asked = processes_of(metadata)
        if asked is None:
            yield NoEvidence("the metadata has no num_processes", metadata.path or leaf.relpath)
        elif asked != model.processes:
            yield Finding(
                f"the run was asked for another number of ranks than a closed run of this model has{_elsewhere(asked, model)}",
                measured=asked,
                required=model.processes,
                file=metadata.path or leaf.relpath,
                field="args.num_processes",
            )
        ran = leaf.summary.num_accelerators if leaf.summary is not None else None
        if ran not in (None, asked, model.processes):
            yield Finding(
                "the run had another number of ranks than a closed run of this model has",
                measured=ran,
                required=model.processes,
                file=leaf.summary.path if leaf.summary is not None else leaf.relpath,
                field="num_accelerators",
            )
        elif asked == model.processes:
            yield Met(f"{asked} ranks", f"exactly {model.processes} ranks for {name}")


def _elsewhere(processes: int, model: CheckpointModel) -> str:
    fits = processes > 0 and processes % model.open_multiple == 0
    return "; the open division allows it: under open/ the result would be OPEN" if fits else ""


@rule(
    "4.6.2",
    "checkpointClosedAcceleratorsPerHost",
    subject=CheckpointingResult,
    editions=("3.0",),
    preflight=True,
    divisions=(Division.CLOSED,),
)
def accelerators_per_host(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """In a closed run every host emulates more accelerators than the edition's number; exactly that number is too few."""
    # Conflict C-4: the rule says more than four, a table beside it at least four, the official code wants more. The rule decides,
    # so exactly four fails; the round accepted it, and its profile warns.
    above = checkpointing_of(edition).accelerators_per_host_above
    for run in with_summary(result) if above is not None else ():
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        hosts, accelerators = summary.num_hosts, summary.num_accelerators
        if hosts is None or accelerators is None:
            missing = "num_hosts" if hosts is None else "num_accelerators"
            yield NoEvidence(f"the summary has no {missing}", summary.path or leaf.relpath)
        elif above is not None and (hosts < 1 or accelerators <= above * hosts):
            yield Finding(
                "too few accelerators on a host",
                measured=f"{accelerators} accelerators on {hosts} host(s)",
                required=f"more than {above} on each host",
                file=summary.path,
                field="num_accelerators",
            )
        elif above is not None:
            yield Met(f"{accelerators} accelerators on {hosts} host{'' if hosts == 1 else 's'}", f"more than {above} a host")


@rule(
    "4.6.4", "checkpointOpenSubmissionScaling", subject=CheckpointingResult, editions=("3.0",), preflight=True, divisions=(Division.OPEN,)
)
def open_processes(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """An open run has a positive multiple of the ranks that hold one copy of the model."""
    # Conflict C-6: of the smallest model a copy fits one rank, and the validator takes any number; the tool refuses to start
    # anything but multiples of eight. A package is judged by the validator's rule, and a number that the tool would not have
    # started is worth a reviewer's look.
    for run in runs_of_known_model(result, edition):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata, name, model = run
        asked = processes_of(metadata)
        file = metadata.path or leaf.relpath
        if asked is None:
            yield NoEvidence("the metadata has no num_processes", file)
        elif asked < 1 or asked % model.open_multiple:
            yield Finding(
                "the ranks are no multiple of those that hold one copy of the model",
                measured=asked,
                required=f"a positive multiple of {model.open_multiple}",
                file=file,
                field="args.num_processes",
            )
        elif asked % model.processes_per_instance:
            yield Finding(
                "the official tool does not start this number of ranks",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=asked,
                required=f"a multiple of {model.processes_per_instance}",
                file=file,
                field="args.num_processes",
            )
        else:
            unit = math.lcm(model.open_multiple, model.processes_per_instance)
            yield Met(f"{asked} ranks", f"open division: a multiple of {unit} ranks for {name}")


@rule("RC-CKP-4", "check_accelerator_memory", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def planned_memory(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The accelerators that a run was asked for together have room for the published size of the model's checkpoint.

    Known before anything is measured, unlike the size that 4.3.4 reads. Where no accelerator is named there is nothing to compare.
    """
    known = checkpointing_of(edition).accelerator_memory_gb
    for run in runs_of_known_model(result, edition):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata, name, model = run
        memory_gb, asked = known.get((metadata.accelerator or "").lower()), processes_of(metadata)
        if memory_gb is None:
            yield NotAsked("no accelerator of known memory named", f"asked of {', '.join(known)}")
            continue
        if asked is None:
            yield NoEvidence("the metadata has no num_processes", metadata.path or leaf.relpath)
        elif asked * memory_gb < model.gate_gb:
            yield Finding(
                "the accelerators asked for have less memory than a checkpoint of the model needs",
                measured=f"{asked} × {memory_gb} GB",
                required=f"{model.gate_gb} GB",
                file=metadata.path or leaf.relpath,
                field="args.num_processes",
            )
        else:
            yield Met(f"{asked * memory_gb} GB", f"at least {model.gate_gb} GB, a checkpoint of {name}")


@rule("RC-CKP-5", "check_subset_mode", subject=CheckpointingResult, editions=("3.0",), preflight=True, divisions=(Division.OPEN,))
def subset_mode(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The subset form was asked for only with a model of which the edition allows it, and with the edition's number of ranks.

    In the closed division 4.3.5 says the same. The mode that the tool itself sets for fewer ranks was not asked for.
    """
    book = checkpointing_of(edition)
    for run in runs_of_known_model(result, edition):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata, name, _ = run
        asked = processes_of(metadata)
        required = f"{', '.join(book.subset_models)} with {book.subset_processes} ranks"
        if asked_subset(metadata) and (name not in book.subset_models or asked != book.subset_processes):
            yield Finding(
                "the subset form was asked for with another model or another number of ranks",
                measured=f"{shown(recorded_model(metadata))} with {'an unknown number of' if asked is None else asked} ranks",
                required=required,
                file=metadata.path or leaf.relpath,
                field="args.checkpoint_subset",
            )
        else:
            measured = f"{name} with {asked} ranks" if asked_subset(metadata) else "not asked for"
            yield Met(f"subset form: {measured}", f"subset form: only {required}")
