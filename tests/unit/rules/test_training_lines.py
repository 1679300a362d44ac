"""Every line that the rules on training write for their failing examples, word by word, as people read them.

The lines stand in ``training_lines.txt``; ``python tests/unit/rules/test_training_lines.py`` writes them anew, for review.
"""

import importlib.util
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
if str(HERE) not in sys.path:  # run as a program there is no conftest
    sys.path.insert(0, str(HERE))

from training_lacking import LACKING  # noqa: E402
from training_tree import TrainingTree  # noqa: E402

from pytest_mlpstorage.rules import edition_of, rules_for  # noqa: E402

LINES = HERE / "training_lines.txt"


def modules():
    for path in sorted((HERE / "examples").glob("training_*.py")):
        spec = importlib.util.spec_from_file_location(f"training_lines_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield path.stem, module


MODULES = dict(modules())
CASES = [(name, rule_id) for name, module in MODULES.items() for rule_id in sorted(module.FAILING)]
CASES += [("lacking", rule_id) for rule_id in sorted({rule_id for rule_id, _, _ in LACKING})]


def trees(name, rule_id, folder):
    """The changed trees of a case, in order."""
    if name == "lacking":
        bends, written_as = [bend for rule, bend, _ in LACKING if rule == rule_id], {}
    else:
        bends = [bend for bend, _ in MODULES[name].FAILING[rule_id]]
        written_as = getattr(MODULES[name], "WRITTEN_AS", {}).get(rule_id, {})
    for number, bend in enumerate(bends):
        tree = TrainingTree.write(folder / f"{name}-{rule_id}-{number}", **written_as)
        bend(tree)
        yield number, tree


def written(name, rule_id, folder):
    """What the rule says of each of its failing examples."""
    lines = []
    for number, tree in trees(name, rule_id, folder):
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
        parts = [f"## {name} {rule_id}\n" + "\n".join(written(name, rule_id, Path(folder))) + "\n" for name, rule_id in CASES]
    LINES.write_text("\n".join(parts), encoding="utf-8")
