"""Rules of this suite that no edition has: what measured, whether the figures are what the raw files give, names left unfilled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.provenance import UNKNOWN, Provenance
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf, LeafMetadata, StoredResult, TrainingResult
from pytest_mlpstorage.results.summary import TrainingMetric
from pytest_mlpstorage.rules.raw_files import check_leaf
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_EVERY_EDITION = ("1.0", "2.0", "3.0")
_DLIO = "dlio"


def _accepted_engine(result: StoredResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """What measured is what the edition accepts: DLIO of an accepted revision, with its own reader and generator.

    Anything else is a fair measurement of something that is not the closed benchmark, so the result is OPEN at best. A leaf
    of another tool is judged by its provenance record; one without any says nothing, and nothing is said of it.
    """
    for leaf in result.leaves:
        metadata = leaf.metadata
        if leaf.phase == "datasize":  # a calculation: nothing measured
            continue
        if metadata is None:
            yield NoEvidence("metadata could not be read", leaf.relpath)
        elif metadata.mlps:
            yield from _own_engine(leaf, metadata, edition)
        elif leaf.provenance is not None:
            yield from _foreign_engine(leaf.provenance, edition)
        else:
            damaged: list[NoEvidence | Met] = [NoEvidence(p.message, p.file) for p in leaf.problems if p.file.endswith("/provenance.json")]
            yield from damaged or [NotAsked("no record of what measured", "asked of runs that have one")]


for _subject in (TrainingResult, CheckpointingResult):
    rule("MLPS-ENGINE-1", "acceptedEngine", subject=_subject, editions=("3.0",), severity=Severity.INFO, preflight=True)(_accepted_engine)


def _open(message: str, file: str, field: str, measured: str | None = None, required: str | None = None) -> Finding:
    return Finding(message, severity=Severity.INFO, category=Category.OPEN, measured=measured, required=required, file=file, field=field)


def _accepted(edition: Edition) -> str:
    return f"one of {len(edition.dlio_revisions)} accepted revisions ({', '.join(sorted({r.version for r in edition.dlio_revisions}))})"


def _own_engine(leaf: Leaf, metadata: LeafMetadata, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    file = metadata.path or leaf.relpath
    engine = metadata.mlps.get("engine")
    if not isinstance(engine, Mapping):
        if leaf.planned:
            yield NoEvidence("the plan does not say which engine will measure", file)
        else:
            yield _open("the metadata does not say which engine measured", file, "mlps.engine")
        return
    name = engine.get("name")
    if name is not None and name != _DLIO:
        yield _open("what measured is not DLIO", file, "mlps.engine.name", shown(name), _DLIO)
        return
    commit, version = (str(shown(_first(engine, key, f"dlio_{key}")) or "") for key in ("commit", "version"))
    if not edition.accepts_revision(commit):
        shape = f"DLIO {version or 'of unknown version'}{f' ({commit[:12]})' if commit else ', from a package registry or a folder'}"
        yield _open("the DLIO that measured is no accepted revision", file, "mlps.engine.commit", shape, _accepted(edition))
    else:
        yield Met(f"DLIO {version[:20]}{' ' if version else ''}({commit[:12]})", _accepted(edition))
    inner = engine.get("engine")
    parts = inner if isinstance(inner, Mapping) else engine
    for part, what in (("reader", "data were read"), ("generator", "data were generated")):
        used = parts.get(part)
        if used is None or (part == "reader") != (leaf.phase == "run"):
            continue
        if used != "builtin":
            yield _open(f"{what} by a plug-in and not by DLIO's own {part}", file, f"mlps.engine.{part}", shown(used), "builtin")
        else:
            yield Met(f"builtin {part}", "DLIO's own reader and generator")


def _first(mapping: Mapping[str, Any], *keys: str) -> Any:
    return next((mapping[key] for key in keys if mapping.get(key)), None)


def _foreign_engine(stamp: Provenance, edition: Edition) -> Iterator[Finding | Met]:
    commit = stamp.dlio_commit or UNKNOWN
    if commit == UNKNOWN:
        yield NotAsked("revision unknown", "asked where the record names one")
    elif not edition.accepts_revision(commit):
        yield _open("the DLIO that measured is no accepted revision", stamp.path, "dlio.commit", commit[:40], _accepted(edition))
    else:
        yield Met(f"DLIO {commit[:12]}", _accepted(edition))


@rule("MLPS-METRIC-1", "metricsAgreeWithRawFiles", subject=TrainingResult, editions=("3.0",))
def metrics_agree(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Utilization and throughput of every summary are what the ranks' own files give.

    The epochs' values are the mean (utilization) and the sum (throughput) over the ranks, the means those over the epochs:
    these involve no clock and must agree. A rank's own values must agree with its step and block times as far as clocks do; there a
    difference is a warning. Ranks whose files are not there are no evidence.
    """
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
        elif run[0].summary is None:
            yield NoEvidence("summary could not be read", run[0].relpath)
        else:
            said = list(check_leaf(run[0], run[1], root=result.root))
            yield from said or _compared(run[0].summary.metric)


def _compared(metric: TrainingMetric) -> Iterator[Met]:
    """The means of a summary in which nothing differs from the ranks' files, as far as it has the epochs that they were held against."""
    if not metric.au_percent or not metric.samples_per_second:
        yield NotAsked("no values of epochs", "asked of summaries that have them")
        return
    for what, value, unit in (("utilization", metric.au_mean_percent, "%"), ("throughput", metric.mean_samples_per_second, "samples/s")):
        told = f"{len(metric.au_percent)} epochs" if value is None else f"{value:.5g} {unit}"
        yield Met(told, f"{what} that the ranks' files give")


_PLACEHOLDER = re.compile(
    r"""<[^<>]*>                                            # as the shipped configurations mark them
      | ^(?:your|my)[-_.]?(?:org(?:anisation|anization)?|company|name|system|submitter)\b
      | ^(?:change|replace|fill)[-_.]?(?:me|this|in)$
      | ^(?:todo|tbd|xxx+|placeholder|example|foo|submitter|organi[sz]ation|system[-_.]?name|none|null|unknown|undefined)$
    """,
    re.IGNORECASE | re.VERBOSE,
)


@rule("MLPS-NAME-1", "noPlaceholderNames", subject=StoredResult, editions=_EVERY_EDITION, severity=Severity.WARNING, preflight=True)
def no_placeholder_names(result: StoredResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Submitter and system are names of somebody and something, not what an example left to be filled in."""
    for what, name in (("submitter", result.submitter), ("system", result.system)):
        if _PLACEHOLDER.search(name):
            yield Finding(
                f"the {what} looks like a placeholder",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=name,
                required=f"the name of the {what}",
                file=result.relpath,
            )
        else:
            yield (
                Met(f"{what} {shown(name)}", "names, no placeholders") if name else NotAsked(f"no {what}", "asked where the path names one")
            )
