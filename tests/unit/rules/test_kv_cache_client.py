"""What is said of a client that set the figures, by what it was: only its processors or its checks make it the limit of the rate."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.kv_cache_evidence import RankEvidence
from pytest_mlpstorage.rules.kv_cache_client import client_sentences
from pytest_mlpstorage.rules.kv_cache_pictures import kv_cache_pictures

sys.path.append(str(Path(__file__).parents[1] / "kvcache"))
from kv_leaf import OurTree

CALM = {"cpu_share": 0.85, "content_share": 0.25, "percentiles_are_client_side": False}
LIMIT = "The client limited the rate, and storage may give a higher one"
LATENCIES = "Latency percentiles are the client's as much as the storage's"


def rank(**client):
    raw = {"notes": [], "client": {**CALM, **client}}
    return RankEvidence.from_json(raw, (1, 0, 0))


@pytest.mark.parametrize(
    ("changes", "words", "never"),
    [
        ([{"cpu_share": 0.8501}, {"cpu_share": 0.97}], f"{LIMIT}: up to 97.0 % of its cores were used, over 85 % in 2 of 3 records", LATENCIES),
        ([{"content_share": 0.31}], "up to 31.0 % of the time objects were under way went to stamps and checks, over 25 % in 1 of 2 records", LATENCIES),
        ([{"percentiles_are_client_side": True}], f"{LATENCIES}, and storage may give a higher rate", LIMIT),
    ],
)  # fmt: skip
def test_each_reason_has_its_sentence_and_only_two_make_the_client_the_limit(changes, words, never):
    told = " ".join(client_sentences([rank(), *(rank(**change) for change in changes)], native=True))
    assert words in told
    assert never not in told


def test_several_reasons_are_all_told():
    told = list(client_sentences([rank(cpu_share=0.9, content_share=0.3, percentiles_are_client_side=True)], native=True))
    assert len(told) == 2
    assert "90.0 % of its cores were used, over 85 % in 1 of 1 records, and up to 30.0 % of the time" in told[0]
    assert told[1].startswith(LATENCIES)


@pytest.mark.parametrize("client", [None, [], {"cpu_share": "high"}, CALM])
def test_without_a_reason_that_is_recorded_nothing_is_claimed(client):
    evidence = [RankEvidence.from_json({"notes": [], "client": client}, (1, 0, 0)), RankEvidence.from_json(None, (1, 0, 1))]
    (told,) = client_sentences(evidence, native=True)
    assert told == "The client, and not the storage, may have set these figures: client_bound is recorded, and no reason that can be read."


def test_of_the_official_program_only_processor_time_is_ever_judged():
    (told,) = client_sentences([], native=False)
    assert told == f"{LIMIT}: it used more than 85 % of its cores."


def test_the_picture_of_an_option_tells_the_reasons_of_its_own_clients(tmp_path):
    tree = OurTree.write(tmp_path, division="open")
    tree.edit_summary(lambda summary: [option["mlps"].update(client_bound=True) for option in summary["options"].values()])
    (leaf,) = tree.read().runs
    for option, client in ((1, {"percentiles_are_client_side": True}), (2, {"cpu_share": 0.9})):
        folder = leaf.path / f"option_{option}/trial_0/rank_0"
        (folder / "evidence.json").write_text(json.dumps({"notes": [], "client": {**CALM, **client}}))
    first, second, third = (" ".join(picture.says) for picture in kv_cache_pictures(tree.read(), edition("3.0")))
    assert LATENCIES in first
    assert LIMIT not in first
    assert LIMIT in second
    assert "no reason that can be read" in third
