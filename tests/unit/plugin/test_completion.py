"""What argcomplete is told of our options, asked as a shell asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage import completion

SEPARATOR = "\x0b"


@pytest.fixture
def complete(tmp_path):
    """Ask pytest what may follow on a line, in a folder with a YAML file and a folder."""
    pytest.importorskip("argcomplete", reason="the extra 'completion' is not installed")
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "tree").mkdir()

    def asked(line):
        program = (
            "import os, sys\n"
            "os.dup2(os.open('answers', os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 8)\n"
            "os.dup2(os.open(os.devnull, os.O_WRONLY), 9)\n"
            "sys.argv = ['pytest']\n"
            "import pytest\n"
            "sys.exit(pytest.console_main())\n"
        )
        asks = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": SEPARATOR, "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, **asks}, capture_output=True, check=True)
        return (tmp_path / "answers").read_text().split(SEPARATOR)

    return asked


def test_every_option_of_ours_is_completed(complete, request):
    (ours,) = (group for group in request.config._parser._groups if group.name == "mlpstorage")
    expected = {name for option in ours.options for name in option.names() if name.startswith("--mlps-")}
    assert set(complete("pytest --mlps-")) == expected
    assert [word.strip() for word in complete("pytest --results-d")] == ["--results-dir"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pytest --mlps-config ", {"closed.yaml", "open.yaml", "quick.yaml", "mine.yaml", "tree/"}),
        ("pytest --mlps-config q", {"quick.yaml"}),
        ("pytest rules/ --mlps-profile ", {"strict", "v3.0-round"}),
        ("pytest rules/ --mlps-edition ", {"1.0", "2.0", "3.0"}),
        ("pytest --results-dir t", {"tree/"}),
        ("pytest --mlps-compare ", {"last", "tree/"}),
        ("pytest --mlps-explain MLPS-E41", {"MLPS-E410", "MLPS-E411", "MLPS-E412", "MLPS-E413", "MLPS-E414"}),
    ],
)
def test_values_are_completed(complete, line, words):
    assert {word.strip() for word in complete(line)} == words


def test_a_value_behind_an_equals_sign_is_completed(complete):
    assert [word.strip() for word in complete("pytest --mlps-config=qu")] == ["--mlps-config=quick.yaml"]


def test_a_folder_that_cannot_be_read_offers_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert completion.directories("nowhere/x") == []
    assert set(completion.configurations("nowhere/x")) == {"quick.yaml", "open.yaml", "closed.yaml"}


def test_an_option_stores_what_was_typed_as_before(pytester):
    result = pytester.runpytest_subprocess("--mlps-config", "qick.yaml", "--mlps-show-config")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*quick.yaml*"])


def test_the_page_names_what_is_completed():
    page = (Path(__file__).parents[3] / "docs/terminal.md").read_text()
    assert "register-python-argcomplete pytest" in page
    for option in ("--mlps-config", "--mlps-profile", "--mlps-edition", "--mlps-explain", "--results-dir", "--mlps-compare"):
        assert f"`{option}`" in page
