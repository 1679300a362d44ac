"""What the rank program of training does before its epochs and after them, and what becomes of it in a leaf."""

import dataclasses
import hashlib
import json
import sys
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.dlio import cold_reads, observe
from pytest_mlpstorage.dlio.arguments import parse
from pytest_mlpstorage.dlio.cold_reads import ColdReads, checkpoint_files
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.page_cache import hosts
from pytest_mlpstorage.page_cache.drop import DROP_CACHES
from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache, PageCacheRecord
from pytest_mlpstorage.workloads.training import WORKLOAD
from pytest_mlpstorage.workloads.training_collect import page_cache_record
from pytest_mlpstorage.workloads.training_job import PAGE_CACHE_SHARE, _page_cache_options

HOST = HostPageCache("n1", "cachestat", "fadvise", 2, 2, 100, 60, 0, 0.1)


class Ranks:
    """A communicator of one host, as seen by one of its ranks; what others send is what this one sends."""

    def __init__(self, rank=0, size=1, others=()):
        self.rank, self.size, self.others, self.barriers, self.freed = rank, size, list(others), 0, 0

    def Split_type(self, _kind):
        return self

    def Free(self):
        self.freed += 1

    def barrier(self):
        self.barriers += 1

    def gather(self, value):
        return [value, *self.others] if self.rank == 0 else None

    def allgather(self, value):
        return [value, *(hashlib.sha256("\0".join(other).encode()).digest() for other in self.others)]


@pytest.fixture
def mpi(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=SimpleNamespace(COMM_TYPE_SHARED=1)))


@pytest.fixture
def dropped(monkeypatch, mpi):
    """Calls to drop on each host."""
    calls = []

    def on_each_host(_comm, files, *, drop, budget_seconds, whole_machine):
        calls.append((list(files), drop, budget_seconds, whole_machine))
        return [HOST]

    monkeypatch.setattr(cold_reads, "on_each_host", on_each_host)
    monkeypatch.setattr(cold_reads, "start_counters", lambda path: f"counters of {path}")
    monkeypatch.setattr(cold_reads, "counters_of_hosts", lambda _comm, start: [HostIoSince("n1", str(start), 200, 9.0)])
    return calls


def test_the_data_are_dropped_before_each_epoch_within_the_time_for_all_of_them(dropped):
    cold = ColdReads(Ranks(), ["/d/a", "/d/b"], drop=True, budget_seconds=3.0, epochs=3)
    for epoch in (1, 2, 3):
        cold.before_epoch(epoch)
    assert dropped == [(["/d/a", "/d/b"], True, 1.0, number == 0) for number in range(3)]
    record = cold.end()
    assert (record["phase"], record["drop"], record["resident_bytes_before"], record["device_read_bytes"]) == ("run", True, 60, 200)
    assert [later["before"] for later in record["later"]] == ["epoch 2", "epoch 3"]
    assert record["counters"][0]["source"] == "counters of /d/a"


def test_without_the_drop_it_is_measured_once(dropped):
    cold = ColdReads(Ranks(), ["/d/a"], drop=False, budget_seconds=3.0, epochs=3)
    for epoch in (1, 2, 3):
        cold.before_epoch(epoch)
    assert dropped == [(["/d/a"], False, 1.0, True)]
    assert cold.end()["later"] == []


def test_a_run_without_an_epoch_has_no_record(dropped):
    assert ColdReads(Ranks(), [], drop=True, budget_seconds=1.0, epochs=0).end() is None


def test_another_rank_takes_part_and_has_no_record(monkeypatch, dropped):
    started = []
    monkeypatch.setattr(cold_reads, "start_counters", started.append)
    monkeypatch.setattr(cold_reads, "on_each_host", lambda *_a, **_k: None)
    monkeypatch.setattr(cold_reads, "counters_of_hosts", lambda _comm, start: None if start is None else pytest.fail("started"))
    cold = ColdReads(Ranks(rank=1, size=2), ["/d/a"], drop=True, budget_seconds=1.0, epochs=2)
    cold.before_epoch(1)
    cold.before_epoch(2)
    assert cold.end() is None
    assert started == []


def test_the_drop_comes_before_dlio_starts_the_epoch():
    order = []
    counter = type(
        "StatsCounter",
        (),
        {
            "start_train": lambda _self, epoch: order.append(f"start {epoch}"),
            "batch_processed": lambda *_a: None,
            "end_train": lambda *_a: None,
        },
    )
    session = SimpleNamespace(rank=1, counters=None, cold=SimpleNamespace(before_epoch=lambda epoch: order.append(f"drop {epoch}")))
    observe.watch_training(session, counter)
    counter().start_train(1)
    counter().start_train(epoch=2)
    session.cold = None
    counter().start_train(3)
    assert order == ["drop 1", "start 1", "drop 2", "start 2", "start 3"]


# -- ranks of a host ----------------------------------------------------------------------------------------------------


def made(monkeypatch):
    calls = []
    monkeypatch.setattr(hosts, "make_cold", lambda files, **options: calls.append((list(files), options)) or HOST)
    return calls


def test_one_rank_of_a_host_drops_what_all_of_them_name(monkeypatch, mpi):
    calls = made(monkeypatch)
    ranks = Ranks(size=3, others=[["b", "c"], ["a"]])
    ranks.gather = lambda value: [value, *([["b", "c"], ["a"]] if isinstance(value, list) else [None, None])]
    assert hosts.on_each_host(ranks, ["a", "b"], drop=True, budget_seconds=2.0) == [HOST]
    assert calls == [(["a", "b", "c"], {"drop": True, "budget_seconds": 2.0, "drop_caches": DROP_CACHES})]
    assert (ranks.barriers, ranks.freed) == (1, 1)


def test_names_that_are_the_same_everywhere_are_not_sent_about(monkeypatch, mpi):
    calls = made(monkeypatch)
    ranks = Ranks(size=2, others=[["a", "b"]])
    ranks.gather = lambda value: pytest.fail("sent") if isinstance(value, list) else [value, None]
    assert hosts.on_each_host(ranks, ["a", "b"], drop=False, budget_seconds=2.0, whole_machine=False) == [HOST]
    assert calls == [(["a", "b"], {"drop": False, "budget_seconds": 2.0, "drop_caches": None})]


def test_the_other_ranks_of_a_host_wait_and_get_nothing(monkeypatch, mpi):
    calls = made(monkeypatch)
    ranks = Ranks(rank=1, size=2, others=[["a"]])
    assert hosts.on_each_host(ranks, ["a"], drop=True, budget_seconds=2.0) is None
    assert (calls, ranks.barriers) == ([], 1)


def test_counters_come_from_one_rank_of_each_host(monkeypatch):
    monkeypatch.setattr(hosts, "read_since", lambda start: f"since {start}")
    assert hosts.counters_of_hosts(Ranks(size=3, others=[None, "since h2"]), "h1") == ["since h1", "since h2"]
    assert hosts.counters_of_hosts(Ranks(rank=1), None) is None


def test_counters_are_read_when_the_last_rank_of_the_host_has_read_its_files(monkeypatch):
    ranks = Ranks()
    monkeypatch.setattr(hosts, "read_since", lambda _start: f"after {ranks.barriers} barrier")
    assert hosts.counters_of_hosts(ranks, "h1") == ["after 1 barrier"]


# -- from the configuration to the leaf -------------------------------------------------------------------------------


def test_the_rank_program_measures_only_where_it_is_told_how_long():
    assert parse(["workload=x"]).cache_budget_seconds is None
    found = parse(["--mlps-cache-budget=0.5", "workload=x"])
    assert (found.cache_budget_seconds, found.drop_caches, found.hydra) == (0.5, True, ("workload=x",))
    assert parse(["--mlps-cache-budget=0", "--mlps-keep-caches"]).drop_caches is False


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(ConfigurationError, match="--mlps-cache-budget"):
        parse([f"--mlps-cache-budget={text}"])


@pytest.mark.parametrize(
    ("phase", "drops", "options"),
    [
        ("run", True, ["--mlps-cache-budget=1.235"]),
        ("run", False, ["--mlps-cache-budget=1.235", "--mlps-keep-caches"]),
        ("datagen", True, []),
    ],
)
def test_a_run_may_spend_a_hundredth_of_its_expected_time_on_it(phase, drops, options):
    plan = SimpleNamespace(expected_seconds=lambda _step: 123.456, drops_caches=drops)
    assert _page_cache_options(plan, SimpleNamespace(phase=phase)) == options
    assert PAGE_CACHE_SHARE == 0.01


@pytest.mark.parametrize(("line", "drops"), [("", True), ("  drop_caches: false\n", False), ("  drop_caches: true\n", True)])
def test_dropping_is_switched_off_by_a_key(tmp_path, line, drops):
    path = tmp_path / "suite.yaml"
    path.write_text(
        f"division: closed\nsubmitter: acme\nsystem: box\ntraining:\n{line}  workloads:\n    - {{model: unet3d, accelerator: b200, accelerators: 8}}\n"
    )
    config = load_config(path, families=[WORKLOAD.schema()], options={}, assignments=(), environ={}, invocation_dir=tmp_path)
    assert config.families["training"].own.drop_caches is drops


def test_a_leaf_gets_what_rank_0_noted_beside_the_bytes_asked_for_and_read(tmp_path):
    noted = PageCacheRecord("run", True, (HOST,), (HostIoSince("n1", "diskstats sda", 200, 9.0),))
    (tmp_path / "0_page_cache.json").write_text(json.dumps(noted.to_json()))
    io = [{"total": {"read_bytes": 90, "rchar": 101}}, {"total": {"read_bytes": 95, "rchar": 102}}]
    found = page_cache_record(tmp_path, io, asked_bytes=200)
    assert found == dataclasses.replace(noted, asked_bytes=200, rank_read_bytes=185, rank_asked_bytes=203)


def test_a_run_that_noted_nothing_gets_no_record(tmp_path):
    assert page_cache_record(tmp_path, [], asked_bytes=1) is None


def test_the_files_of_the_checkpoints_that_are_read_are_those_that_are_there(tmp_path):
    for name in ("global_epoch1_step1/b.pt", "global_epoch1_step1/a.pt", "global_epoch1_step2/a.pt", "global_epoch1_step3/a.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "global_epoch1_step1/folder").mkdir()
    wanted = [f"{tmp_path}/{name}" for name in ("global_epoch1_step1/a.pt", "global_epoch1_step1/b.pt", "global_epoch1_step2/a.pt")]
    assert checkpoint_files(tmp_path, 2) == wanted
    assert checkpoint_files(tmp_path / "nowhere", 2) == []
