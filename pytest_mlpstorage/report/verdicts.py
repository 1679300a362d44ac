"""verdicts.json and verdicts.csv: one object, or one row, per judged result."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.report.records import finding_object
from pytest_mlpstorage.report.text import cell
from pytest_mlpstorage.results.atomic import file_system_error, write_json, write_text
from pytest_mlpstorage.results.files import printable
from pytest_mlpstorage.verdict import figures

if TYPE_CHECKING:
    from pytest_mlpstorage.results.places import SubjectPlace
    from pytest_mlpstorage.verdict import Judgement

__all__ = ["IDENTITY", "submission_object", "verdict_object", "write_submissions", "write_verdicts"]

IDENTITY: Final = ("division", "submitter", "system", "benchmark_type", "model", "accelerator", "path", "edition")
"""Keys that say which result an object is about, in order."""


def verdict_object(
    place: SubjectPlace, judgement: Judgement, *, accelerator: str | None = None, metrics: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """One object of verdicts.json (design §7): identity, verdict, metrics, findings."""
    return {
        "division": place.division.value,
        "submitter": place.submitter,
        "system": place.system,
        "benchmark_type": place.benchmark,
        "model": place.model,
        "accelerator": accelerator,
        "path": place.relpath,
        "edition": place.edition,
        "verdict": judgement.verdict.value,
        "metrics": dict(metrics or {}),
        "findings": [finding_object(finding) for finding in judgement.findings],
    }


def submission_object(
    place: SubjectPlace, judgement: Judgement, results: Sequence[tuple[SubjectPlace, Judgement]], profile: str
) -> dict[str, Any]:
    """One object of submissions.json: identity, profile, verdict, the verdict of each result by path, findings outside of results."""
    return {
        "division": place.division.value,
        "submitter": place.submitter,
        "path": place.relpath,
        "edition": place.edition,
        "profile": profile,
        "verdict": judgement.verdict.value,
        "results": {result.relpath: judged.verdict.value for result, judged in results},
        "findings": [finding_object(finding) for finding in judgement.findings],
    }


def write_verdicts(folder: Path, objects: Sequence[Mapping[str, Any]]) -> tuple[Path, Path]:
    """Write ``verdicts.json`` and ``verdicts.csv``, making the folder; raises FileSystemError where that cannot be."""
    _make(folder)
    as_json, as_csv = folder / "verdicts.json", folder / "verdicts.csv"
    written = _writable(list(objects))
    write_json(as_json, written)
    write_text(as_csv, _table(written))
    return as_json, as_csv


def write_submissions(folder: Path, objects: Sequence[Mapping[str, Any]]) -> Path:
    """Write ``submissions.json`` beside the verdicts; raises FileSystemError where that cannot be."""
    _make(folder)
    write_json(folder / "submissions.json", _writable(list(objects)))
    return folder / "submissions.json"


def _writable(value: Any) -> Any:
    """The value with every text such that a file can hold it: names of directories may be no text, and JSON may hold half a character."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): _writable(inner) for key, inner in value.items()}
    return [_writable(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_system_error("cannot make the folder of the verdicts", folder, error) from error


def _table(objects: Sequence[Mapping[str, Any]]) -> str:
    """One row a result: its identity, verdict, each metric in a column of its own, findings by severity and as text."""
    metrics = sorted({name for judged in objects for name in judged["metrics"]})
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*IDENTITY, "verdict", *metrics, "errors", "warnings", "infos", "findings"])
    for judged in objects:
        findings = judged["findings"]
        counts = [sum(f["count"] for f in findings if f["severity"] == severity) for severity in ("error", "warning", "info")]
        writer.writerow(
            [
                *(cell(judged[key]) if judged[key] is not None else "" for key in IDENTITY),
                judged["verdict"],
                *(judged["metrics"].get(name, "") for name in metrics),
                *counts,
                cell(" | ".join(_line(f) for f in findings)),
            ]
        )
    return target.getvalue()


def _line(finding: Mapping[str, Any]) -> str:
    parts = [f"[{finding['rule']}] {finding['severity']}: {finding['message']}"]
    parts += figures(finding["measured"], finding["required"])
    place = ":".join(p for p in (finding["file"], finding["field"]) if p)
    parts += [f"in {place}"] if place else []
    return "; ".join(parts) + (f" (×{finding['count']})" if finding["count"] > 1 else "")
