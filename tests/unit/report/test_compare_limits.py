"""``--mlps-fail-if``: what can be written, what is refused with what words, and what breaks a limit."""

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.report.compare import Change, Comparison
from pytest_mlpstorage.report.compare_limits import Limit, hold, limit_findings, read_limits
from pytest_mlpstorage.rules.repeats import Figure
from pytest_mlpstorage.verdict import Category, Severity

AU = Change("train_mean_of_au_percentage", "train_au", "train_au", "%", "higher", Figure(100.0), Figure(98.0))
LATENCY = Change("mean of p99_latency_ms", "vdb_latency_p99", "vdb_latency_p99", "ms", "lower", Figure(10.0), Figure(15.0))


def kv(part, before, now):
    name = f"KVCache {part} - Read B/W (GiB/s)"
    return Change(name, f"kv_read_bandwidth {part}", "kv_read_bandwidth", "GiB/s", "higher", Figure(before), Figure(now))


def broken(text, *changes, kind="training", **fields):
    return hold(Comparison("here", earlier="there", changes=changes, **fields), read_limits([text]), kind).broken


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("train_au<-2%", Limit("train_au<-2%", "train_au", True, -2.0, "%")),
        (" train_au < -2 % ", Limit("train_au < -2 %", "train_au", True, -2.0, "%")),
        ("vdb_latency_p99>+5ms", Limit("vdb_latency_p99>+5ms", "vdb_latency_p99", False, 5.0, "ms")),
        ("Read B/W (GiB/s)<-0.5GiB/s", Limit("Read B/W (GiB/s)<-0.5GiB/s", "Read B/W (GiB/s)", True, -0.5, "GiB/s")),
    ],
)
def test_a_limit_is_a_metric_a_relation_and_a_difference_with_its_unit(text, limit):
    assert read_limits([text]) == (limit,)


def test_several_limits_stand_in_several_options_or_in_one():
    assert [limit.name for limit in read_limits(["train_au<-2%,vdb_recall<-1pp", "kv_throughput<-5%"])] == [
        "train_au",
        "vdb_recall",
        "kv_throughput",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train_au", "allowed a metric, < or >, and a difference with its unit"),
        ("", "allowed a metric"),
        ("train_au<-2%,", "allowed a metric"),
        ("train_au<=-2%", "allowed a metric"),
        ("train_au<much", "allowed a metric"),
        ("<-2%", "allowed a metric"),
        ("train_ua<-2%", "did you mean 'train_au'?"),
        ("au_train_x<-2%", "allowed train_au, train_throughput,"),
        ("train_au<-2", "a unit is missing; allowed of train_au: %, pp"),
        ("train_au<-2ms", "unknown unit 'ms'; allowed of train_au: %, pp"),
        ("vdb_latency_p99>5", "allowed of vdb_latency_p99: %, s, ms, us"),
        (f"train_au<-{'9' * 400}%", "beyond all measure"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_is_allowed(text, words):
    with pytest.raises(ConfigurationError) as failure:
        read_limits([text])
    assert words in str(failure.value)
    assert "--mlps-fail-if=" in str(failure.value)


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("train_au<-2%", False),  # it fell by exactly 2 %
        ("train_au<-1.99%", True),
        ("train_au>-2.01%", True),
        ("train_au>0%", False),
        ("train_au<-1.9pp", True),
        ("train_au<-2pp", False),
        ("train_mean_of_au_percentage<-1%", True),
    ],
)
def test_a_limit_is_broken_beyond_it_and_kept_at_it(text, fails):
    assert bool(broken(text, AU)) is fails


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("vdb_latency_p99>+4.9ms", True),
        ("vdb_latency_p99>+5ms", False),
        ("vdb_latency_p99>+4999us", True),
        ("vdb_latency_p99>+0.005s", False),
    ],
)
def test_an_amount_is_in_any_unit_of_its_kind(text, fails):
    assert bool(broken(text, LATENCY, kind="vector_database")) is fails


def test_a_short_name_speaks_of_all_options_and_an_official_one_of_one():
    changes = (kv("llama3.1-8b Storage Only", 4.0, 4.0), kv("llama3.1-70b Storage Only", 4.0, 3.0))
    assert "llama3.1-70b" in broken("kv_read_bandwidth<-5%", *changes, kind="kv_cache")["kv_read_bandwidth<-5%"]
    for name in ("KVCache llama3.1-8b Storage Only - Read B/W (GiB/s)", "kv_read_bandwidth llama3.1-8b Storage Only"):
        assert not broken(f"{name}<-5%", *changes, kind="kv_cache")
    assert broken("kv_read_bandwidth llama3.1-70b Storage Only<-0.5GiB/s", *changes, kind="kv_cache")


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [(None, Figure(1.0), "no value before"), (Figure(1.0), None, "no value now"), (Figure(0.0), Figure(1.0), "0 before")],
)
def test_what_cannot_be_compared_breaks_a_limit_and_says_why(before, now, why):
    assert why in broken("train_au<-2%", Change(AU.name, AU.label, AU.short, AU.unit, AU.better, before, now))["train_au<-2%"]


def test_a_limit_on_what_a_result_of_its_kind_does_not_have_is_broken():
    assert "neither this result nor the earlier one has train_au" in broken("train_au<-2%", LATENCY)["train_au<-2%"]


def test_without_an_earlier_result_each_limit_of_the_kind_is_broken_and_no_other():
    compared = hold(Comparison("here", missing="nothing there"), read_limits(["train_au<-2%", "vdb_recall<-1pp"]), "training")
    assert dict(compared.broken) == {"train_au<-2%": "there is no earlier result to hold it against: nothing there"}
    assert compared.kept == ()


def test_a_kept_limit_is_remembered_as_held():
    compared = hold(Comparison("here", earlier="there", changes=(AU,)), read_limits(["train_au<-20%"]), "training")
    assert (dict(compared.broken), compared.kept) == ({}, ("train_au<-20%",))


def test_a_broken_limit_fails_an_item_and_costs_no_verdict():
    (finding,) = limit_findings(Comparison("here", earlier="there", broken={"train_au<-2%": "it fell"}))
    assert (finding.severity, finding.category) == (Severity.ERROR, Category.CLOSED)
    assert not finding.costs_the_verdict
    assert finding.line() == "[--mlps-fail-if] it fell; compared with there; required not train_au<-2%"
