"""The rank program loads and searches through stand-in engines, and each thing that goes wrong ends it with its own words and code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import faulty_engines
import numpy as np
import psutil
import pytest

from pytest_mlpstorage.vectordb.job import DataSource, VectorJob
from pytest_mlpstorage.vectordb.run_files import official_figures
from pytest_mlpstorage.vectordb.samples import phase_statistics, read_workers

pytestmark = [pytest.mark.real]

REPO = Path(__file__).parents[2]
DATA = DataSource(rows=3000, dim=16)


class Bench:
    """One folder with a collection, and the program run on it."""

    def __init__(self, folder, site):
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": f"{site}:{REPO}", "MLPS_PROGRESS": str(folder / "progress.jsonl")}

    def job(self, phase, engine="stand_in", **changes):
        values = {"name": "c", "family": "DISKANN", "store_dir": str(self.folder / "store"), "where": str(self.folder / "data")}
        values |= {"data": DATA, "build": {"max_degree": 32}, "search": {"search_ef": 50}, "workers": 2, "k": 5}
        values |= {"cold_queries": 40, "cold_seconds": 20.0, "runtime_seconds": 1.0, "stream_queries": 2000, "recall_queries": 100}
        output = self.folder / f"{phase}-{len(list(self.folder.glob(f'{phase}-*')))}"
        (self.folder / "data").mkdir(exist_ok=True)
        output.mkdir()
        job = VectorJob(phase=phase, engine=engine, output_dir=str(output), **{**values, **changes})
        job.write(output / "job.json")
        return output, [sys.executable, "-m", "pytest_mlpstorage.vectordb", str(output / "job.json")]

    def run(self, phase, engine="stand_in", **changes):
        output, command = self.job(phase, engine, **changes)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        return output, done.returncode, done.stderr

    def summary(self, phase, engine="stand_in", **changes):
        output, code, said = self.run(phase, engine, **changes)
        assert code == 0, said
        return json.loads((output / "summary.json").read_text())

    def left(self):
        """Processes of this folder that are still there."""
        return [p.pid for p in psutil.process_iter(["cmdline"]) if str(self.folder) in " ".join(p.info["cmdline"] or ())]


@pytest.fixture
def bench(tmp_path_factory):
    # Not in memory: an index on disk is to be read from a device.
    folder = tmp_path_factory.mktemp("vectors")
    made = Bench(folder, faulty_engines.installed(folder / "site"))
    yield made
    assert made.left() == []


@pytest.fixture
def loaded(bench):
    bench.summary("datagen")
    return bench


def phase(summary, name):
    return next(one for one in summary["mlps"]["phases"] if one["name"] == name)


def test_a_load_tells_rows_parameters_and_the_hash_of_what_was_loaded(bench):
    summary = bench.summary("datagen")
    assert (summary["num_vectors"], summary["inserted_vectors"], summary["dimension"], summary["index_type"]) == (3000, 3000, 16, "DISKANN")
    assert summary["database"]["database"] == "stand_in"
    mlps = summary["mlps"]
    assert mlps["load"]["rows"] == mlps["load"]["distinct_ids"] == 3000
    assert mlps["engine"]["params_effective"] == {"max_degree": 32}
    assert len(mlps["dataset"]["sha256"]) == 64
    assert mlps["dataset"]["contrast"] > 1
    assert mlps["load"]["seconds"] > 0
    assert mlps["load"]["build_seconds"] > 0
    assert set(summary) == {"num_vectors", "dimension", "index_type", "database", "inserted_vectors", "mlps"}
    words = [json.loads(line)["phase"] for line in (bench.folder / "progress.jsonl").read_text().splitlines()]
    assert "load" in words
    assert any(word.startswith("build") for word in words)


def test_a_run_leaves_figures_that_its_samples_alone_give_again_and_no_query_twice(loaded):
    output, code, said = loaded.run("run")
    assert code == 0, said
    summary = json.loads((output / "summary.json").read_text())
    workers = read_workers(output / "samples")
    assert len(workers) == 2
    assert {key for key in summary if key.endswith("_latency_ms")} == {
        f"{name}_latency_ms" for name in ("mean", "median", "p95", "p99", "p999", "p9999")
    }  # fmt: skip
    first = min(int(worker.samples["began_ns"].min()) for worker in workers)
    assert -120 < (first + summary["mlps"]["clock_epoch_ns"]) / 1e9 - time.time() < 0, "the searches began, by this host's wall clock"
    again = official_figures(phase_statistics(workers, "steady"))
    assert {key: summary[key] for key in again} == again
    cold = phase(summary, "cold")
    assert (cold["queries"], cold["failed"], cold["recall"], cold["wrapped"]) == (80, 0, 1.0, False)
    asked = np.concatenate([worker.phase("cold")["query"] for worker in workers])
    assert len(set(asked.tolist())) == len(asked)
    assert summary["recall"] == phase(summary, "steady")["recall"] == 1.0
    assert json.loads((output / "result_verdict.json").read_text())["flat_setup"]["coverage"] == 1.0
    assert json.loads((output / "recall_stats.json").read_text())["num_queries_evaluated"] > 100
    assert {"config.json", "statistics.json"} <= {path.name for path in output.iterdir()}
    assert not (output / "answers").exists()


@pytest.mark.full
def test_exact_answers_are_stored_and_other_runs_ask_other_queries(loaded):
    loaded.summary("run", runtime_seconds=0.0)
    stored = sorted((loaded.folder / "store").glob("*.npz"))
    assert len(stored) == 1
    again = loaded.run("run", runtime_seconds=0.0)[0]
    assert sorted((loaded.folder / "store").glob("*.npz")) == stored
    assert json.loads((again / "result_verdict.json").read_text())["flat_setup"]["reused"] is True
    loaded.summary("run", runtime_seconds=0.0, run_number=1)
    assert len(list((loaded.folder / "store").glob("*.npz"))) == 2


def test_exact_answers_that_find_no_room_cost_no_run(loaded):
    (loaded.folder / "no-folder").touch()
    summary = loaded.summary("run", store_dir=str(loaded.folder / "no-folder"))
    assert phase(summary, "cold")["recall"] > 0.9
    assert any("the exact answers of the phase cold are not kept" in note for note in summary["mlps"]["notes"])


def test_a_steady_phase_with_few_queries_wraps_and_says_so(loaded):
    summary = loaded.summary("run", stream_queries=50, runtime_seconds=0.5)
    assert phase(summary, "steady")["wrapped"] is True
    assert phase(summary, "steady")["laps"] > 1


@pytest.mark.full
@pytest.mark.parametrize(
    ("engine", "code", "words"),
    [
        ("crashing_build", 139, "engine crashing_build crashed: SIGSEGV ended worker 0 (build"),
        ("silent_build", 5, "engine silent_build was not done with the phase build after 1 s"),
        ("hanging_build", 5, "engine hanging_build was not done with the phase build after 1 s"),
        ("loses_rows", 4, "MLPS-VDB-09"),
        ("repeats_ids", 4, "MLPS-VDB-09"),
        ("incomplete_index", 4, "MLPS-VDB-09"),
    ],
)
def test_a_load_that_goes_wrong_says_which_engine_and_in_which_phase(bench, engine, code, words):
    output, ended, said = bench.run("datagen", engine, build_deadline_seconds=1.0)
    assert words in said
    assert said.count("ends the job") == 1
    assert ended == code
    assert not (output / "summary.json").exists()


def test_a_build_that_a_server_would_go_on_with_is_dropped_there(bench):
    _, code, said = bench.run("datagen", "hanging_server", build_deadline_seconds=1.0)
    assert (code, said.count("ends the job")) == (5, 1), said
    assert "left on the server" not in said
    assert [path.name for path in (bench.folder / "data").iterdir()] == ["dropped"]


def test_what_could_not_be_dropped_is_said(bench):
    _, code, said = bench.run("datagen", "undroppable_server", build_deadline_seconds=1.0)
    assert code == 5
    assert "left on the server: c: it is busy" in said


@pytest.mark.full
@pytest.mark.parametrize(
    ("engine", "code", "words"),
    [
        ("crashing", 139, "engine crashing crashed: SIGSEGV ended worker"),
        ("hanging", 5, "engine hanging was not done with a search of the phase cold after 3 s"),
        ("raising_foreign", 4, "ZeroDivisionError: an error of the engine that is no EngineError"),
    ],
)
def test_a_search_that_cannot_go_on_ends_the_run_by_name(loaded, engine, code, words):
    output, ended, said = loaded.run("run", engine, cold_seconds=1.0, answer_deadline_seconds=3.0)
    assert words in said
    assert ended == code
    assert not (output / "summary.json").exists()


def test_a_search_that_hangs_in_a_long_phase_is_noticed_long_before_its_end(loaded):
    began = time.monotonic()
    _, code, said = loaded.run("run", "hanging", cold_queries=0, runtime_seconds=60.0, answer_deadline_seconds=2.0)
    assert "engine hanging was not done with a search of the phase steady after 2 s and was stopped" in said
    assert code == 5
    assert time.monotonic() - began < 30


@pytest.mark.full
def test_slow_searches_are_no_hanging_ones(loaded):
    summary = loaded.summary("run", "slow", cold_queries=0, runtime_seconds=2.0, answer_deadline_seconds=1.0)
    assert phase(summary, "steady")["failed"] == 0


@pytest.mark.full
@pytest.mark.parametrize(("engine", "where"), [("hanging_create", "create"), ("hanging_count", "count")])
def test_a_call_that_hangs_around_a_load_ends_at_its_deadline(bench, engine, where):
    _, code, said = bench.run("datagen", engine, open_deadline_seconds=2.0)
    assert f"engine {engine} was not done with the phase {where} after 2 s" in said
    assert code == 5


@pytest.mark.full
def test_a_searcher_that_does_not_close_ends_the_run_at_the_deadline_of_an_answer(loaded):
    _, code, said = loaded.run("run", "hanging_close", runtime_seconds=0.0, answer_deadline_seconds=2.0)
    assert "engine hanging_close was not done with the phase close after 2 s" in said
    assert code == 5


@pytest.mark.full
@pytest.mark.parametrize(("engine", "kind"), [("short_answers", "short"), ("unknown_ids", "unknown_id"), ("repeated_ids", "repeated")])
def test_answers_that_are_none_are_failures_and_in_no_rate(loaded, engine, kind):
    summary = loaded.summary("run", engine, runtime_seconds=0.0)
    cold = phase(summary, "cold")
    assert cold["failures"] == {kind: cold["failed"]}
    assert cold["failed"] == 2 * (40 - faulty_engines.GOOD_SEARCHES)
    assert cold["recall"] == 1.0


def test_errors_of_searches_are_counted_with_their_words(loaded):
    cold = phase(loaded.summary("run", "raising", runtime_seconds=0.0), "cold")
    assert cold["failures"] == {"raised": cold["failed"]}
    assert cold["errors"] == {"the search failed on purpose": cold["failed"]}


@pytest.mark.full
def test_stale_answers_show_in_the_recall(loaded):
    cold = phase(loaded.summary("run", "stale_answers", runtime_seconds=0.0), "cold")
    assert cold["failed"] == 0
    assert cold["recall"] < 0.7


def test_a_collection_of_another_dimension_and_a_missing_one_are_told_before_any_search(loaded):
    for changes, words in (
        ({"data": DataSource(rows=3000, dim=32)}, "has 16 dimensions, not 32"),
        ({"name": "other"}, "no such collection"),
    ):
        _, code, said = loaded.run("run", **changes)
        assert (code, words in said) == (4, True), said


def test_vectors_that_this_host_makes_otherwise_than_they_were_loaded_end_the_run_before_a_search(loaded):
    _, code, said = loaded.run("run", runtime_seconds=0.0, dataset_sha256="0" * 64, dataset_fingerprint="0" * 64)
    assert code == 4
    assert "makes other vectors than were loaded" in said
    assert '"cold"' not in (loaded.folder / "progress.jsonl").read_text()


def test_a_run_takes_hash_and_contrast_from_the_record_of_the_load(loaded):
    dataset = json.loads((loaded.folder / "datagen-0/summary.json").read_text())["mlps"]["dataset"]
    known = {"dataset_sha256": "1" * 64, "dataset_fingerprint": dataset["fingerprint"], "dataset_contrast": 7.5}
    summary = loaded.summary("run", runtime_seconds=0.0, **known)
    assert (summary["mlps"]["dataset"]["sha256"], summary["mlps"]["dataset"]["contrast"]) == ("1" * 64, 7.5)
    assert summary["mlps"]["dataset"]["fingerprint"] == dataset["fingerprint"]
    assert loaded.summary("run", runtime_seconds=0.0)["mlps"]["dataset"]["sha256"] == dataset["sha256"]


@pytest.mark.fault
def test_a_builder_that_is_killed_leaves_no_leaf_and_the_next_load_starts_clean(bench):
    output, command = bench.job("datagen", "silent_build")
    started = subprocess.Popen(command, env=bench.environment, stderr=subprocess.PIPE, text=True)
    rank = psutil.Process(started.pid)
    end = time.monotonic() + 30
    while not (bench.folder / "progress.jsonl").exists() or '"build"' not in (bench.folder / "progress.jsonl").read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    (worker,) = rank.children()
    worker.send_signal(signal.SIGKILL)
    said = started.communicate(timeout=30)[1]
    assert started.returncode == 137
    assert "engine silent_build crashed: SIGKILL ended worker 0 (build" in said
    assert not (output / "summary.json").exists()
    assert bench.summary("datagen", replace=True)["inserted_vectors"] == 3000


def in_the_steady_phase(loaded):
    """A run of a minute that has come so far."""
    _, command = loaded.job("run", runtime_seconds=60.0)
    started = subprocess.Popen(command, env=loaded.environment, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while '"steady"' not in (loaded.folder / "progress.jsonl").read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    return started


@pytest.mark.fault
def test_an_interrupted_rank_takes_its_workers_with_it(loaded):
    started = in_the_steady_phase(loaded)
    started.send_signal(signal.SIGINT)
    said = started.communicate(timeout=30)[1]
    assert started.returncode == 4
    assert "told to end by SIGINT" in said


@pytest.mark.fault
def test_a_rank_that_is_killed_takes_its_workers_with_it(loaded):
    started = in_the_steady_phase(loaded)
    started.kill()
    started.communicate(timeout=30)
    end = time.monotonic() + 10
    while loaded.left() and time.monotonic() < end:
        time.sleep(0.05)
    assert loaded.left() == []


def test_a_wrong_call_and_a_wrong_job_say_so(bench, tmp_path):
    program = [sys.executable, "-m", "pytest_mlpstorage.vectordb"]
    done = subprocess.run(program, env=bench.environment, capture_output=True, text=True)
    assert (done.returncode, "usage:" in done.stderr) == (2, True)
    (tmp_path / "job.json").write_text('{"phase": "run"}')
    done = subprocess.run([*program, str(tmp_path / "job.json")], env=bench.environment, capture_output=True, text=True)
    assert done.returncode == 4
    assert "missing: engine" in done.stderr
