"""Every line that the rules on checkpointing write for their failing examples, word by word, as people read them.

The lines stand in ``checkpointing_lines.txt``; ``python tests/unit/rules/test_checkpointing_lines.py`` writes them anew, for review.
"""

import importlib.util
import tempfile
from pathlib import Path

import pytest

from pytest_mlpstorage.rules import edition_of, rules_for

HERE = Path(__file__).parent
LINES = HERE / "checkpointing_lines.txt"


def modules():
    for path in sorted((HERE / "examples").glob("checkpointing*.py")):
        spec = importlib.util.spec_from_file_location(f"checkpointing_lines_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield path.stem, module


MODULES = dict(modules())
# Of these the words belong to helpers that the rules of other families use too.
SHARED = {"2.1.25", "2.1.26", "4.4.2"}
CASES = [(name, rule_id) for name, module in MODULES.items() for rule_id in sorted(set(module.FAILING) - SHARED)]


def written(name, rule_id, folder):
    """What the rule says of each of its failing examples."""
    lines = []
    for number, (bend, _) in enumerate(MODULES[name].FAILING[rule_id]):
        tree = MODULES[name].write(folder / f"{rule_id}-{number}")
        bend(tree)
        subject = tree.read()
        rule = next(rule for rule in rules_for(subject) if rule.id == rule_id)
        evaluation = rule.evaluate(subject, edition_of(subject))
        lines += [f"{number} {f.severity.value} {f.category.value} {f.part or '-'} {f.line()}" for f in evaluation.findings]
        lines += [f"{number} lacking {lack.reason}; in {lack.file}" for lack in evaluation.lacking]
    return lines


def stored():
    sections = {}
    for line in LINES.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            sections[tuple(line.split()[1:])] = current = []
        elif line:
            current.append(line)
    return sections


@pytest.mark.parametrize(("name", "rule_id"), CASES)
def test_the_lines_of_a_rule_are_those_that_were_reviewed(name, rule_id, tmp_path):
    assert written(name, rule_id, tmp_path) == stored()[name, rule_id]


def test_no_reviewed_line_is_left_over():
    assert set(stored()) == set(CASES)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        parts = [f"## {name} {rule_id}\n" + "\n".join(written(name, rule_id, Path(folder) / name)) + "\n" for name, rule_id in CASES]
    LINES.write_text("\n".join(parts), encoding="utf-8")
