"""What the rules on checkpointing, cold reads and what measured tell of a demand that is met: the figures of the very tree."""

import dataclasses
import json

import pytest
from asking import ask
from checkpointing_tree import GAP_SECONDS, HOST_GIB, SPLIT, CheckpointingTree
from training_tree import TrainingTree

from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache, PageCacheRecord, write_page_cache


@pytest.fixture
def one(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree")


@pytest.fixture
def two(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree", invocations=SPLIT)


def test_the_size_of_a_checkpoint_is_told_against_the_memory_and_the_accelerators(one):
    one.metric(checkpoint_size_GB=4 * HOST_GIB)
    subject = one.read()
    assert ask(subject, "4.3.1").met == ("4 × the memory (96.0 of 24.0 GiB)", "a checkpoint of at least 3 × the memory")
    assert ask(subject, "4.3.4").met == ("96.0", "at most 1440 (8 × 180 GB), as the summary has the size")


@pytest.mark.parametrize("gap", [12, 30])
def test_the_time_between_writing_and_reading_is_told_beside_its_limit(two, gap):
    two.move(gap - GAP_SECONDS, run=1)
    measured, required = ask(two.read(), "4.7.1").met
    assert measured == f"10 written then 10 read; {gap + 12} s; {gap} s"
    assert required.startswith("10 written + 10 read or 10 written then 10 read; at least 0 s ")
    assert required.endswith("; at most 30 s between writing and reading")
    assert ask(two.read(), "2.1.24").met == (f"{gap} s", "idle less than 240 s, as the longer run took")


def test_an_idle_time_by_the_clocks_of_summaries_is_told_as_a_bound(two):
    two.forget_clock()
    assert ask(two.read(), "2.1.24").met == ("at most 22 s", "idle less than 228 s, as the longer run took")


def test_a_demand_that_a_result_gives_no_cause_for_is_told_as_not_asked(one):
    one.metadata(accelerator=None)
    subject = one.read()
    assert ask(subject, "4.7.2").met == ask(subject, "4.7.3").met == ("no pair of a writing and a reading run", "asked of such a pair")
    assert ask(subject, "2.1.24").met == ("1 run", "asked between two runs")
    assert ask(subject, "RC-CKP-4").met == ("no accelerator of known memory named", "asked of b200, mi355, h100, a100")
    assert ask(subject, "4.3.5").met[0] == "no subset form"


def test_a_phase_that_gave_a_finding_tells_nothing_of_being_met(two):
    two.move(21, run=1)
    assert ask(two.read(), "4.7.1").met[1].endswith("by the summaries")
    two.parameter("checkpoint.fsync", False)
    assert ask(two.read(), "4.3.2").met == ("", "")


def test_several_runs_are_told_as_a_range_and_open_says_what_is_free(tmp_path):
    tree = CheckpointingTree.write(tmp_path / "tree", division="open", model="llama3-70b", processes=16, invocations=SPLIT)
    tree.args(run=1, num_processes=24)
    subject = tree.read()
    assert ask(subject, "4.6.4").met == ("16 to 24 ranks", "open division: a multiple of 8 ranks for llama3-70b")
    assert ask(subject, "RC-CKP-4").met == ("2880 to 4320 GB", "at least 912 GB, a checkpoint of llama3-70b")
    assert ask(subject, "4.7.1").met[1].startswith("open division: any runs; ")


def test_the_parameters_that_are_recorded_are_counted(one):
    assert ask(one.read(), "4.6.3").met == (
        "21 of 21 parameters recorded, none differs",
        "the workload of llama3-8b, checkpoints may be 0",
    )
    one.edit_metadata(lambda m: [m["parameters"]["checkpoint"].pop("time_between_checkpoints"), m["parameters"]["model"].pop("num_layers")])
    assert ask(one.read(), "4.6.3").met[0] == "19 of 21 parameters recorded, none differs"


def test_the_bandwidths_that_the_files_bear_out_are_told(one):
    rank_0 = "means of rank 0's checkpoints"
    measured, required = ask(one.read(), "MLPS-METRIC-2").met
    assert measured.startswith("104.705 GiB; 10 of 10 written, 10 of 10 read; wrote 14.864 GiB/s in 7.0625 s, read ")
    assert required == f"104.705 GiB, this model on 8 ranks; all that rank 0 was asked for; {rank_0}"
    one.stats(lambda epoch: [epoch.pop(f"save_ckpt{number}") for number in range(2, 11)])
    one.args(num_checkpoints_write=1)
    one.metric(save_checkpoint_io_mean_GB_per_second=None, save_checkpoint_duration_mean_seconds=6.5)
    assert ask(one.read(), "MLPS-METRIC-2").met[0].startswith("104.705 GiB; 1 of 1 written, 10 of 10 read; wrote 6.5 s, read ")


def test_the_figures_of_a_result_are_told_by_phase_and_a_phase_that_nobody_was_asked_for_is_not(one):
    written, read = "bandwidth and duration of writing, above 0", "bandwidth and duration of reading, above 0"
    one.metric(save_checkpoint_io_mean_GB_per_second=20.5)
    assert ask(one.read(), "4.3.6").met == ("20.5 GiB/s in 7.0625 s; 12.25 GiB/s in 8.5625 s", f"{written}; {read}")
    one.args(num_checkpoints_write=0)
    assert ask(one.read(), "4.3.6").met == ("12.25 GiB/s in 8.5625 s", read)
    one.args(num_checkpoints_read=0)
    assert ask(one.read(), "4.3.6").met == ("no phase with both figures", "asked of runs that wrote or read")


def test_utilization_and_throughput_of_training_are_those_of_the_summaries(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree")
    means = [json.loads((run / "summary.json").read_text())["metric"]["train_au_mean_percentage"] for run in tree.runs]
    measured, required = ask(tree.read(), "MLPS-METRIC-1").met
    assert measured.startswith(f"{means[0]:.5g} %; ")
    assert measured.endswith(" samples/s")
    assert required == "utilization that the ranks' files give; throughput that the ranks' files give"


def test_cold_reads_are_told_over_all_runs_by_the_warmest_host(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree")
    host = HostPageCache("n1", "cachestat", "fadvise", 9, 9, 1_000_000, 0, 0, 0.5)
    for number, run in enumerate(tree.runs):
        hosts = (host, dataclasses.replace(host, host="n2", resident_bytes_after=1000 * number))
        counters = (HostIoSince("n1", "diskstats sda", 9_000_000 + 100_000 * number, 60.0),)
        write_page_cache(run, PageCacheRecord("run", True, hosts, counters, asked_bytes=10_000_000, rank_read_bytes=0))
    assert ask(tree.read(), "MLPS-COLD-1").met == (
        "0.00 to 0.50 %; 90.0 to 95.0 %",
        "at most 1 % of a host's sample in memory; at least 80 % of the bytes from storage",
    )


def test_what_measured_is_told_by_version_and_commit_and_as_unknown_where_nothing_says_it(one):
    measured, required = ask(one.read(), "MLPS-ENGINE-1").met
    assert measured.startswith("DLIO 3.0.2 (")
    assert measured.endswith("; builtin reader")
    assert required.startswith("one of 10 accepted revisions (3.0.2, 3.0.4); ")
    assert ask(one.read(), "MLPS-NAME-1").met == ("submitter acme, system fastfs", "names, no placeholders")
    one.edit_metadata(lambda m: m.pop("mlps"))
    assert ask(one.read(), "MLPS-ENGINE-1").met == ("no record of what measured", "asked of runs that have one")
