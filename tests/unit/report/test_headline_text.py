"""The figures of a result as people read them: one table of metrics, a unit beside each value, and no rounding across a limit."""

import json
import re
from pathlib import Path

import pytest
from whole_tree import write_package

from pytest_mlpstorage.report.figures import figures_of
from pytest_mlpstorage.report.headline_text import Limit, Spread, told_headlines, told_metric, told_others, wide
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules.catalogue import catalogue, catalogue_editions
from pytest_mlpstorage.rules.headlines import HEADLINES, METRICS, headline_of, metric_of
from pytest_mlpstorage.rules.judging import edition_of
from pytest_mlpstorage.rules.metrics import metrics_of

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"
AU = "train_mean_of_au_percentage"
OTHER_SOURCES = {"this suite", "the results table", "edition 1.0", "editions 1.0 and 2.0"}


@pytest.mark.parametrize("entry", METRICS, ids=lambda entry: entry.pattern)
def test_each_metric_is_told_in_full_and_once(entry):
    assert entry.label
    assert not entry.label.endswith(".")
    assert re.fullmatch(r"[A-Z][^.]*(?:\d\.\d[^.]*)*\.", entry.definition), "one sentence"
    assert entry.formula
    rules = {rule.id for edition in catalogue_editions() for rule in catalogue(edition)}
    assert entry.source in rules | OTHER_SOURCES
    same = [other for other in METRICS if (other.kind, other.label, other.unit) == (entry.kind, entry.label, entry.unit)]
    assert same == [entry]


def test_only_headlines_have_a_name_to_type():
    assert [entry for entry in METRICS if entry.short] == list(HEADLINES)


def test_each_metric_of_the_published_rounds_and_of_our_own_trees_stands_in_the_table(tmp_path):
    names = set()
    for path in SNAPSHOTS.glob("v*.json"):
        for profile in json.loads(path.read_text()).values():
            names |= {name for result in profile["results"].values() for name in result["metrics"]}
    write_package(tmp_path)
    for result in read_tree(tmp_path).results:
        names |= metrics_of(result, edition_of(result)).keys()
    assert len(names) > 20
    assert [name for name in sorted(names) if metric_of(name) is None] == []


def test_a_headline_has_its_label_its_unit_its_limit_and_its_spread():
    metrics = {"Read B/W (GiB/s)": 0.29412, AU: 97.122, "VDB - # Client Nodes": 1.0}
    told = told_headlines(metrics, limits={AU: Limit(90, "3.3.2")}, spreads={AU: Spread(96.84, 97.41, 5)})
    assert told == [("AU", "97.1 % (at least 90 %), 5 runs 96.8 to 97.4"), ("read bandwidth", "0.294 GiB/s")]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (AU, 97.05, ("AU", "97.0 %")),
        ("mean of recall", 1.0, ("recall", "1.000")),
        ("mean of throughput_qps", 57620.4, ("search throughput", "57,620 queries/s")),
        ("mean of p99_latency_ms", 4.9941, ("P99 search latency", "4.99 ms")),
        ("VDB - # Client Nodes", 1.0, ("client hosts", "1")),
        ("VDB - Vector Count", 20_000_000.0, ("vectors", "20,000,000")),
        ("Checkpointing - Checkpoint Mode", "Full", ("mode", "Full")),
        (
            "KVCache llama3.1-8b Storage + Mem - Read B/W (GiB/s)",
            4.6,
            ("read bandwidth by the official formula, llama3.1-8b Storage + Mem", "4.6 GiB/s"),
        ),
        ("option 2 write_gib_per_second", 0.513, ("write bandwidth in the window, option 2", "0.513 GiB/s")),
        ("Read B/W (MiB/s) on h100", 1234.5, ("read bandwidth, h100", "1,234 MiB/s")),
        ("somebody's own (m/s)", 1.5, ("somebody's own (m/s)", "1.500")),
        ("somebody's own", "text", ("somebody's own", "text")),
        (AU, None, ("AU", "")),
        (AU, float("nan"), ("AU", "nan")),
        (AU, 10**400, ("AU", f"10{',000' * 49},0… (534 characters)")),
        (AU, True, ("AU", "True")),
    ],
)
def test_a_value_is_told_with_its_unit(name, value, told):
    assert told_metric(name, value) == told


@pytest.mark.parametrize(
    ("value", "limit", "told"),
    [
        (89.96, 90, "89.96 % (at least 90 %)"),
        (89.99999, 90, "89.99999 % (at least 90 %)"),
        (90.0, 90, "90.0 % (at least 90 %)"),
        (90.01, 90, "90.01 % (at least 90 %)"),
        (95.0, 90, "95.0 % (at least 90 %)"),
        (89.9999999999, 90, "89.9999999999 % (at least 90 %)"),
    ],
)
def test_a_value_is_not_rounded_to_the_other_side_of_its_limit(value, limit, told):
    assert told_metric(AU, value, Limit(limit, "3.3.2"))[1] == told


def test_a_limit_says_whether_it_is_the_least_or_the_most():
    assert told_metric("mean of recall", 0.95, Limit(0.9, "MLPS-VDB-01"))[1] == "0.950 (at least 0.9)"
    assert told_metric("mean of p99_latency_ms", 5.0, Limit(7, "x", least=False))[1] == "5 ms (at most 7 ms)"


def test_a_spread_is_told_of_two_values_and_more():
    metrics = {"mean of recall": 1.0}
    assert told_headlines(metrics, spreads={"mean of recall": Spread(1, 1, 1)}) == [("recall", "1.000")]
    assert told_headlines(metrics, spreads={"mean of recall": Spread(1, 1, 2)}) == [("recall", "1.000, 2 runs alike")]
    assert told_headlines(metrics, spreads={"mean of recall": Spread(0.9, 1, 3, "trials")}) == [
        ("recall", "1.000, 3 trials 0.900 to 1.000")
    ]


def test_the_others_follow_the_order_of_the_table_and_what_is_in_none_comes_last():
    metrics = {"mine": 1, "VDB - Vector Count": 2.0, AU: 3.0, "VDB - # Client Nodes": 4.0}
    assert [label for label, _ in told_others(metrics)] == ["client hosts", "vectors", "mine"]


def test_what_is_no_headline_is_in_the_table_all_the_same():
    assert headline_of("VDB - Vector Count") is None
    assert metric_of("VDB - Vector Count")[0].label == "vectors"


def test_a_hostile_name_is_told_without_acting_on_a_terminal():
    assert told_metric("\x1b[2Jx", 1.0) == ("\\x1b[2Jx", "1.000")
    assert told_metric("KVCache \x1b[2J - Read B/W (GiB/s)", 1.0)[0] == "read bandwidth by the official formula, \\x1b[2J"


@pytest.mark.parametrize(
    ("value", "spread", "is_wide"),
    [
        (335.0, Spread(98.8, 571.0, 2), True),
        (100.0, Spread(95.0, 105.0, 5), False),
        (100.0, Spread(94.0, 105.0, 5), True),
        (0.0, Spread(0.0, 0.0, 2), False),
        (100.0, None, False),
        ("fast", Spread(94.0, 205.0, 5), False),
        (10**400, Spread(94.0, 205.0, 5), False),
    ],
)
def test_a_spread_is_wide_beyond_a_tenth_of_its_figure(value, spread, is_wide):
    assert wide(value, spread) is (spread if is_wide else None)


def test_a_wide_spread_stands_beside_its_headline_with_the_limit():
    written = {"benchmark_type": "training", "edition": "3.0", "model": "unet3d", "metrics": {AU: 70.0}}
    limits = {AU: Limit(90.0, "3.3.2")}
    assert figures_of(written, limits=limits, spreads={AU: Spread(50.0, 90.0, 5)}) == ["AU 70.0 % (at least 90 %; 5 runs 50.0 to 90.0)"]
    assert figures_of(written, spreads={AU: Spread(50.0, 90.0, 5)}) == ["AU 70.0 % (5 runs 50.0 to 90.0)"]
    assert figures_of(written, limits=limits, spreads={AU: Spread(69.0, 71.0, 5)}) == ["AU 70.0 % (at least 90 %)"]
