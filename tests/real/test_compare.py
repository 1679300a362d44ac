"""A benchmark that is measured again and compared with itself: the last result, limits, and the start that the history gives again."""

import json
import subprocess
import sys

import pytest
from small_suite import CONFIG, Suite

pytestmark = pytest.mark.real


@pytest.mark.full
def test_a_result_is_compared_with_the_one_that_it_replaces_and_a_broken_limit_fails_it(tmp_path):
    suite = Suite(tmp_path)
    (tmp_path / "suite.yaml").write_text(CONFIG)
    first = suite.run("--mlps-compare=last", "--mlps-fail-if=train_au<-99%", "--mlps-set=reader.read_threads=2")
    assert first.code == 1, first.text
    assert "there is no earlier result to hold it against: no earlier result of training unet3d on b200 with 2 ranks is in" in first.text
    assert "::TestTraining::test_result[unet3d-b200]" in first.text

    history = [sys.executable, "-m", "pytest_mlpstorage.history", str(suite.results)]
    listed = json.loads(subprocess.run([*history, "--json"], capture_output=True, text=True, check=True).stdout)
    assert [(entry["model"], entry["verdict"], entry["system"]) for entry in listed] == [("unet3d", "WHATIF", "small")]
    again = [
        *history,
        "--rerun",
        listed[0]["id"],
        "--",
        "--mlps-fail-if=train_throughput<+99%",
        "--junitxml=junit.xml",
        "-p",
        "no:cacheprovider",
    ]
    second = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True)
    assert second.returncode == 1, second.stdout + second.stderr
    section = second.stdout[second.stdout.index("MLPerf Storage =") :]
    assert "compared with .mlps/superseded/" in section
    assert "(set aside: --mlps-rerun=run)" in section
    assert "no spread known" in section  # one run is measured
    assert "also different" not in section  # the thread that was set is set again
    assert "--mlps-fail-if=train_throughput<+99%: train_throughput " in section
    assert "mlps_change train_au" in (tmp_path / "junit.xml").read_text()
    assert len(suite.leaves()) == 1

    listed = json.loads(subprocess.run([*history, "--json"], capture_output=True, text=True, check=True).stdout)
    assert [entry["verdict"] for entry in listed] == ["WHATIF", "SET ASIDE"]
    kept = suite.run("--mlps-compare=last", "--mlps-fail-if=train_throughput<-99%", "--mlps-set=reader.read_threads=2")
    assert kept.code == 0, kept.text
