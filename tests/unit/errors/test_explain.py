"""``--mlps-explain``: the page of a code on the terminal, and the codes that a message names."""

from __future__ import annotations

import errno
import os

import pytest

from pytest_mlpstorage import error_codes as module
from pytest_mlpstorage.error_codes import codes_in, error_codes, explain, page
from pytest_mlpstorage.errors import ConfigurationError, ValidationError, code_of_os


@pytest.mark.parametrize("asked", ["MLPS-E320", "mlps-e320", "E320", "320", "[MLPS-E320]", " e320 "])
def test_a_code_is_found_as_it_is_written(asked):
    assert explain(asked) == page(error_codes()["MLPS-E320"])


def test_all_is_the_table():
    assert explain("all").count("](MLPS-E") == len(error_codes())


LISTED = f", which lists all {len(error_codes())} from MLPS-E100 to {max(error_codes())}"
ASKED = [
    ("MLPS-E321X", "or all; did you mean MLPS-E321?"),
    ("e12", "or all; did you mean MLPS-E120 or MLPS-E121?"),
    ("E999", f"or all{LISTED}"),
    ("banana", f"or all{LISTED}"),
    ("", f"or all{LISTED}"),
]


@pytest.mark.parametrize(("asked", "near"), ASKED)
def test_another_word_is_refused_with_what_is_allowed(asked, near):
    with pytest.raises(ConfigurationError) as error:
        explain(asked)
    assert str(error.value).startswith(f"[MLPS-E130] --mlps-explain={asked}: allowed a code such as MLPS-E320, or all")
    assert str(error.value).endswith(near)


def test_the_option_prints_the_page_and_ends(pytester):
    result = pytester.runpytest("--mlps-explain=e410")
    assert result.ret == 0
    assert result.stdout.str().startswith("# MLPS-E410: There is no space left\n")
    assert "passed" not in result.stdout.str()


def test_the_option_refuses_another_word_with_exit_code_4(pytester):
    result = pytester.runpytest("--mlps-explain=E999")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "[MLPS-E130] --mlps-explain=E999: allowed a code" in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_a_message_may_name_several_codes_its_own_first():
    text = "[MLPS-E530] rank 1 on h: [MLPS-E410] full; rule MLPS-ENGINE-1; [MLPS-E530]; XMLPS-E111; MLPS-E1111"
    assert codes_in(text) == ("MLPS-E530", "MLPS-E410")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "MLPS-E410"),
        (errno.EDQUOT, "MLPS-E410"),
        (errno.EROFS, "MLPS-E411"),
        (errno.EACCES, "MLPS-E411"),
        (errno.ENOENT, "MLPS-E412"),
        (errno.ENOTDIR, "MLPS-E412"),
        (errno.EIO, "MLPS-E413"),
        (None, "MLPS-E413"),
    ],
)
def test_what_the_kernel_says_has_a_code(number, code):
    assert code_of_os(OSError(number, os.strerror(number)) if number else OSError("no number")) == code


@pytest.mark.parametrize("text", ["{", "[]", "MLPS-E110: {}", "MLPS-E110: []", "MLPS-E1: {title: a, means: b, remedies: [c]}", "1: {}"])
def test_a_damaged_table_is_one_error(tmp_path, monkeypatch, text):
    path = tmp_path / "codes.yaml"
    path.write_text(text)
    monkeypatch.setattr(module, "_TABLE", path)
    error_codes.cache_clear()
    try:
        with pytest.raises(ValidationError, match=r"^\[MLPS-E620\] the table of error codes"):
            error_codes()
    finally:
        error_codes.cache_clear()


def test_the_command_wants_a_folder(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        module.main([])
    assert ended.value.code == 4
    assert "python -m pytest_mlpstorage.error_codes: the following arguments are required: FOLDER" in capsys.readouterr().err
    assert module.main([str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "MLPS-E100.md").is_file()
