"""The verdicts over the published corpora as they are stored beside this file; run it to store them anew, and review the diff.

    python tests/snapshots/judged_corpora.py

Nothing of a corpus is named in what is stored: a result is a hash of its path, a finding its rule, severity and how often.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.results.records import StoredResult
from pytest_mlpstorage.results.tree import Tree, read_tree
from pytest_mlpstorage.rules import edition_of, judge_tree, metrics_of
from pytest_mlpstorage.verdict import Finding, Judgement

FOLDER = Path(__file__).parent
CORPORA = FOLDER.parents[1] / ".." / "shared" / "corpora"
PROFILES = {"v1.0": ("strict",), "v2.0": ("strict",), "v3.0": ("strict", "v3.0-round")}


def name_of(path: str) -> str:
    """What a subject is stored under."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def judged(corpus: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The verdicts of a corpus by profile, and the path of each stored name, for people."""
    tree = read_tree((CORPORA / corpus).resolve())
    names = {name_of(place.relpath): place.relpath for place in tree.places}
    return {profile: _profile(tree, profile) for profile in PROFILES[corpus]}, names


def _profile(tree: Tree, profile: Any) -> dict[str, Any]:
    verdicts = judge_tree(tree, profile)
    results = {}
    for place in tree.result_places:
        result = tree.load(place)
        metrics = metrics_of(result, edition_of(place, profile)) if isinstance(result, StoredResult) else {}
        of_result = {"benchmark_type": place.benchmark, "edition": place.edition, **_judgement(verdicts.results[place.relpath], own=True)}
        results[name_of(place.relpath)] = {**of_result, "metrics": {key: _rounded(value) for key, value in sorted(metrics.items())}}
    submissions = {name_of(path): _judgement(judgement) for path, judgement in verdicts.submissions.items()}
    return {
        "results": dict(sorted(results.items())),
        "submissions": dict(sorted(submissions.items())),
        "package": _findings(verdicts.package),
        "left_out": dict(sorted(Counter(reason.split("'")[0].strip() for _, reason in tree.ignored).items())),
    }


def _judgement(judgement: Judgement, *, own: bool = False) -> dict[str, Any]:
    verified = f"{judgement.rules_verified} of {judgement.rules_total}"
    return {"verdict": judgement.verdict.value, "verified": verified, "findings": _findings(judgement.own if own else judgement.findings)}


def _findings(findings: Iterable[Finding]) -> list[str]:
    """One line a rule and severity: ``V1-11 error ×2``."""
    counts: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        counts[finding.rule, finding.severity.value] += finding.count
    return [f"{rule} {severity} ×{count}" for (rule, severity), count in sorted(counts.items())]


def _rounded(value: float | str) -> float | str:
    """Six digits: what differs further behind is the order of a sum."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def stored(corpus: str) -> dict[str, Any]:
    """What is stored of a corpus."""
    content: dict[str, Any] = json.loads((FOLDER / f"{corpus}.json").read_text())
    return content


def differences(before: object, after: object, names: Mapping[str, str], where: str = "") -> Iterator[str]:
    """Lines for a reviewer: where, what was stored, what is judged now."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}, key=str):
            yield from differences(
                before.get(key), after.get(key), names, f"{where}\n  {names.get(key, key)}" if key in names else f"{where} {key}"
            )
    elif isinstance(before, list) and isinstance(after, list):
        yield from (f"{where}: - {line}" for line in before if line not in after)
        yield from (f"{where}: + {line}" for line in after if line not in before)
    elif before != after:
        yield f"{where}: {before} → {after}"


def main() -> int:
    """Store all corpora anew, and tell what has changed."""
    for corpus in PROFILES:
        after, names = judged(corpus)
        path = FOLDER / f"{corpus}.json"
        before = stored(corpus) if path.exists() else {}
        for line in differences(before, after, names):
            sys.stdout.write(f"{corpus}{line}\n")
        path.write_text(json.dumps(after, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
