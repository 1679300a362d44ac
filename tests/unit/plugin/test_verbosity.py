"""What the header says more with ``-vv``: where the settings came from that somebody made."""

from pathlib import Path

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
PLAN = (BENCHMARKS, "--mlps-config=quick.yaml", "--mlps-dry-run", "-k", "test_host", "-p", "no:cacheprovider")


def test_origins_are_told_at_two_v_and_not_before(pytester):
    text = pytester.runpytest_subprocess(*PLAN, "-vv", "--mlps-set=reader.read_threads=3").stdout.str()
    assert "mlpstorage setting: division = whatif (" in text
    assert "quick.yaml:12:" in text
    assert "reader.read_threads = 3 (--mlps-set" in text
    assert "metric.au" not in text  # which the edition decides
    assert "mlpstorage setting" not in pytester.runpytest_subprocess(*PLAN, "-v").stdout.str()


def test_a_password_in_a_setting_is_hidden(pytester):
    address = "--mlps-set=vectordb.workloads.0.uri=postgresql://me:hunter2@host/db"
    text = pytester.runpytest_subprocess(*PLAN, "-vv", address, "--mlps-set=vectordb.workloads.0.engine=pgvector").stdout.str()
    assert "vectordb.workloads.0.uri = postgresql://me" in text
    settings = [line for line in text.splitlines() if line.startswith("mlpstorage setting")]
    assert "hunter2" not in "\n".join(settings)
