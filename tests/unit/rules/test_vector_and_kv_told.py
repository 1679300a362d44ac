"""What the rules on vector databases and KV caches say of every example, word for word, with file, field, weight and part.

``told_of_vector_and_kv.txt`` holds it: a changed message, place or severity shows as a diff in review. Written anew by
``python tests/unit/rules/test_vector_and_kv_told.py``.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import pytest
from kv_cache_lacking import LACKING as kv_cache_lacking
from vector_database_lacking import LACKING as vector_database_lacking

HERE = Path(__file__).parent
STORED = HERE / "told_of_vector_and_kv.txt"
MODULES = ("vector_database", "vector_database_submission", "vector_database_own", "kv_cache", "kv_cache_figures")


def load(name):
    spec = importlib.util.spec_from_file_location(f"told_{name}", HERE / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def first_run_unreadable(bend):
    """The same example, but that nothing can be read of its first run: what is said of the others must not depend on it."""

    def bent(tree):
        bend(tree)
        first = next(iter(sorted((tree.result_dir / "run").glob("2*"))), None)
        for path in first.iterdir() if first is not None else ():
            if path.name.endswith((".json", ".log")) and path.is_file():
                path.write_text("{")

    return bent


def cases():
    """Every example that a rule fails, and those of vector databases (which have several runs) once more without the first run."""
    for name in MODULES:
        module = load(name)
        for rule_id, examples in module.FAILING.items():
            for number, (bend, _words) in enumerate(examples):
                written_as = module.WRITTEN_AS.get(rule_id, {}) if hasattr(module, "WRITTEN_AS") else {}
                yield f"{name} {rule_id} {number}", module.write, written_as, rule_id, bend
                if name.startswith("vector") and rule_id != "5.3.1":
                    yield f"{name} {rule_id} {number} without the first run", module.write, written_as, rule_id, first_run_unreadable(bend)

    for name, lacking in (("vector_database", vector_database_lacking), ("kv_cache", kv_cache_lacking)):
        for number, (rule_id, bend, _reason) in enumerate(lacking):
            yield f"{name} lacking {rule_id} {number}", load(name).write, {}, rule_id, bend


def told(evaluation, relpath):
    """What a rule said, one line each; the directory of the result is written as three dots."""
    lines = [f"  {f.severity.value} {f.category.value} {f.line()}{f' <{f.part}>' if f.part else ''}" for f in evaluation.findings]
    lines += [f"  lacks {item.reason}; in {item.file}{' (withheld)' if item.withheld else ''}" for item in evaluation.lacking]
    return [line.replace(relpath, "...") for line in lines]


def evaluated(write, written_as, rule_id, bend, root):
    from pytest_mlpstorage.rules import edition_of, rules_for

    tree = write(root, **written_as)
    bend(tree)
    subject = tree.read()
    rule = next(rule for rule in rules_for(subject) if rule.id == rule_id)
    return told(rule.evaluate(subject, edition_of(subject)), subject.relpath)


def stored():
    """What was said before, by case."""
    found = {}
    for line in STORED.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            found[line] = []
        else:
            found[next(reversed(found))].append(line)
    return found


@pytest.mark.parametrize(("name", "write", "written_as", "rule_id", "bend"), [pytest.param(*case, id=case[0]) for case in cases()])
def test_the_same_is_said_as_before(name, write, written_as, rule_id, bend, tmp_path):
    assert evaluated(write, written_as, rule_id, bend, tmp_path / "tree") == stored().get(name)


def test_nothing_is_stored_of_an_example_that_is_gone():
    assert set(stored()) == {case[0] for case in cases()}


def rewrite():
    with STORED.open("w", encoding="utf-8") as file:
        for name, write, written_as, rule_id, bend in cases():
            with tempfile.TemporaryDirectory() as folder:
                lines = evaluated(write, written_as, rule_id, bend, Path(folder) / "tree")
            file.write("\n".join([name, *lines]) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    rewrite()
