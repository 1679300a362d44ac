"""Two real ranks of the DLIO that is installed: data generation and training, scaled down, with every engine of ours."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import textwrap
import time
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_spec("dlio_benchmark") is None, reason="DLIO is not installed: python -m pytest_mlpstorage.bootstrap install"),
]

RECORD = 262144
FILES = 28
MIB = 2**20

WORKLOADS = {
    "unet3d": f"""
        model: {{name: unet3d, type: cnn, model_size: 499153191}}
        framework: pytorch
        workflow: {{generate_data: false, train: true, checkpoint: false}}
        dataset: {{format: npz, num_files_train: {FILES}, num_samples_per_file: 1, record_length_bytes: {RECORD}}}
        reader: {{data_loader: pytorch, batch_size: 7, read_threads: 2, file_shuffle: seed, sample_shuffle: seed}}
        train: {{epochs: 2, computation_time: 0.05}}
        checkpoint: {{checkpoint_folder: checkpoints/unet3d, checkpoint_after_epoch: 5}}
        metric: {{au: 0.9}}
    """,
    "retinanet": """
        model: {name: retinanet, type: cnn}
        framework: pytorch
        workflow: {generate_data: false, train: true, checkpoint: false}
        dataset: {format: jpeg, num_files_train: 48, num_samples_per_file: 1, record_length_bytes: 32295}
        reader: {data_loader: pytorch, batch_size: 12, read_threads: 1, file_shuffle: seed, sample_shuffle: seed}
        train: {epochs: 2, computation_time: 0.02}
        metric: {au: 0.85}
    """,
    "dlrm": """
        model: {name: dlrm}
        framework: pytorch
        workflow: {generate_data: false, train: true, checkpoint: false}
        dataset:
          format: parquet
          compression: "none"
          num_files_train: 2
          num_samples_per_file: 4096
          record_length_bytes: 700
          parquet: {row_group_size: 1024, columns: [{dtype: float32, count: 100}, {dtype: float16, count: 150}], read_columns: [3, 120]}
        reader: {data_loader: pytorch, batch_size: 2048, read_threads: 2, sample_shuffle: seed}
        train: {epochs: 1, computation_time: 0.05}
        metric: {au: 0.7}  # DLIO ships a workload of this name: ours must be the one that is taken
    """,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("dlio")
    (root / "configs" / "workload").mkdir(parents=True)
    for name, text in WORKLOADS.items():
        (root / "configs" / "workload" / f"{name}.yaml").write_text(textwrap.dedent(text))
    return root


def command(place, model, out, *overrides, own=(), asked=2):
    """The launcher's command without guards, for whichever MPI is here: releases differ in the names of their transports."""
    program = (
        "-m", "pytest_mlpstorage.dlio", f"--mlps-ranks={asked}", f"--mlps-evidence={out}/evidence", *own,
        f"workload={model}", f"++workload.dataset.data_folder={place}/data/{model}", *overrides,
        f"++hydra.run.dir={out}", "++hydra.output_subdir=dlio_config", f"--config-dir={place}/configs",
    )  # fmt: skip
    return find_launcher().command(Job(2, program, oversubscribe=True))


def run(place, model, *overrides, own=(), asked=2):
    out = place / f"out-{time.monotonic_ns()}"
    out.mkdir()
    environment = {**os.environ, "MLPS_PROGRESS": str(out / "progress"), "OMP_NUM_THREADS": "1"}
    begun = time.monotonic()
    done = subprocess.run(
        command(place, model, out, *overrides, own=own, asked=asked),
        capture_output=True, text=True, timeout=120, cwd=out, env=environment,
    )  # fmt: skip
    return SimpleNamespace(code=done.returncode, stderr=done.stderr, out=out, seconds=time.monotonic() - begun)


def evidence(found, name, rank=0):
    return json.loads((found.out / "evidence" / f"{rank}_{name}.json").read_text())


GENERATE = ("++workload.workflow.generate_data=True", "++workload.workflow.train=False")


@pytest.fixture(scope="module")
def unet3d(place):
    found = run(place, "unet3d", *GENERATE)
    assert found.code == 0, found.stderr[-3000:]
    return found


def test_data_generation_leaves_every_file_and_an_end_mark_of_each_rank(unet3d, place):
    assert len(list((place / "data" / "unet3d" / "train").glob(f"img_*_of_{FILES}.npz"))) == FILES
    for rank in (0, 1):
        end = evidence(unet3d, "end", rank)
        assert (end["phase"], end["files"]) == ("datagen", FILES // 2)
        assert end["bytes"] >= FILES // 2 * RECORD
    assert json.loads((unet3d.out / "progress").read_text().splitlines()[0])["phase"] == "datagen"


def test_training_reads_the_data_set_once_an_epoch_and_proves_what_took_effect(unet3d, place):
    found = run(place, "unet3d", "++workload.dataset.num_subfolders_train=0")
    assert found.code == 0, found.stderr[-3000:]
    summary = json.loads((found.out / "summary.json").read_text())
    assert (summary["num_accelerators"], summary["epochs"]) == (2, 2)
    assert summary["metric"]["train_io_mean_MB_per_second"] == pytest.approx(
        summary["metric"]["train_throughput_mean_samples_per_second"] * RECORD / 2**20
    ), "the record length came through"
    for rank in (0, 1):
        effective = evidence(found, "effective", rank)
        assert (effective["size"], effective["flavour"]) == (2, "registry")
        assert effective["translated"]["dataset.record_length"] == RECORD
        assert effective["arguments"]["record_length"] == RECORD
        assert effective["classes"]["reader_class"] == "built in"
        io = evidence(found, "io", rank)
        share = FILES // 2 * RECORD
        assert [share <= epoch["rchar"] <= share + MIB for epoch in io["epochs"].values()] == [True, True]
        assert len(io["workers"]) == 2
        assert evidence(found, "end", rank)["steps"] == 4
    overrides = (found.out / "dlio_config" / "overrides.yaml").read_text()
    assert "record_length" not in overrides
    assert "classname" not in overrides
    assert not (found.out / "checkpoints").exists(), "no folder for checkpoints that are off"
    last = json.loads((found.out / "progress").read_text().splitlines()[-1])
    assert (last["phase"], last["epoch"], last["step"], last["steps"]) == ("train", 2, 2, 2)


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_read_workers_may_be_started_in_other_ways_and_are_counted_all_the_same(unet3d, place, context):
    found = run(place, "unet3d", f"++workload.reader.multiprocessing_context={context}", "++workload.train.epochs=1")
    assert found.code == 0, found.stderr[-3000:]
    workers = evidence(found, "io")["workers"]
    assert len(workers) == 2
    assert sum(worker["rchar"] for worker in workers) >= FILES // 2 * RECORD


def test_odirect_reads_past_the_page_cache(unet3d, place):
    try:
        os.close(os.open(next((place / "data/unet3d/train").iterdir()), os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip("this filesystem has no O_DIRECT")
    found = run(place, "unet3d", "++workload.reader.odirect=True", "++workload.train.epochs=1")
    assert found.code == 0, found.stderr[-3000:]
    effective = evidence(found, "effective")
    assert effective["classes"]["reader_class"].endswith("DirectRawReader")
    assert effective["translated_from"]["reader.odirect"] == "reader.reader_classname"


def test_images_are_raw_bytes_of_the_length_that_is_reported(place):
    made = run(place, "retinanet", *GENERATE)
    assert made.code == 0, made.stderr[-3000:]
    sizes = [path.stat().st_size for path in (place / "data/retinanet/train").iterdir()]
    assert sizes == [32295] * 48
    assert sum(evidence(made, "end", rank)["bytes"] for rank in (0, 1)) == 48 * 32295
    found = run(place, "retinanet")
    assert found.code == 0, found.stderr[-3000:]
    assert evidence(found, "effective")["classes"]["reader_class"].endswith("RawReader")
    assert evidence(found, "io")["epochs"]["2"]["rchar"] == pytest.approx(24 * 32295, rel=0.1)


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_is_made_and_read_by_row_groups(place):
    made = run(place, "dlrm", *GENERATE)
    assert made.code == 0, made.stderr[-3000:]
    found = run(place, "dlrm")
    assert found.code == 0, found.stderr[-3000:]
    assert evidence(found, "effective")["classes"]["data_loader_class"].endswith("RowGroupLoader")
    assert evidence(found, "end")["steps"] == 2


FAILURES = {
    "missing folder": (("++workload.dataset.data_folder=/nowhere/at/all",), 4, "is missing"),
    "files no multiple of ranks": ((f"++workload.dataset.num_files_train={FILES - 1}",), 4, "no multiple of 2 ranks"),
    "too few for a batch": (("++workload.dataset.num_files_train=12",), 4, "there would be no step"),
    "unknown key": (("++workload.reader.read_thread=4",), 4, "did you mean reader.read_threads"),
    "wrong class": (("++workload.reader.reader_classname=pytest_mlpstorage.dlio.raw_reader.FileCache",), 4, "did not take the class"),
    "missing plug-in": (("++workload.reader.reader_classname=no_such_module_at_all.Reader",), 3, "No module named"),
    "wrong subfolders": (("++workload.dataset.num_subfolders_train=4",), 4, "has 0 subfolders"),
}


@pytest.mark.fault
@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_ends_the_whole_job_soon_with_its_cause(unet3d, place, case):
    overrides, code, words = FAILURES[case]
    found = run(place, "unet3d", *overrides)
    assert (found.code, words in found.stderr) == (code, True), found.stderr[-2000:]
    assert "ends the job" in found.stderr
    assert not list((found.out / "evidence").glob("*_end.json"))


@pytest.mark.fault
def test_a_job_of_another_size_than_asked_is_refused(place):
    found = run(place, "unet3d", asked=3)
    assert (found.code, "COMM_WORLD has 2 rank(s), 3 were asked for" in found.stderr) == (4, True)


@pytest.mark.fault
def test_a_killed_read_worker_ends_the_job_and_is_named_with_its_signal(unet3d, place):
    out = place / "killed"
    with (place / "killed.err").open("w") as stderr:
        job = subprocess.Popen(
            command(place, "unet3d", out, "++workload.train.epochs=40", "++workload.train.computation_time=3"),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd=place,
        )
        log = out / "evidence" / "1_workers.jsonl"
        begun = time.monotonic()
        while not (log.is_file() and log.read_text().count("\n") == 2) and time.monotonic() - begun < 60:
            time.sleep(0.1)
        workers = [json.loads(line)["pid"] for line in log.read_text().splitlines()]
        os.kill(workers[0], 9)
        begun = time.monotonic()
        assert job.wait(60) == 3
    assert time.monotonic() - begun < 30
    assert f"read worker {workers[0]} was ended by SIGKILL" in (place / "killed.err").read_text()
    assert json.loads((out / "evidence" / "1_error.json").read_text())["dead_workers"] == [{"pid": workers[0], "signal": "SIGKILL"}]
