"""What an item of ``rules/`` hands over of the result that it was asked about, besides what it found."""

import sys
from pathlib import Path

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.report.records import facts
from pytest_mlpstorage.report.subjects import record_subject

sys.path.append(str(Path(__file__).parents[1] / "kvcache"))
from kv_cache_tree import KVCacheTree
from kv_leaf import OurTree
from training_tree import TrainingTree


def test_an_item_of_rules_hands_over_the_pictures_of_a_result_whoever_measured_it(tmp_path):
    ours, theirs = [], []
    record_subject(ours, OurTree.write(tmp_path / "ours").read(), edition("3.0"))
    record_subject(theirs, KVCacheTree.write(tmp_path / "theirs").read(), edition("3.0"))
    assert [picture.title.partition(":")[0] for picture in facts(ours).pictures if picture.distributions] == [
        "option 1",
        "option 2",
        "option 3",
    ]
    assert [picture.title.partition(":")[0] for picture in facts(theirs).pictures] == [
        "Options beside each other",
        "option 1",
        "option 2",
        "option 3",
    ]


def test_without_a_page_only_what_the_terminal_shows_is_made(tmp_path):
    ours, training = [], []
    record_subject(ours, OurTree.write(tmp_path / "ours").read(), edition("3.0"), page=False)
    record_subject(training, TrainingTree.write(tmp_path / "training").read(), edition("3.0"), page=False)
    assert [picture.folded for picture in facts(ours).pictures] == [False, False, False]
    assert facts(training).pictures == ()
    record_subject(training, TrainingTree.write(tmp_path / "again").read(), edition("3.0"))
    assert facts(training).pictures != ()
