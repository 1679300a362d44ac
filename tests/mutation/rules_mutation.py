"""How many mutants of the rule modules the rules' tests kill: mutmut on a copy of the package, one table, one last line.

Each rule is a function under a decorator, and mutmut leaves such functions alone; in the copy ``@rule(…)`` above a function
becomes a call below it, which registers the same rule. Usage: ``python tests/mutation/rules_mutation.py [--short] [MODULE…]``;
``--short`` takes one module, ``--sample N`` N mutants drawn from all of them (all take hours): its figure has the error that it
says. Exit 1 when fewer than 90 % are killed, 2 when mutmut could not run.
"""

from __future__ import annotations

import argparse
import ast
import collections
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
GOAL = 0.90
SHORT = ("training_parameters.py",)
KILLED = {1, 3, -24, 24, 36, 152, 255, -11, -9, 37}  # failed tests, and those that ended by a signal or a timeout
SURVIVED, UNTESTED = {0}, {5, 33}

CONFIGURATION = """[mutmut]
source_paths=pytest_mlpstorage
only_mutate={only}
pytest_add_cli_args_test_selection=tests/unit/rules
pytest_add_cli_args=-p no:cacheprovider
    -p no:xdist
    -p no:html
also_copy=conftest.py
    docs
use_setproctitle=false
track_dependencies=false
use_git_change_detection=false
"""


def undecorate(source: str) -> str:
    """Write ``@rule(…) def f`` as ``def f`` followed by ``f = rule(…)(f)``; everything else stays as it is."""
    lines = source.splitlines(keepends=True)
    for node in sorted(ast.walk(ast.parse(source)), key=lambda n: getattr(n, "lineno", 0), reverse=True):
        if not isinstance(node, ast.FunctionDef) or len(node.decorator_list) != 1:
            continue
        decorator = node.decorator_list[0]
        if not (isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "rule"):
            continue
        assert decorator.end_lineno is not None
        assert node.end_lineno is not None
        lines.insert(node.end_lineno, f"\n\n{node.name} = {ast.unparse(decorator)}({node.name})\n")
        del lines[decorator.lineno - 1 : decorator.end_lineno]
    return "".join(lines)


def prepare(work: Path, modules: list[str]) -> None:
    """Copy what the tests of the rules need, with the rules in a form that mutmut takes."""
    keep_out = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "pytest_mlpstorage", work / "pytest_mlpstorage", ignore=keep_out)
    shutil.copytree(ROOT / "tests" / "unit" / "rules", work / "tests" / "unit" / "rules", ignore=keep_out)
    if (ROOT / "tests" / "snapshots").is_dir():
        shutil.copytree(ROOT / "tests" / "snapshots", work / "tests" / "snapshots", ignore=keep_out)
    shutil.copytree(ROOT / "docs", work / "docs")
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, work / name)
    for path in (work / "pytest_mlpstorage" / "rules" / "book").glob("*.py"):
        path.write_text(undecorate(path.read_text(encoding="utf-8")), encoding="utf-8")
    only = "".join(f"\n    pytest_mlpstorage/rules/{module}" for module in modules)
    (work / "setup.cfg").write_text(CONFIGURATION.format(only=only), encoding="utf-8")


def count(work: Path) -> dict[str, collections.Counter[str]]:
    """Outcomes by module, from what mutmut stored."""
    found: dict[str, collections.Counter[str]] = {}
    for path in sorted((work / "mutants").rglob("*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8")).get("exit_code_by_key", {})
        tally: collections.Counter[str] = collections.Counter()
        for code in codes.values():
            if code is None:  # not in the sample
                continue
            tally["killed" if code in KILLED else "survived" if code in SURVIVED else "untested" if code in UNTESTED else "other"] += 1
        if tally:
            found[path.name.removesuffix(".meta")] = tally
    return found


def mutmut(work: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run mutmut in the copy, which must be what is imported also where the package is installed from this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(work / "mutants"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", "mutmut", *words], cwd=work, env=environment, capture_output=True, text=True)


def sample(work: Path, size: int, seed: int) -> list[str]:
    """Names of some mutants, drawn at random: a run for a name that is none makes the mutants and tests nothing."""
    mutmut(work, "run", "no such mutant")
    names = [
        name
        for path in sorted((work / "mutants").rglob("*.meta"))
        for name in json.loads(path.read_text(encoding="utf-8")).get("exit_code_by_key", {})
    ]
    return sorted(random.Random(seed).sample(names, min(size, len(names))))


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help=f"only {', '.join(SHORT)}")
    parser.add_argument("--show", action="store_true", help="name the mutants that survived")
    parser.add_argument("--sample", type=int, help="so many mutants of all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    parser.add_argument("modules", nargs="*", help="modules of pytest_mlpstorage/rules/book, such as pool.py")
    given = parser.parse_args()
    names = given.modules or (list(SHORT) if given.short else ["*.py"])
    work = ROOT / "build" / f"mutation.{os.getpid()}"
    # mutmut asks for this folder before it makes it; without it the package of this checkout would be tested.
    (work / "mutants").mkdir(parents=True)
    begun = time.monotonic()
    try:
        prepare(work, [f"book/{name}" for name in names])
        chosen = sample(work, given.sample, given.seed) if given.sample else []
        done = mutmut(work, "run", "--max-children", str(given.children), *chosen)
        found = count(work)
        if not found:
            print(re.sub(r"[^\n]*\r", "", done.stdout)[-3000:], done.stderr[-3000:], sep="\n")
            print(f"ratio=nan goal={GOAL}")
            return 2
        if given.show:
            shown = mutmut(work, "results")
            print(shown.stdout)
    finally:
        if not given.show:
            shutil.rmtree(work, ignore_errors=True)
    total: collections.Counter[str] = collections.Counter()
    print(f"{'module':<40}{'killed':>8}{'survived':>10}{'untested':>10}{'other':>7}{'ratio':>8}")
    for name, tally in found.items():
        total += tally
        print(row(name, tally))
    print(row("all", total), f"  in {time.monotonic() - begun:.0f} s")
    ratio = total["killed"] / total.total()
    if given.sample:
        print(
            f"a sample of {total.total()} (seed {given.seed}): ±{196 * math.sqrt(ratio * (1 - ratio) / total.total()):.1f} points at 95 %"
        )
    print(f"ratio={ratio:.4f} goal={GOAL}")
    return 0 if ratio >= GOAL else 1


def row(name: str, tally: collections.Counter[str]) -> str:
    """One line of the table."""
    figures = f"{tally['killed']:>8}{tally['survived']:>10}{tally['untested']:>10}{tally['other']:>7}"
    return f"{name:<40}{figures}{tally['killed'] / max(1, tally.total()):>8.3f}"


if __name__ == "__main__":
    sys.exit(main())
