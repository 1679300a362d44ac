"""Mutated trees and files without end: the rules and the reports must say something of each, in bounded time, and never raise.

    python tests/fuzz/rules_fuzz.py                     10 000 trees, a new seed
    python tests/fuzz/rules_fuzz.py --short             a minute's worth
    python tests/fuzz/rules_fuzz.py --seed 7 --only 41  one tree again, as it was, kept to be looked at

Each tree is a valid one of round 1.0, 2.0 or 3.0 with one to four changes, all drawn from the seed and its number. Ends with 1 where a
tree raised or took too long.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "unit" / "rules")]

TREES, SHORT = 10_000, 150
SECONDS = 10.0
"""Longest that a tree may take; a usual one takes a twentieth of a second."""

MEMORY = 2 * 1024**3

NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 10**18, -(10**18), 10**400, 1.5, -0.0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
    "", " ", "0", "-1", "1e999", "nan", "True", "9" * 5000, "x" * 10_000, "\x1b[2J<script>", "\ud800", "../../../../etc/passwd", "/", ".", "..",
    "2026-07-13T08:00:00", "2026-13-45T99:99:99", "20260713_080000", "closed", "CLOSED", "b200", "unet3d",
    [], {}, [[]], [{}], {"": {}}, [None] * 50, [1, "1", None, {}], {"a": {"b": {"c": []}}}, {"1": {"1": {"1": 1}}}, list(range(2000)),
]  # fmt: skip

NAMES = [
    b"\xff\xfe", b"a\nb", b"\x1b[2J", b"<img src=x>", b"x" * 255, b"-rf", b" ", b"._summary.json", b".DS_Store", b"20260713_080000",
    b"20269999_999999", b"run", b"datagen", b"results", b"systems", b"closed", b"Closed", b"OPEN", b"training", b"checkpointing", b"results.json",
    b"summary.json", b"submission.yaml", b"metadata", b"unet3d", b"code-images", b"code-00000000", b"run1", b"a]b[c", "ü".encode(), b"CON",
]  # fmt: skip

CONTENTS = [
    b"", b"\n", b"{", b"[", b"null", b"[]", b"{}", b"7", b'"x"', b"PRUNED BY STAFF\n", b"\x00" * 64, b"\xff\xfe{}", b"\xef\xbb\xbf{}", b"{" * 5000,
    b"[" * 50_000, b"a: &a [*a]\n", b"a: 1\na: 2\n", b"- x\n" * 3000, b"NaN", b'{"a": NaN}', b"Filesystem Used Avail Use% Mounted on\nx\n\n",
    b"md5-tree-v2:" + b"g" * 32, b"9" * 6000, b"\r\n\r\n", b"a,b\n1\n\"", b"\x80abc",
]  # fmt: skip


def bases(folder: Path) -> list[Path]:
    """Valid trees, one of each round and division."""
    from round_v1_tree import RoundV1Tree
    from round_v2_tree import RoundTree
    from whole_tree import write_package

    made = [write_package(folder / f"v3-{division}", division=division).root for division in ("closed", "open")]
    RoundV1Tree.write(folder / "v1")
    for make in (RoundTree.training, RoundTree.checkpointing):
        make(folder / "v2")
    # Division directories in the round's own spelling, by which it is recognised.
    (folder / "v2" / "closed").rename(folder / "v2" / "Closed")
    return [*made, folder / "v1", folder / "v2"]


# -- changes -----------------------------------------------------------------------------------------------------------


def _files(root: Path) -> list[Path]:
    """Files but for those that an earlier change made huge: this script would read and copy them."""
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**24)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())


def _write(path: Path, content: bytes) -> None:
    path.unlink()  # the tree is made of links to one copy
    path.write_bytes(content)


def _structured(root: Path) -> list[Path]:
    return [path for path in _files(root) if path.suffix in (".json", ".yaml")]


def change_value(root: Path, draw: random.Random) -> str:
    """Put a nasty value anywhere into a JSON or YAML document, or take a key away."""
    import yaml

    path = draw.choice(_structured(root))
    text = path.read_bytes()
    try:
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError):  # an earlier change has been here
        return change_content(root, draw)
    for _ in range(draw.randint(1, 3)):
        document = _mutated(document, draw)
    with contextlib.suppress(ValueError, OverflowError):
        _write(path, json.dumps(document).encode())
    return f"value in {path.relative_to(root)}"


def _mutated(document: Any, draw: random.Random) -> Any:
    at, depth = document, draw.randint(0, 6)
    holder: Any = None
    key: Any = None
    for _ in range(depth):
        if isinstance(at, dict) and at:
            holder, key = at, draw.choice(list(at))
        elif isinstance(at, list) and at:
            holder, key = at, draw.randrange(len(at))
        else:
            break
        at = holder[key]
    if holder is None:
        return draw.choice(NASTY) if draw.random() < 0.2 else document
    kind = draw.random()
    if kind < 0.2:
        del holder[key]
    elif kind < 0.3 and isinstance(holder, dict):
        holder[str(draw.choice(NASTY))[:200]] = holder.pop(key)
    elif kind < 0.4 and isinstance(at, (int, float)) and not isinstance(at, bool):
        holder[key] = draw.choice([at + 1, at - 1, at * 2, -at, str(at), at // 3, [at]])
    else:
        holder[key] = draw.choice(NASTY)
    return document


def change_content(root: Path, draw: random.Random) -> str:
    """Replace a file's bytes, cut them, or turn some of them."""
    path = draw.choice(_files(root))
    content = bytearray(path.read_bytes())
    kind = draw.random()
    if kind < 0.5:
        content = bytearray(draw.choice(CONTENTS))
    elif kind < 0.75:
        content = content[: draw.randrange(len(content) + 1)]
    else:
        for _ in range(draw.randint(1, 20)):
            if content:
                content[draw.randrange(len(content))] = draw.randrange(256)
    _write(path, bytes(content))
    return f"content of {path.relative_to(root)}"


def change_file(root: Path, draw: random.Random) -> str:
    """Take a file away, rename it, double it, or put something else in its place."""
    path = draw.choice(_files(root))
    kind = draw.choice(["gone", "renamed", "doubled", "directory", "pipe", "loop", "outside", "absolute", "closed", "huge"])
    if kind == "doubled":
        _copied(path, path.parent / os.fsdecode(draw.choice(NAMES)))
    elif kind == "renamed":
        _moved(path, path.parent / os.fsdecode(draw.choice(NAMES)))
    else:
        path.unlink()
        {
            "directory": path.mkdir,
            "pipe": lambda: os.mkfifo(path),
            "loop": lambda: path.symlink_to(path.name),
            "outside": lambda: path.symlink_to("../" * 20 + "etc/passwd"),
            "absolute": lambda: path.symlink_to(Path(__file__)),
            "closed": lambda: (path.touch(), path.chmod(0)),
            "huge": lambda: _sparse(path),
        }.get(kind, lambda: None)()
    return f"{kind} {path.relative_to(root)}"


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)


def _moved(path: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        path.rename(target)


def _copied(path: Path, target: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.copyfile(path, target)


def change_folder(root: Path, draw: random.Random) -> str:
    """Take a directory away, rename, move or link it, or put things into it."""
    path = draw.choice(_folders(root))
    kind = draw.choice(["gone", "renamed", "moved", "filled", "nested", "linked", "up"])
    name = os.fsdecode(draw.choice(NAMES))
    with contextlib.suppress(OSError):
        if kind == "gone":
            shutil.rmtree(path)
        elif kind == "renamed":
            path.rename(path.parent / name)
        elif kind == "moved":
            path.rename(draw.choice(_folders(root)) / name)
        elif kind == "filled":
            for _ in range(draw.randint(1, 30)):
                (path / os.fsdecode(draw.choice(NAMES))).write_bytes(draw.choice(CONTENTS))
        elif kind == "nested":
            at = path
            for _ in range(draw.randint(1, 60)):
                at /= name[:40]
                at.mkdir()
        elif kind == "linked":
            shutil.rmtree(path)
            path.symlink_to(draw.choice(_folders(root)))
        else:
            (path / name).symlink_to(draw.choice(["..", ".", "/", str(root)]))
    return f"{kind} directory {path.relative_to(root)}"


CHANGES: list[Callable[[Path, random.Random], str]] = [change_value] * 6 + [change_content] * 2 + [change_file] * 2 + [change_folder] * 2


# -- judging -----------------------------------------------------------------------------------------------------------


def judge(root: Path, draw: random.Random) -> None:
    """Read, judge, and write every report of a tree."""
    from pytest_mlpstorage.labels import label
    from pytest_mlpstorage.report import html
    from pytest_mlpstorage.report.collector import JudgedResult, Verdicts
    from pytest_mlpstorage.report.reasons import reasons
    from pytest_mlpstorage.report.records import decode, encode
    from pytest_mlpstorage.report.result_facts import ResultFacts
    from pytest_mlpstorage.report.rule_rows import rows_of_result_judged
    from pytest_mlpstorage.report.runs import rows_of_result
    from pytest_mlpstorage.report.subjects import facts_of
    from pytest_mlpstorage.report.terminal import summary_lines
    from pytest_mlpstorage.report.verdicts import submission_object, verdict_object
    from pytest_mlpstorage.results.tree import read_tree
    from pytest_mlpstorage.rules import PROFILES, edition_of, judge_tree, metrics_of

    profile = draw.choice(PROFILES)
    tree = read_tree(root, edition=draw.choice([None, "1.0", "2.0", "3.0"]))
    judged = judge_tree(tree, profile)
    results, submissions, runs = [], [], []
    for place in tree.result_places:
        result, judgement, edition = tree.load(place), judged.results[place.relpath], edition_of(place, profile)
        label(place.relpath)
        written = verdict_object(place, judgement, metrics=metrics_of(result, edition))
        runs += rows_of_result(result, edition)
        why = reasons(written["verdict"], judgement.reasons, judgement.own)
        told = ResultFacts.from_json(decode(encode(facts_of(result, edition).to_json())))
        rules = {place.relpath: rows_of_result_judged(result)}
        results.append(JudgedResult(written, judgement.headline(), why, facts=told, rules=rules))
    for place in tree.places:
        if place.kind == "submission":
            judgement = judged.submissions[place.relpath]
            inside = [(p, judged.results[p.relpath]) for p in tree.inside(place) if p.is_result]
            submissions.append(JudgedResult(submission_object(place, judgement, inside, profile), judgement.headline(), judgement.reasons))
    whole = Verdicts(tuple(results), tuple(submissions), tuple(f.line() for f in judged.package), tuple(runs))
    text = "\n".join(line.text for line in summary_lines(whole, (), files={}, rerun="")) + html.verdicts_html(whole) + html.runs_html(runs)
    text += encode([result.written for result in (*results, *submissions)])
    text.encode("utf-8")
    assert "\x1b" not in text, "a terminal escape reached a report"
    assert "<script>" not in html.verdicts_html(whole) + html.runs_html(runs), "markup reached the page"


def one(seed: int, number: int, sources: list[Path], work: Path) -> tuple[str | None, list[str], float]:
    """Change and judge one tree; what went wrong, what was changed, and the seconds it took."""
    draw = random.Random(f"{seed}-{number}")
    root = work / str(number)
    shutil.copytree(draw.choice(sources), root, copy_function=os.link, symlinks=True)
    changed: list[str] = []
    for _ in range(draw.randint(1, 4)):
        if _files(root) and _folders(root) and _structured(root):
            changed.append(draw.choice(CHANGES)(root, draw))
    begun, wrong = time.monotonic(), None
    try:
        judge(root, draw)
    except Exception:  # noqa: BLE001 - whatever it is, it is what this script looks for
        wrong = traceback.format_exc()
    seconds = time.monotonic() - begun
    if wrong is None and seconds > SECONDS:
        wrong = f"took {seconds:.1f} s"
    return wrong, changed, seconds


def main() -> int:
    """Go through the trees, and tell of each that raised or took too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="drawn anew by default")
    parser.add_argument("--count", type=int, default=TREES, help="number of trees")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one tree, kept")
    parser.add_argument("--short", action="store_true", help=f"{SHORT} trees")
    arguments = parser.parse_args()
    numbers = range(SHORT if arguments.short else arguments.count) if arguments.only is None else [arguments.only]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(f"seed={arguments.seed} trees={len(numbers)}", flush=True)
    failed, slowest, begun = 0, 0.0, time.monotonic()
    work = Path(tempfile.mkdtemp(prefix="mlps-fuzz-"))
    try:
        sources = bases(work / "sources")
        for number in numbers:
            wrong, changed, seconds = one(arguments.seed, number, sources, work)
            slowest = max(slowest, seconds)
            if wrong is not None:
                failed += 1
                print(f"--seed {arguments.seed} --only {number}: {'; '.join(changed)!a}\n{wrong}", flush=True)
            if arguments.only is None:
                _remove(work / str(number))
            if number and number % 500 == 0:
                print(f"{number} trees, {failed} failed, {time.monotonic() - begun:.0f} s", flush=True)
    finally:
        if arguments.only is None:
            _remove(work)
        else:
            print(f"kept: {work}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"trees={len(numbers)} failed={failed} slowest={slowest:.2f} s seconds={time.monotonic() - begun:.0f} peak={peak} MiB")
    return 1 if failed else 0


def _remove(path: Path) -> None:
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            Path(folder).chmod(0o755)
    shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
