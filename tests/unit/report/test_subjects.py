"""What an item of ``rules/`` hands over of the result that it was asked about, besides what it found."""

import sys
from pathlib import Path

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.report.records import facts
from pytest_mlpstorage.report.subjects import record_subject

sys.path.append(str(Path(__file__).parents[1] / "kvcache"))
from kv_cache_tree import KVCacheTree
from kv_leaf import OurTree


def test_an_item_of_rules_hands_over_the_pictures_of_a_result_of_ours_alone(tmp_path):
    ours, theirs = [], []
    record_subject(ours, OurTree.write(tmp_path / "ours").read(), edition("3.0"))
    record_subject(theirs, KVCacheTree.write(tmp_path / "theirs").read(), edition("3.0"))
    assert [len(picture.panels) for picture in facts(ours).pictures] == [3, 3, 3]
    assert [name for name, _ in theirs] == ["mlps_subject"]
