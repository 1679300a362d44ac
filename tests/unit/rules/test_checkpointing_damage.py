"""Rules on checkpointing over files in which any one value was replaced by another: never a crash."""

import json
import math

import pytest
from checkpointing_tree import SPLIT, CheckpointingTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.rules import rules_for

NASTY = [
    None,
    True,
    "",
    " ",
    "x",
    -1,
    0,
    0.5,
    1e308,
    -(10**300),
    10**300,
    math.nan,
    math.inf,
    [],
    [[]],
    [None],
    {},
    {"a": [1]},
    "8" * 500,
    "\x1b[31m<b>",
]


@pytest.mark.parametrize("division", ["closed", "open"])
@pytest.mark.parametrize("invocations", [((10, 10),), SPLIT], ids=["combined", "split"])
def test_no_value_in_any_place_brings_a_rule_down(tmp_path, division, invocations):
    tree = CheckpointingTree.write(tmp_path / "tree", division=division, invocations=invocations)
    asked = 0
    for file in ("summary.json", f"checkpointing_{tree.runs[0].name}_metadata.json", "0_per_epoch_stats.json", "fs_separation.json"):
        path = tree.runs[0] / file
        whole = path.read_text()
        for place in _places(json.loads(whole)):
            for value in NASTY[asked % 5 :: 5]:
                content = json.loads(whole)
                _put(content, place, value)
                path.write_text(json.dumps(content))
                subject = tree.read()
                for rule in rules_for(subject):
                    if rule.subject is CheckpointingResult:
                        rule.evaluate(subject, edition("3.0"))
            asked += 1
        path.write_text(whole)
    assert asked > 100


def _places(content, prefix=()):
    for key in content:
        yield (*prefix, key)
        if isinstance(content[key], dict) and not str(key).endswith(tuple("3456789")):
            yield from _places(content[key], (*prefix, key))


def _put(content, place, value):
    for key in place[:-1]:
        content = content[key]
    content[place[-1]] = value
