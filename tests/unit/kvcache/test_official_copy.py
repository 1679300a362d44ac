"""What is found out about the user's copy of the official program before anything is launched."""

from __future__ import annotations

import sys

import pytest
from official_stand_in import write_copy

from pytest_mlpstorage.errors import ConfigurationError, DependencyError
from pytest_mlpstorage.kvcache.official_copy import child_environment, find_copy, folder_digest
from pytest_mlpstorage.results.tree_hash import tree_hash


@pytest.mark.parametrize("form", ["program", "wrapper", "table"])
def test_the_form_of_a_copy_is_read_from_the_help_of_its_wrapper(form, tmp_path):
    found = find_copy(write_copy(tmp_path / "copy", form), sys.executable)
    assert found.form == form
    assert found.digest == tree_hash(tmp_path / "copy").digest
    assert found.script(form).name == ("kv-cache.py" if form == "program" else "mlperf_wrapper.py")
    assert found.config == tmp_path / "copy/config.yaml"
    assert found.takes("program", "num-users") == (form != "wrapper")


def test_a_wrapper_that_takes_delays_shows_them(tmp_path):
    assert not find_copy(write_copy(tmp_path / "a", "wrapper"), sys.executable).takes("wrapper", "start-delay")
    assert find_copy(write_copy(tmp_path / "b", "wrapper", delays=True), sys.executable).takes("wrapper", "start-delay")


def test_a_folder_without_the_program_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no kv-cache\.py"):
        find_copy(tmp_path, sys.executable)


def test_a_wrapper_of_neither_form_is_refused_with_its_flags(tmp_path):
    copy = write_copy(tmp_path / "copy")
    (copy / "mlperf_wrapper.py").write_text("import argparse\np = argparse.ArgumentParser()\np.add_argument('--other')\np.parse_args()\n")
    with pytest.raises(ConfigurationError, match="of neither known form") as caught:
        find_copy(copy, sys.executable)
    assert "other" in caught.value.details["flags"]


def test_a_script_that_lacks_a_flag_that_it_has_to_be_told_is_refused_by_that_flag(tmp_path):
    copy = write_copy(tmp_path / "copy", "wrapper")
    wrapper = copy / "mlperf_wrapper.py"
    wrapper.write_text(wrapper.read_text().replace('"seed-base", "config"', '"config"'))
    with pytest.raises(ConfigurationError, match="does not take what it has to be told: --seed-base"):
        find_copy(copy, sys.executable)


def test_a_script_whose_help_fails_says_its_last_line(tmp_path):
    copy = write_copy(tmp_path / "copy")
    (copy / "kv-cache.py").write_text("raise SystemExit('no module named kv_cache')\n")
    with pytest.raises(ConfigurationError, match=r"--help ends with exit code 1: no module named kv_cache"):
        find_copy(copy, sys.executable)


def test_an_interpreter_that_lacks_what_the_program_needs_is_told_before_the_program_is(tmp_path):
    copy, shell = write_copy(tmp_path / "copy"), tmp_path / "python"
    shell.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'yaml'\" >&2\nexit 1\n")
    shell.chmod(0o755)
    with pytest.raises(DependencyError, match="cannot import numpy and yaml, which the official program needs: ModuleNotFoundError"):
        find_copy(copy, str(shell))
    with pytest.raises(DependencyError, match="cannot be started"):
        find_copy(copy, str(tmp_path / "none"))


def test_asking_changes_nothing_in_the_copy(tmp_path):
    copy = write_copy(tmp_path / "copy", "table")
    before = sorted(path.name for path in copy.rglob("*"))
    find_copy(copy, sys.executable)
    assert sorted(path.name for path in copy.rglob("*")) == before


def test_a_copy_that_cannot_be_hashed_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be hashed"):
        folder_digest(tmp_path / "none")


def test_libraries_are_loaded_before_all_others_only_where_that_was_declared():
    assert child_environment("", {"LD_PRELOAD": "/x.so", "HOME": "/h"}) == {"HOME": "/h"}
    assert child_environment("/y.so", {"LD_PRELOAD": "/x.so"}) == {"LD_PRELOAD": "/y.so"}
