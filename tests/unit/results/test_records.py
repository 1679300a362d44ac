"""Records from real files and from damaged ones."""

import datetime as dt
import json
from pathlib import Path

import pytest

from pytest_mlpstorage.results.records import EpochStats, LeafMetadata, RankOutput, Span, Summary, SystemInfo, TrainingMetric

EXAMPLES = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "examples"


def example(name):
    path = EXAMPLES / name
    if not path.exists():
        pytest.skip(f"the published example {name} is not beside this checkout")
    return json.loads(path.read_text())


def test_a_real_v3_summary_is_read_whole():
    summary = Summary.from_json(example("v3.0_training_summary.json"), "run/summary.json")
    assert summary.problems == ()
    assert summary.start == dt.datetime(2026, 7, 13, 9, 8, 29, 751471)
    assert summary.duration_seconds == pytest.approx(16947.130506)
    assert (summary.num_accelerators, summary.num_hosts, summary.num_files_train, summary.epochs) == (20, 1, 17023000, 8)
    assert summary.total_host_memory_gib == 1007.4939575195312
    assert summary.metric.au_mean_percent == 85.63544788971974
    assert summary.metric.au_meets_expectation == "success"
    assert summary.metric.io_mean_mib_per_second == 2656.6756710801546
    assert summary.raw["host_meminfo"]["MemTotal"] == "1056433984 kB"


@pytest.mark.parametrize("name", ["v1.0_training_summary.json", "v2.0_training_summary.json", "v2.0_checkpointing_summary.json"])
def test_real_summaries_of_every_round_are_read_without_a_problem(name):
    assert Summary.from_json(example(name)).problems == ()


def test_a_missing_metric_is_none_and_never_zero():
    summary = Summary.from_json({})
    assert summary == Summary()
    assert summary.metric == TrainingMetric()
    assert summary.metric.au_mean_percent is None
    assert summary.total_host_memory_gib is None
    assert summary.duration_seconds is None


def test_a_metric_that_is_no_number_is_none_and_a_problem():
    summary = Summary.from_json({"metric": {"train_au_mean_percentage": float("nan"), "train_au_percentage": [90.0, float("inf")]}})
    assert summary.metric.au_mean_percent is None
    assert summary.metric.au_percent is None
    assert [p.split(" is ")[0] for p in summary.problems] == ["metric.train_au_percentage", "metric.train_au_mean_percentage"]


def test_a_metric_that_is_no_object_is_a_problem():
    assert Summary.from_json({"metric": [1]}).problems == ("metric is '[1]', not an object",)


def test_only_the_sum_of_host_memory_counts_and_a_single_number_is_accepted():
    assert Summary.from_json({"host_memory_GB": [3991.06, 0, 0]}).total_host_memory_gib == 3991.06
    assert Summary.from_json({"host_memory_GB": "512.5"}).total_host_memory_gib == 512.5


def test_start_time_is_preferred_to_start():
    summary = Summary.from_json({"start": "2026-01-01T00:00:00", "start_time": "2026-01-01T00:00:01", "end_time": "2026-01-01T00:00:03"})
    assert summary.duration_seconds == 2.0


def test_real_v3_metadata_is_read_whole_with_its_values_as_text():
    metadata = LeafMetadata.from_json(example("v3.0_training_metadata.json"), "m.json")
    assert metadata.problems == ()
    assert (metadata.model, metadata.command, metadata.accelerator, metadata.num_processes) == ("retinanet", "run", "b200", 20)
    assert metadata.parameters["dataset"]["num_files_train"] == "17023000"
    assert metadata.parameter("dataset.num_files_train") == 17023000
    assert metadata.parameter("dataset.skip_listing") is True
    assert metadata.parameter("metric.au") == 0.85
    assert metadata.parameter("dataset.absent") is metadata.parameter("framework.absent") is None
    assert metadata.parameter_number("reader.batch_size") == 24.0
    assert metadata.parameter_number("framework") is None
    assert metadata.flat_parameters["reader.read_threads"] == "15"
    assert metadata.data_dir == "/mnt/mlp/retinanet_data"
    assert metadata.system == SystemInfo(1081788399616, 88, 1, (1081788399616,), ("ubuntu",), "mpi")
    assert metadata.invocation_start_time == dt.datetime(2026, 7, 13, 9, 8, 22, 419867)
    assert metadata.invocation_end_time is None
    assert metadata.verification == "CLOSED"
    assert len(metadata.command_output_files) == 1
    assert metadata.raw["timeseries_data"]["num_samples"] == 1695


def test_real_v2_metadata_is_read_through_its_older_names():
    metadata = LeafMetadata.from_json(example("v2.0_training_metadata.json"))
    assert metadata.problems == ()
    assert (metadata.benchmark_type, metadata.model, metadata.command, metadata.accelerator) == ("training", "unet3d", "run", "a100")
    assert metadata.num_processes == 8
    assert metadata.parameter("dataset.num_files_train") == 192
    assert metadata.override_parameters == {"dataset.num_files_train": "192", "dataset.data_folder": "/mnt/nvme/test_data/unet3d"}
    assert metadata.result_dir == "/root/mlpstorage_test_results/training/unet3d/run/20250619_184556"
    # The text form of a Python object is no evidence about the hosts.
    assert metadata.system_info is None
    assert metadata.system is None


def test_the_newer_name_of_the_hosts_is_read_too():
    assert LeafMetadata.from_json({"cluster_information": {"num_hosts": "2"}}).system == SystemInfo(num_hosts=2)


def test_hosts_written_as_the_text_of_a_python_object_are_no_evidence_and_no_damage():
    metadata = LeafMetadata.from_json({"cluster_information": "<mlpstorage.rules.ClusterInformation object at 0x7dae>"})
    assert (metadata.system_info, metadata.system, metadata.problems) == (None, None, ())


def test_an_empty_data_dir_is_not_given():
    assert LeafMetadata.from_json({"args": {"data_dir": ""}}).data_dir is None
    assert LeafMetadata.from_json({"args": None}).data_dir is None


def test_metadata_of_wrong_kinds_is_read_with_problems():
    metadata = LeafMetadata.from_json(
        {"parameters": "x", "args": [], "num_processes": "many", "system_info": {"hosts": [1, {"memory": 3}]}}
    )
    assert metadata.parameters == {}
    assert metadata.num_processes is None
    assert metadata.system == SystemInfo()
    assert metadata.problems == (
        "args is '[]', not an object",
        "num_processes is 'many', not a whole number",
        "parameters is 'x', not an object",
    )


def test_metadata_is_written_in_the_documented_order_with_our_block_last():
    metadata = LeafMetadata(
        benchmark_type="training",
        model="unet3d",
        command="run",
        run_datetime="20261125_001000",
        num_processes=2,
        accelerator="b200",
        result_dir="/r",
        parameters={"dataset": {"num_files_train": 70}},
        override_parameters={"dataset.num_files_train": "70"},
        system_info={"num_hosts": 1},
        runtime_seconds=7.5,
        invocation_start_time=dt.datetime(2026, 11, 25, 0, 10),
        invocation_end_time=dt.datetime(2026, 11, 25, 0, 10, 8, 5),
        verification="OPEN",
        executed_command="mpirun -n 2",
        args={"data_dir": "/d"},
        datagen_manifest_file="datagen-manifest.json",
        mlps={"run_id": "r1"},
    )
    written = metadata.to_json()
    assert list(written) == [
        "benchmark_type", "model", "command", "run_datetime", "num_processes", "accelerator", "result_dir", "parameters",
        "override_parameters", "system_info", "runtime", "invocation_start_time", "invocation_end_time", "verification",
        "executed_command", "command_output_files", "args", "datagen_manifest_file", "mlps",
    ]  # fmt: skip
    assert written["invocation_end_time"] == "2026-11-25T00:10:08.000005"
    assert LeafMetadata.from_json(json.loads(json.dumps(written))) == metadata


def test_the_written_keys_are_those_of_real_v3_metadata_in_the_same_order():
    real = example("v3.0_training_metadata.json")
    ours = list(LeafMetadata.from_json(real).to_json())
    assert [key for key in real if key in ours] == [key for key in ours if key in real]
    assert set(real) - set(ours) == {"cluster_snapshots", "timeseries_data"}


def test_a_real_rank_output_gives_seconds_per_step_by_epoch_and_block():
    output = RankOutput.from_json(example("v1.0_rank_output.json"), 3)
    assert output.problems == ()
    assert output.rank == 3
    assert sorted(output.epochs) == [1, 2, 3]
    first = output.epochs[1]
    assert first.compute_seconds["block1"][:2] == (0.323, 0.323)
    assert first.step_seconds["block1"][0] == 3.739915370941162
    assert first.au_percent == {"block1": 92.73773117385859}
    assert first.samples_per_second == {"block1": 19.760957769578972}


def test_a_damaged_rank_output_is_read_as_far_as_it_goes():
    output = RankOutput.from_json({"1": {"au": {"block1": "NaN"}, "proc": [], "load": {"block1": [1, None]}}, "2": 7, "x": 1}, 0)
    assert output.epochs[1].au_percent == {}
    assert output.epochs[2].step_seconds == {}
    assert output.problems == (
        "1.load.block1 is '[1, None]', not a list of finite numbers",
        "1.proc is '[]', not an object",
        "1.au.block1 is 'NaN', not a finite number",
        "2 is '7', not an object",
    )


def test_durations_that_are_text_are_read_and_wall_time_is_finer_than_they():
    stats = EpochStats.from_json(example("v1.0_per_epoch_stats.json"))
    assert stats.problems == ()
    assert stats.epochs[1].duration_seconds == 195.15
    assert stats.parts[1]["block1"].wall_seconds == pytest.approx(188.768832)


def test_a_block_that_was_never_closed_has_no_end():
    stats = EpochStats.from_json({"1": {"start": "2026-01-01T00:00:00", "block1": {"start": "2026-01-01T00:00:00"}}, "2": None}, 5)
    assert stats.parts[1]["block1"] == Span(dt.datetime(2026, 1, 1), None, None)
    assert stats.parts[1]["block1"].wall_seconds is None
    assert list(stats.epochs) == [1]


def test_checkpoint_spans_have_number_durations():
    stats = EpochStats.from_json(example("v2.0_checkpointing_per_epoch_stats.json"))
    assert stats.parts[1]["save_ckpt1"].duration_seconds == 7.643091
