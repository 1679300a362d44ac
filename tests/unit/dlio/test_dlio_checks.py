"""Refusals before the I/O, and what a finished run must have left."""

from __future__ import annotations

import json

import pytest

from pytest_mlpstorage.dlio import checks
from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, DependencyError, FileSystemError, MPIError


def workload(**keys):
    base = {
        "framework": "pytorch",
        "dataset": {"format": "npz", "num_files_train": 28, "num_samples_per_file": 1},
        "reader": {"data_loader": "pytorch", "batch_size": 7},
        "workflow": {"train": True},
        "train": {},
    }
    for key, value in keys.items():
        group, _, name = key.partition("__")
        base = {**base, group: {**base[group], name: value}} if name else {**base, group: value}
    return base


def check(kind="registry", ranks=2, absent=("tensorflow",), **keys):
    checks.check_workload(workload(**keys), kind=kind, ranks=ranks, absent=absent)


def test_a_sound_workload_passes():
    check()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"dataset__num_files_train": 27}, "27 is no multiple of 2 ranks"),
        ({"dataset__num_files_train": 12}, "too few for one batch"),
        ({"dataset__num_subfolders_train": 1}, "num_subfolders_train is 1"),
        ({"reader__read_type": "on_demand"}, "read_type"),
        ({"train__total_training_steps": 3}, "only 2 steps"),
        ({"reader__batch_size": 0}, "at least 1"),
    ],
)
def test_what_the_registry_hangs_on_or_ignores_is_refused(keys, words):
    with pytest.raises(ConfigurationError, match=words):
        check(**keys)


def test_the_fork_trims_an_odd_file_list_itself():
    check(kind="mlcommons", dataset__num_files_train=29)


def test_data_generation_may_make_any_number_of_files():
    check(dataset__num_files_train=27, workflow__train=False)


@pytest.mark.parametrize("keys", [{"framework": "tensorflow"}, {"dataset__format": "tfrecord"}, {"reader__data_loader": "tensorflow"}])
def test_what_needs_tensorflow_is_refused_where_it_only_has_a_stand_in(keys):
    with pytest.raises(DependencyError, match="tensorflow"):
        check(**keys)
    check(absent=(), **keys)


def test_a_job_of_the_wrong_size_is_refused_and_the_mix_up_named():
    checks.check_size(2, 2)
    checks.check_size(2, None)
    with pytest.raises(MPIError, match="every rank is alone"):
        checks.check_size(1, 2)
    with pytest.raises(MPIError, match=r"2 rank\(s\), 3 were asked for$|2 rank\(s\), 3 were asked for\n"):
        checks.check_size(2, 3)


def test_steps_are_whole_batches_of_every_rank_and_cut_at_the_limit():
    assert checks.expected_steps(files=70, samples_per_file=1, batch_size=7, ranks=2, limit=-1) == 5
    assert checks.expected_steps(files=27, samples_per_file=1, batch_size=7, ranks=2, limit=-1) == 1
    assert checks.expected_steps(files=70, samples_per_file=4, batch_size=7, ranks=2, limit=3) == 3


def make_files(folder, count, suffix="npz"):
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"img_{i}.{suffix}").write_bytes(b"x")


def test_a_data_set_that_is_there_passes_flat_and_in_folders(tmp_path):
    make_files(tmp_path / "flat" / "train", 4)
    checks.check_dataset(tmp_path / "flat", suffix="npz", files=4, subfolders=0)
    for i in range(2):
        make_files(tmp_path / "deep" / "train" / str(i), 2)
    checks.check_dataset(tmp_path / "deep", suffix="npz", files=4, subfolders=2)


def test_a_missing_folder_too_few_files_and_other_subfolders_are_named(tmp_path):
    with pytest.raises(FileSystemError, match="is missing"):
        checks.check_dataset(tmp_path / "none", suffix="npz", files=1, subfolders=0)
    make_files(tmp_path / "train", 3)
    with pytest.raises(FileSystemError, match="holds 3 files that end in 'npz', 4 are needed"):
        checks.check_dataset(tmp_path, suffix="npz", files=4, subfolders=0)
    with pytest.raises(FileSystemError, match="holds 0 files"):
        checks.check_dataset(tmp_path, suffix="jpeg", files=1, subfolders=0)
    with pytest.raises(FileSystemError, match="0 subfolders"):
        checks.check_dataset(tmp_path, suffix="npz", files=3, subfolders=2)


def test_generated_files_are_counted_and_a_missing_or_empty_one_is_an_error(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"")
    assert checks.check_generated([str(tmp_path / "a")]) == 5
    for name in ("b", "c"):
        with pytest.raises(BenchmarkExecutionError, match="ended without"):
            checks.check_generated([str(tmp_path / "a"), str(tmp_path / name)])


def leave_results(folder, *, epochs=2, steps=5, said=None):
    epoch = {"proc": {"block1": [0.1] * (steps - 2), "block2": [0.1] * 2, "eval": [0.1]}}
    (folder / "0_output.json").write_text(json.dumps({str(e + 1): epoch for e in range(epochs)}))
    (folder / "summary.json").write_text(json.dumps({"epochs": epochs if said is None else said}))


def test_a_finished_run_has_every_step_of_every_epoch(tmp_path):
    leave_results(tmp_path)
    assert checks.check_results(tmp_path, rank=0, epochs=2, steps=5) == {"1": 5, "2": 5}


@pytest.mark.parametrize(
    ("left", "words"), [({"steps": 4}, "did not do 5 steps"), ({"epochs": 1}, "did not do 5 steps"), ({"said": 1}, "tells of 1 epochs")]
)
def test_a_run_with_a_step_or_an_epoch_less_is_an_error(tmp_path, left, words):
    leave_results(tmp_path, **left)
    with pytest.raises(BenchmarkExecutionError, match=words):
        checks.check_results(tmp_path, rank=0, epochs=2, steps=5)


def test_a_run_without_results_or_with_damaged_ones_is_an_error(tmp_path):
    with pytest.raises(BenchmarkExecutionError, match="without a readable"):
        checks.check_results(tmp_path, rank=0, epochs=1, steps=1)
    leave_results(tmp_path)
    (tmp_path / "summary.json").write_text('{"epochs": 2')
    with pytest.raises(BenchmarkExecutionError, match=r"summary\.json"):
        checks.check_results(tmp_path, rank=0, epochs=2, steps=5)
