"""``pytest rules/`` as a reviewer starts it: on what a benchmark has just written, and on the published rounds."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "rules"
CORPORA = Path(__file__).parents[2] / ".." / "shared" / "corpora"
needs_dlio = pytest.mark.skipif(
    find_spec("dlio_benchmark") is None, reason="DLIO is not installed: python -m pytest_mlpstorage.bootstrap install"
)
needs_corpora = pytest.mark.skipif(not CORPORA.is_dir(), reason="the published corpora are not beside this repository")


def review(folder, tree, *arguments):
    command = [sys.executable, "-m", "pytest", str(RULES), f"--results-dir={tree}", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def verdicts(folder, name="verdicts"):
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.full
@pytest.mark.real
@needs_dlio
def test_both_suites_give_one_verdict_on_what_was_measured(suite):
    measured = suite.run("--mlps-output=measured")
    assert measured.code == 0, measured.text
    reviewed = review(suite.folder, "mlps-results", "-n2", "--mlps-output=reviewed")
    assert reviewed.returncode == 0, reviewed.stdout
    assert verdicts(suite.folder / "measured") == verdicts(suite.folder / "reviewed")
    (submission,) = verdicts(suite.folder / "reviewed", "submissions")
    assert submission["verdict"] == "WHATIF"


@needs_corpora
@pytest.mark.parametrize("corpus", ["v1.0", "v2.0", "v3.0"])
def test_a_published_round_is_judged_alike_with_and_without_workers(tmp_path, corpus):
    said = []
    for workers in ("-n0", "-n2"):
        done = review(
            tmp_path,
            CORPORA / corpus,
            workers,
            f"--mlps-output={workers}",
            f"--junitxml={workers}.xml",
            f"--html={workers}.html",
            "--tb=no",
        )
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        said.append([(tmp_path / workers / name).read_text() for name in ("verdicts.json", "verdicts.csv")])
        for name in (f"{workers}.xml", f"{workers}.html"):
            assert (tmp_path / name).stat().st_size > 10_000
    assert said[0] == said[1]


@needs_corpora
@pytest.mark.parametrize("corpus", ["v1.0", "v2.0", "v3.0"])
def test_every_directory_of_a_published_round_is_an_item_or_named(tmp_path, corpus):
    """Directories that hold a summary are runs; each is below a judged result or named as left out."""
    done = review(tmp_path, CORPORA / corpus, "-n0", "-rs", "--mlps-output=out", "--tb=no")
    judged = [verdict["path"] for verdict in verdicts(tmp_path / "out")]
    for summary in sorted((CORPORA / corpus).rglob("*summary*.json")):
        path = summary.relative_to(CORPORA / corpus).as_posix()
        assert any(path.startswith(f"{result}/") for result in judged) or path.rpartition("/")[0] in done.stdout, path
