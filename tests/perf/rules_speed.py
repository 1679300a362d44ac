"""Judging a round: 150 results, 1 000 leaves, 16 000 files, which the script makes itself from valid results of each family.

Own cost (finding, parsing, rules, verdicts, metrics in one process without pytest): CPU seconds, at most 5, and linear in the
number of runs. The whole: wall time of ``pytest rules/ -n0`` over pytest with as many items that do nothing, in turn: at most 2 times.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "unit" / "rules")]
from pairs import INCONCLUSIVE, MET, MISSED, conclude  # noqa: E402 - its folder is no package

REPO = Path(__file__).resolve().parents[2]
GOAL = 2.0
OWN_SECONDS = 5.0
LINEAR = 1.25
"""Most that twice the runs may cost over twice the time."""

RESULTS = {"training/unet3d": 116, "checkpointing/llama3-8b": 19, "vector_database/milvus/DISKANN": 10, "kv_cache/llama3.1-8b": 5}
SUBMITTERS = 19
RANKS = 4
"""Ranks of a training run, each with two files: a run has some twenty files, the round 16 000."""
PRUNED = 400
"""Files of the last round of which its publisher left a placeholder, because they were large: what ranks wrote down of each step."""

OWN = """
import json, sys, time
from pathlib import Path
begun, cpu = time.perf_counter(), time.process_time()
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import edition_of, judge_tree, metrics_of, said_of
imported = time.process_time() - cpu
tree = read_tree(Path(sys.argv[1]))

def say(place):
    subject = tree.load(place)
    if place.is_result:
        metrics_of(subject, edition_of(place))
    return said_of(subject)

judged = judge_tree(tree, say=say)
verdicts = sorted({judgement.verdict.value for judgement in judged.results.values()})
print(json.dumps([time.process_time() - cpu - imported, time.perf_counter() - begun, verdicts, imported]))
"""


@dataclasses.dataclass(frozen=True)
class Round:
    """A merged tree and what it holds."""

    root: Path
    results: int
    leaves: int
    files: int


def make_round(root: Path, share: float) -> Round:
    """Copy the results of a valid package to systems of 19 submitters, ``share`` of the whole number of them."""
    import training_tree
    from whole_tree import write_package

    training_tree.RANKS = RANKS
    with tempfile.TemporaryDirectory() as name:
        package = write_package(Path(name) / "package")
        _enlarge(package.root)
        shutil.copytree(package.root / "code-images", root / "code-images")
        number = 0
        for family, count in RESULTS.items():
            for _ in range(round(count * share)):
                submission, system = root / "closed" / f"org{number % SUBMITTERS}", f"system{number}"
                shutil.copytree(package.system / family, submission / "results" / system / family)
                _describe(package.submission / "systems", submission / "systems", system)
                (submission / "results" / "results.json").write_text("[]")
                number += 1
    for path in sorted(root.glob("closed/*/results/*/training/*/run/*/*_output.json"))[: round(PRUNED * share)]:
        path.write_text("PRUNED BY STAFF\n")
    leaves = list(root.glob("closed/*/results/*/**/*_metadata.json"))
    return Round(root, number, len(leaves), sum(len(files) for _, _, files in os.walk(root)))


def _enlarge(package: Path) -> None:
    """Real metadata is ten times as large: it lists the disks and ports of every host."""
    disk = {"device": "nvme0n1", **{f"counter{n}": 1234567890 + n for n in range(17)}}
    hosts = [{"hostname": f"host{n}", "memory": {"total": 274877906944}, "cpu": {"num_cores": 64}, "disks": [disk] * 24} for n in range(4)]
    for path in package.glob("closed/*/results/**/*_metadata.json"):
        metadata = json.loads(path.read_text())
        metadata["cluster_snapshots"] = {"start": hosts}
        path.write_text(json.dumps(metadata))


def _describe(source: Path, target: Path, system: str) -> None:
    target.mkdir(exist_ok=True)
    text = (source / "fastfs.yaml").read_text().replace("submission_name: fastfs", f"submission_name: {system}")
    (target / f"{system}.yaml").write_text(text)
    shutil.copy(source / "fastfs.pdf", target / f"{system}.pdf")


def own(tree: Round) -> tuple[float, float, list[str], float]:
    """CPU seconds of judging a tree, wall seconds, the verdicts that it has, and the CPU seconds of the imports."""
    done = subprocess.run([sys.executable, "-c", OWN, str(tree.root)], capture_output=True, text=True, cwd=tree.root.parent)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return tuple(json.loads(done.stdout))


def seconds(folder: Path, *arguments: str) -> tuple[float, str]:
    """Wall seconds of one pytest, and what it printed last."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments], cwd=folder, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(done.stdout[-5000:] + done.stderr)
    return time.monotonic() - begun, done.stdout.strip().rpartition("\n")[2]


def main() -> int:
    """Make the trees, time judging alone, then pairs with pytest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="under 50 s: fewer pairs")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="make the tree there and leave it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlps-rules-speed-") as name:
        work = Path(name)
        whole = make_round(arguments.keep or work / "whole", 1.0)
        half = make_round(work / "half", 0.5)
        print(f"{whole.results} results, {whole.leaves} leaves, {whole.files} files")
        times = 1 if arguments.short else 3
        spent = [own(whole) for _ in range(times)]
        spent_half = [own(half) for _ in range(times)]
        cost, cost_half = min(s[0] for s in spent), min(s[0] for s in spent_half)
        growth = cost / cost_half / (whole.leaves / half.leaves)
        print(
            f"own={cost:.2f} s of CPU (goal {OWN_SECONDS}), {min(s[1] for s in spent):.2f} s of wall with imports {spent[0][3]:.2f} s; {spent[0][2]}"
        )
        print(f"half={cost_half:.2f} s for {half.leaves} leaves; growth={growth:.2f} of linear (goal {LINEAR})")
        code = _pairs(work, whole, 1 if arguments.short else 5)
        if cost > OWN_SECONDS:
            return MISSED
        return INCONCLUSIVE if growth > LINEAR and code == MET else code


def _pairs(work: Path, whole: Round, pairs: int) -> int:
    rules = (str(REPO / "rules"), f"--results-dir={whole.root}", "-n0", "-c", str(REPO / "pyproject.toml"))
    _, last = seconds(work, *rules)
    items = sum(int(word) for word in last.replace(",", "").split() if word.isdigit())
    (work / "test_bare.py").write_text(f"import pytest\n\n@pytest.mark.parametrize('n', range({items}))\ndef test_bare(n):\n    pass\n")
    plugins = ("hydra_pytest", "hypothesispytest", "pytest_mlpstorage.plugin", "xdist", "html", "metadata")
    bare = ("test_bare.py", "-c", "/dev/null", *(word for plugin in plugins for word in ("-p", f"no:{plugin}")))
    seconds(work, *bare)
    ratios = []
    print(f"{items} items: {last}")
    print(f"{'pair':>4} {'rules s':>8} {'bare s':>8} {'ratio':>8}")
    for pair in range(1, pairs + 1):
        (first, _), (second, _) = seconds(work, *rules), seconds(work, *bare)
        ratios.append(first / second)
        print(f"{pair:>4} {first:>8.3f} {second:>8.3f} {ratios[-1]:>8.3f}", flush=True)
    return conclude(ratios, GOAL)


if __name__ == "__main__":
    sys.exit(main())
