"""What the plugin shows without running: items, configuration, a dry run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.config import schema_text
from pytest_mlpstorage.workloads.registry import load_workloads

REPO = Path(__file__).parents[3]
BENCHMARKS = REPO / "benchmarks"


def items(pytester, *arguments):
    result = pytester.runpytest(BENCHMARKS, "--collect-only", "-q", *arguments)
    return [line.rpartition("::")[2] for line in result.stdout.lines if "::" in line]


def test_phases_of_a_case_stand_together_and_in_order(pytester):
    checkpointing = ["test_preflight[llama3-8b-b200]", "test_run[llama3-8b-b200-both]", "test_result[llama3-8b-b200]"]
    passes = [f"test_run[llama3.1-8b-option{option}-trial0]" for option in (1, 2, 3)]
    kv_cache = ["test_preflight[llama3.1-8b]", "test_precondition[llama3.1-8b]", *passes, "test_result[llama3.1-8b]"]
    vectors = [f"test_{item}]" for item in ("preflight[zvec-DISKANN", "datagen[zvec-DISKANN", "run[zvec-DISKANN-1", "run[zvec-DISKANN-2")]
    assert items(pytester, "--mlps-config=quick.yaml") == ["test_host[localhost]", *checkpointing, *kv_cache] + [
        f"test_{phase}[{case}-b200{run}]"
        for case in ("unet3d", "retinanet")
        for phase, run in [
            ("preflight", ""),
            ("datasize", ""),
            ("datagen", ""),
            ("run", "-warmup"),
            ("run", "-1"),
            ("run", "-2"),
            ("result", ""),
        ]
    ] + [*vectors, "test_result[zvec-DISKANN]"]


def test_closed_has_the_runs_of_the_edition(pytester):
    runs = [name for name in items(pytester, "--mlps-config=closed") if name.startswith("test_run[unet3d")]
    assert runs == [f"test_run[unet3d-b200-{run}]" for run in ("warmup", "1", "2", "3", "4", "5")]


def test_the_schema_in_configs_is_the_one_of_the_code():
    families = [workload.schema() for workload in load_workloads().values()]
    assert (REPO / "configs" / "schema.json").read_text() == schema_text(families)


def test_a_variable_sets_an_official_parameter_where_neither_option_nor_file_does(pytester, monkeypatch):
    monkeypatch.setenv("MLPS_TRAINING_READER_PREFETCH_SIZE", "4")
    monkeypatch.setenv("MLPS_TRAINING_READER_READ_THREADS", "8")  # quick.yaml sets it for both
    result = pytester.runpytest("--mlps-config=quick.yaml", "--mlps-show-config")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "training unet3d-b200: effective parameters",
            "  reader.prefetch_size *4 *environment MLPS_TRAINING_READER_PREFETCH_SIZE",
            "  reader.read_threads *2 *quick.yaml:*",
            "training retinanet-b200: effective parameters",
            "  reader.prefetch_size *4 *environment MLPS_TRAINING_READER_PREFETCH_SIZE",
        ]
    )


def test_show_config_gives_every_value_with_its_origin(pytester):
    result = pytester.runpytest("--mlps-config=quick.yaml", "--mlps-show-config", "--mlps-set", "reader.read_threads=3")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*division *whatif *quick.yaml:*",
            "training unet3d-b200: effective parameters",
            "  dataset.record_length_bytes *4194304 *quick.yaml:*",
            "  metric.au *0.9 *edition 3.0",
            "  reader.read_threads *3 *--mlps-set*",
        ]
    )


def test_show_config_gives_what_the_edition_decides(pytester):
    result = pytester.runpytest("--mlps-config=closed.yaml", "--mlps-show-config")
    result.stdout.fnmatch_lines(["training.warmup_runs *1 *edition 3.0", "training.measured_runs *5 *edition 3.0"])


def test_a_dry_run_shows_commands_and_bytes_and_writes_nothing(pytester):
    result = pytester.runpytest_subprocess(BENCHMARKS, "--mlps-config=quick.yaml", "--mlps-dry-run", "-p", "no:cacheprovider")
    text = result.stdout.str()
    assert "mpirun" in text, text
    assert "-m pytest_mlpstorage.dlio --mlps-ranks=2" in text
    assert "70 files × 4.00 MiB = 280.00 MiB (293601280 bytes)" in text
    assert "a rank" in text
    assert [name for name in ("mlps-data", "mlps-results") if (pytester.path / name).exists()] == []
    result.assert_outcomes(passed=24, skipped=5)


def test_placeholders_of_closed_collect_and_fail_at_preflight_by_name(pytester):
    result = pytester.runpytest_subprocess(
        BENCHMARKS, "--mlps-config=closed.yaml", "-k", "test_preflight", "-p", "no:cacheprovider", "--mlps-dry-run"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*placeholders*", "*submitter = *", "*data_dir = *"])


def test_a_dry_run_with_placeholders_left_tells_them_and_nothing_that_comes_of_them(pytester):
    result = pytester.runpytest(BENCHMARKS, "--mlps-config=closed.yaml", "--mlps-dry-run", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    assert "test_preflight[unet3d-b200]" in text
    assert not re.search(r"MLPS-E(?!120)", text)
    assert re.search(r"FAILED .*::test_(?!preflight|host)", text) is None


@pytest.mark.parametrize(
    "module", ["torch", "pandas", "numpy", "matplotlib", "mpi4py.MPI", "dlio_benchmark", "pytest_mlpstorage.rules.book"]
)
def test_collection_imports_nothing_heavy(module, tmp_path):
    program = (
        "import sys, pytest\n"
        f"code = pytest.main(['--collect-only', '-q', {str(BENCHMARKS)!r}, '--mlps-config=closed.yaml', '-p', 'no:cacheprovider'])\n"
        f"sys.exit(10 if {module!r} in sys.modules else int(code))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_one_family_still_has_to_be_told_keeps_no_other_from_running(pytester):
    told = [f"--mlps-set={key}" for key in ("submitter=acme", "system=box", "data_dir=data", "results_dir=results")]
    result = pytester.runpytest(
        BENCHMARKS,
        "--mlps-config=closed.yaml",
        *told,
        "-k",
        "test_preflight and (unet3d or milvus)",
        "-p",
        "no:cacheprovider",
        "--mlps-dry-run",
    )
    text = result.stdout.str().split("short test summary info")[0]  # which repeats whole messages where CI is set
    assert text.count("still holds placeholders") == 1
    assert "vectordb.workloads.0.uri" in text
    assert "unet3d-b200: 8 simulated accelerators" in text
