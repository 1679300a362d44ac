"""Data set sizes: the worked values of the rule book to the byte, the floors on any cluster, and space."""

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.sizing import (
    expected_compute_seconds,
    minimum_files_for_run,
    record_bytes,
    training_dataset_size,
)
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.units import GIB

EXPECTED = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "v1.0" / "expected.csv"


def size(name="3.0", record=146600628, samples=1, batch=7, processes=8, hosts=(256 * GIB,), steps=None):
    return training_dataset_size(
        edition=edition(name), record_bytes=record, samples_per_file=samples, batch_size=batch,
        num_processes=processes, host_memory_bytes=hosts, total_training_steps=steps,
    )  # fmt: skip


def minimum(name="3.0", record=146600628, samples=1, batch=7, accelerators=8, hosts=(256 * GIB,), steps=None):
    return minimum_files_for_run(
        edition=edition(name), record_bytes=record, samples_per_file=samples, batch_size=batch,
        num_accelerators=accelerators, host_memory_bytes=hosts, total_training_steps=steps,
    )  # fmt: skip


def by_name(result):
    return {floor.name: floor.files for floor in result.floors}


# -- worked values ------------------------------------------------------------------------------------------------------


def test_unet3d_with_8_accelerators_and_256_gib_is_bound_by_steps():
    result = size()
    assert by_name(result) == {"memory": 9376, "steps": 28000}
    assert (result.binding, result.minimum_files, result.files) == ("steps", 28000, 28000)
    assert (result.file_bytes, result.minimum_bytes, result.total_bytes) == (146600628, 4104817584000, 4104817584000)
    assert result.subfolders == 0


def test_unet3d_with_24_accelerators_and_3_times_768_gib_is_bound_by_memory_and_rounded_up_to_the_ranks():
    result = size(processes=24, hosts=[768 * GIB] * 3)
    assert by_name(result) == {"memory": 84376, "steps": 84000}
    assert (result.binding, result.minimum_files, result.files) == ("memory", 84376, 84384)
    assert result.minimum_bytes == 84376 * 146600628 == 12369574588128
    assert result.total_bytes == 84384 * 146600628 == 12370747393152


def test_retinanet_with_16_accelerators_and_2_times_512_gib_is_bound_by_memory():
    result = size(record=322957, batch=24, processes=16, hosts=[512 * GIB] * 2)
    assert by_name(result) == {"memory": 17022570, "steps": 192000}
    assert (result.minimum_files, result.files) == (17022570, 17022576)
    assert result.minimum_bytes == 17022570 * 322957 == 5497558139490


def test_cosmoflow_with_256_gib_needs_485910_files():
    assert size(record=2828486, batch=1, processes=1).minimum_files == 485910


def test_a_floor_shows_its_arithmetic():
    memory, steps = size(processes=24, hosts=[768 * GIB] * 3).floors
    assert memory.formula == "ceil(5 × 2473901162496 B of memory of all hosts / (1 samples/file × 146600628 B))"
    assert steps.formula == "ceil(500 steps × 24 accelerators × batch 7 / 1 samples/file)"


# -- editions -----------------------------------------------------------------------------------------------------------


def test_older_editions_round_down_where_3_0_rounds_up():
    assert by_name(size("3.0")) == {"memory": 9376, "steps": 28000}
    assert by_name(size("2.0")) == by_name(size("1.0")) == {"memory": 9375, "steps": 28000}


def test_several_samples_in_a_file_divide_both_floors():
    resnet50 = {"record": 114660.07, "samples": 1251, "batch": 400, "processes": 10, "hosts": [247 * GIB]}
    assert by_name(size("1.0", **resnet50)) == {"memory": 9244, "steps": 1598}
    assert by_name(size("3.0", **resnet50)) == {"memory": 9245, "steps": 1599}


def test_a_record_that_is_no_whole_number_of_bytes_is_multiplied_exactly():
    result = size(record=114660.07, samples=1251, batch=400, processes=1, hosts=[1])
    assert result.file_bytes == 143439748  # 143439747.57
    assert result.total_bytes == round(160 * 143439747.57)


@pytest.mark.parametrize("name", ["2.0", "3.0"])
def test_memory_of_exactly_500_files_needs_500_files_however_the_record_is_written(name):
    # 5 × memory = 500 × 1251 × 114660.07 without a rest; the binary number nearest to 114660.07 would miss it.
    exact = {"record": 114660.07, "samples": 1251, "batch": 1, "processes": 1}
    assert by_name(size(name, hosts=[14343974757], **exact))["memory"] == 500
    assert by_name(size(name, hosts=[14343974756.9999], **exact))["memory"] == 500


def test_a_data_set_has_at_least_one_file_for_each_process():
    result = size("2.0", record=114660.07, samples=1251, batch=1, processes=2, hosts=[1])
    assert (result.minimum_files, result.files) == (0, 2)


def test_total_training_steps_replace_the_500_only_in_edition_1_0():
    assert by_name(size("1.0", steps=100))["steps"] == 5600
    assert by_name(size("2.0", steps=100))["steps"] == by_name(size("3.0", steps=100))["steps"] == 28000


def test_steps_of_minus_one_mean_that_there_is_no_such_limit():
    assert by_name(size("1.0", steps=-1))["steps"] == 28000


def test_a_verdict_of_edition_1_0_floors_each_host_to_whole_gib():
    hosts = [int(188.9 * GIB)] * 6
    assert by_name(minimum("1.0", record=2828486, batch=1, accelerators=150, hosts=hosts))["memory"] == 188 * 6 * 5 * GIB // 2828486
    assert by_name(size("1.0", record=2828486, batch=1, processes=150, hosts=hosts))["memory"] > 2141040


def test_edition_2_0_accepts_99_percent_of_the_floor_and_3_0_all_of_it():
    assert (minimum("2.0").required_files, minimum("2.0").accepted_files) == (28000, 27720)
    assert (minimum("3.0").required_files, minimum("3.0").accepted_files) == (28000, 28000)


def test_the_validator_and_the_tool_of_3_0_agree_on_the_floor():
    hosts = [768 * GIB] * 3
    assert minimum(accelerators=24, hosts=hosts).required_files == size(processes=24, hosts=hosts).minimum_files == 84376
    assert minimum(accelerators=24, hosts=hosts).required_bytes == 12369574588128


def test_memory_as_gib_with_float_noise_gives_the_floor_of_the_whole_bytes():
    gib = 251.44140625
    hosts = [gib * GIB, (gib + 1e-10) * GIB - 0.1]
    assert by_name(minimum(hosts=hosts)) == by_name(minimum(hosts=[round(gib * GIB)] * 2))


@pytest.mark.skipif(not EXPECTED.exists(), reason="the published submissions are not beside this repository")
def test_the_floors_of_the_published_v1_0_results_are_those_worked_out_by_hand():
    book = edition("1.0")
    rows = list(csv.DictReader(EXPECTED.read_text().splitlines()))
    assert len(rows) == 19
    for row in rows:
        parameters = book.training.template(row["model"], row["accelerator"]).parameters
        result = minimum_files_for_run(
            edition=book,
            record_bytes=record_bytes(parameters["dataset"]),
            samples_per_file=parameters["dataset"]["num_samples_per_file"],
            batch_size=parameters["reader"]["batch_size"],
            num_accelerators=int(row["num_accelerators"]),
            host_memory_bytes=[float(row["host_mem_mean_GB"]) * GIB] * int(row["num_hosts"]),
        )
        files = {floor.name: floor.files for floor in result.floors}
        assert files == {"memory": int(row["min_files_5x_mem_floorGB"]), "steps": int(row["min_files_500_steps"])}, row["group_path"]
        assert (int(row["files"]) >= result.accepted_files) is (row["dataset_ok_floor"] == "True"), row["group_path"]


# -- any cluster --------------------------------------------------------------------------------------------------------

WORKLOADS = st.sampled_from([(146600628, 1, 7), (322957, 1, 24), (114660.07, 1251, 400), (2828486, 1, 1), (761, 4718592, 12288)])
HOSTS = st.lists(st.integers(1, 4 * 1024 * GIB), min_size=1, max_size=40)
PROCESSES = st.integers(1, 5000)


@given(WORKLOADS, HOSTS, PROCESSES)
def test_the_data_set_is_500_steps_and_5_times_the_memory_on_uneven_hosts(workload, hosts, processes):
    record, samples, batch = workload
    result = size(record=record, samples=samples, batch=batch, processes=processes, hosts=hosts)
    assert result.minimum_files * samples >= 500 * processes * batch
    # The exact product: record × 100 is whole for all workloads.
    assert result.minimum_files * samples * round(record * 100) >= 5 * sum(hosts) * 100
    fewer = result.minimum_files - 1
    assert fewer * samples < 500 * processes * batch or fewer * samples * round(record * 100) < 5 * sum(hosts) * 100


@given(WORKLOADS, HOSTS, PROCESSES)
def test_the_files_are_the_next_multiple_of_the_processes(workload, hosts, processes):
    record, samples, batch = workload
    result = size(record=record, samples=samples, batch=batch, processes=processes, hosts=hosts)
    assert result.files % processes == 0
    assert 0 <= result.files - result.minimum_files < processes
    assert result.minimum_files == max(floor.files for floor in result.floors) == by_name(result)[result.binding]


@given(WORKLOADS, HOSTS, PROCESSES, st.integers(0, 1024 * GIB), st.integers(0, 100), st.sampled_from(["1.0", "2.0", "3.0"]))
def test_more_memory_or_more_processes_never_need_fewer_files(workload, hosts, processes, memory, ranks, name):
    record, samples, batch = workload
    small = size(name, record=record, samples=samples, batch=batch, processes=processes, hosts=hosts)
    large = size(name, record=record, samples=samples, batch=batch, processes=processes + ranks, hosts=[hosts[0] + memory, *hosts[1:]])
    assert large.minimum_files >= small.minimum_files


@given(WORKLOADS, HOSTS, PROCESSES)
def test_rounding_down_is_at_most_one_file_below_rounding_up(workload, hosts, processes):
    record, samples, batch = workload
    up = size("3.0", record=record, samples=samples, batch=batch, processes=processes, hosts=hosts)
    down = size("2.0", record=record, samples=samples, batch=batch, processes=processes, hosts=hosts)
    assert all(0 <= by_name(up)[name] - by_name(down)[name] <= 1 for name in ("memory", "steps"))


# -- wrong input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"record": 0}, {"samples": 0}, {"batch": -1}, {"processes": 0}, {"hosts": [0]}, {"record": math.nan}])
def test_a_count_or_size_that_is_not_positive_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="must be a positive number"):
        size(**wrong)


def test_a_cluster_without_hosts_is_refused():
    with pytest.raises(ConfigurationError, match="memory of no client host is known"):
        size(hosts=[])


def test_a_record_is_its_length_in_either_spelling():
    assert record_bytes({"record_length_bytes": 322957}) == 322957
    assert record_bytes({"record_length": 114660.07}) == 114660.07


def test_a_parquet_record_without_a_length_is_the_sum_of_its_columns_by_the_official_widths():
    columns = [
        {"dtype": "float64", "size": 2},
        {"dtype": "int64"},
        {"dtype": "uint8", "size": 3},
        {"dtype": "bool"},
        {"dtype": "float16", "size": 5},
    ]
    assert record_bytes({"parquet": {"columns": columns}}) == 16 + 8 + 3 + 1 + 20


def test_the_columns_of_flux_sum_up_to_its_record():
    dataset = edition("3.0").training.template("flux", "b200").copy_parameters()["dataset"]
    published = dataset.pop("record_length")
    assert record_bytes(dataset) == published == 2164832


def test_the_columns_of_dlrm_sum_up_to_its_record_at_their_true_widths():
    dataset = edition("3.0").training.template("dlrm", "b200").parameters["dataset"]
    true = {"float32": 4, "float16": 2, "float64": 8, "int8": 1}
    columns = dataset["parquet"]["columns"]
    assert sum(c["count"] for c in columns) == 200
    assert sum(c["count"] * c["size"] * true[c["dtype"]] for c in columns) == dataset["record_length_bytes"] == 761
    assert len(set(dataset["parquet"]["read_columns"])) == 40


@pytest.mark.parametrize("dataset", [{}, {"record_length_bytes": 0}, {"parquet": {"columns": []}}, {"parquet": None}])
def test_a_data_set_without_a_record_size_is_refused_with_what_was_looked_for(dataset):
    with pytest.raises(ConfigurationError, match=r"record_length_bytes, dataset\.record_length, dataset\.parquet\.columns"):
        record_bytes(dataset)


@pytest.mark.parametrize("value", ["322957", -1, True, math.inf])
def test_a_record_length_that_is_no_positive_number_is_refused(value):
    with pytest.raises(ConfigurationError, match=r"dataset\.record_length_bytes must be a positive number"):
        record_bytes({"record_length_bytes": value})


# -- time -----------------------------------------------------------------------------------------------------


def test_the_expected_time_is_the_computation_of_all_batches():
    seconds = expected_compute_seconds(
        files=28000, samples_per_file=1, batch_size=7, num_processes=8, computation_time_seconds=0.162, epochs=5
    )  # fmt: skip
    assert seconds == pytest.approx(500 * 0.162 * 5)
