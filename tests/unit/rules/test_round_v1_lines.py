"""What the rules of round 1.0 say, word for word: a change of a message, a place or a weight shows as a change of the snapshot.

``python tests/unit/rules/test_round_v1_lines.py`` writes the snapshot anew.
"""

import importlib.util
import re
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pytest_mlpstorage.rules import edition_of, rules_for

SNAPSHOT = Path(__file__).parents[2] / "snapshots" / "round_v1_lines.txt"
GROUP = "results/fastfs/unet3d-h100"
PARSER = re.compile(r"(?<=is no (?:JSON|YAML)): .*?(?=; in )")
"""What a parser says of damage; it says it otherwise in other versions."""


def load(path):
    spec = importlib.util.spec_from_file_location(f"lines_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLES = {path.stem: load(path) for path in sorted((Path(__file__).parent / "examples").glob("round_v1*.py"))}
CASES = [(name, rule_id) for name, module in EXAMPLES.items() for rule_id in sorted(module.FAILING)]


def lines(name, rule_id, folder):
    """Each example of a rule that fails, and what it says."""
    module = EXAMPLES[name]
    for number, (bend, _) in enumerate(module.FAILING[rule_id]):
        tree = module.write(folder / str(number), **getattr(module, "WRITTEN_AS", {}).get(rule_id, {}))
        bend(tree)
        subject = tree.read()
        rule = next(rule for rule in rules_for(subject) if rule.id == rule_id)
        evaluation = rule.evaluate(subject, edition_of(subject))
        said = [f"{f.severity.value} {f.category.value} {f.line()}" for f in evaluation.findings]
        said += [f"no evidence{' (withheld)' if lack.withheld else ''}: {lack.reason} in {lack.file}" for lack in evaluation.lacking]
        yield from (f"{name} {rule_id} {number}: {PARSER.sub('', line.replace(GROUP, '…'))}" for line in said)


@pytest.mark.parametrize(("name", "rule_id"), CASES)
def test_the_rules_say_what_they_said(name, rule_id, tmp_path):
    kept = [line for line in SNAPSHOT.read_text(encoding="utf-8").splitlines() if line.startswith(f"{name} {rule_id} ")]
    assert list(lines(name, rule_id, tmp_path)) == kept


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        written = [line for name, rule_id in CASES for line in lines(name, rule_id, Path(scratch) / name / rule_id)]
    SNAPSHOT.parent.mkdir(exist_ok=True)
    SNAPSHOT.write_text("\n".join(written) + "\n", encoding="utf-8")
