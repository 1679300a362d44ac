"""The command line, its messages and exit codes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlpstorage.bootstrap import command as module
from pytest_mlpstorage.bootstrap.command import main, pytest_command
from pytest_mlpstorage.bootstrap.locks import CLONE

ROOT = Path(__file__).resolve().parents[3]
OLD = ["2.7", "3.6", "3.8", "3.9"]


@pytest.fixture
def ran(monkeypatch):
    """Note the pytest command instead of running it, in an environment that is there already."""
    commands = []
    monkeypatch.setattr(module, "install_venv", lambda *_arguments, **_options: "python")
    monkeypatch.setattr(module, "_run", lambda command, _directory: commands.append(list(command)) or 0)
    monkeypatch.setattr(module.signal, "signal", lambda *_arguments: None)
    return commands


def test_quick_runs_the_scaled_down_benchmarks_with_both_reports(ran, monkeypatch):
    monkeypatch.chdir(CLONE)
    assert main(["quick"]) == 0
    assert ran == [
        [
            "python",
            "-m",
            "pytest",
            "benchmarks/",
            "--mlps-config=quick.yaml",
            "--html=mlps-report.html",
            "--junitxml=mlps-junit.xml",
            "--self-contained-html",
        ]
    ]


def test_from_another_folder_the_suite_is_named_in_full(tmp_path):
    assert pytest_command("python", "quick", [], directory=tmp_path)[3] == str(CLONE / "benchmarks")


def test_what_is_not_ours_goes_to_pytest_in_its_order(ran):
    main(["quick", "-k", "unet3d and not run", "--venv", "/x", "--mlps-set", "reader.read_threads=8", "-x", "--", "--without-dlio"])
    assert ran[0][-6:] == ["-k", "unet3d and not run", "--mlps-set", "reader.read_threads=8", "-x", "--without-dlio"]


def test_what_a_user_gives_replaces_ours(ran):
    main(["quick", "--html", "other.html", "--mlps-config=mine.yaml"])
    assert "--html=mlps-report.html" not in ran[0]
    assert "--mlps-config=quick.yaml" not in ran[0]
    assert "--junitxml=mlps-junit.xml" in ran[0]


def test_test_runs_the_tests_that_pytest_is_configured_for(ran):
    main(["test", "tests/unit", "-q"])
    assert ran == [["python", "-m", "pytest", "tests/unit", "-q"]]


def test_an_abbreviated_option_is_pytests_and_not_ours(ran):
    main(["quick", "--with"])
    assert ran[0][-1] == "--with"


def test_install_takes_nothing_else(ran, capsys):
    assert main(["install", "--hmtl=x"]) == 4
    assert "install takes no --hmtl=x" in capsys.readouterr().err


@pytest.mark.parametrize("clone", [True, False], ids=["an unpacked sdist", "an installed wheel"])
def test_where_no_tests_are_it_says_so(ran, tmp_path, monkeypatch, capsys, clone):
    monkeypatch.setattr(module, "CLONE", tmp_path)
    monkeypatch.setattr(module, "is_clone", lambda: clone)
    assert main(["test"]) == 4
    assert "the tests are part of a clone" in capsys.readouterr().err
    assert ran == []


def test_elsewhere_than_on_linux_it_ends_with_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["quick"]) == 4
    assert "Linux only; this is darwin" in capsys.readouterr().err


def test_a_report_is_named_only_if_this_run_wrote_it(tmp_path):
    (tmp_path / "a.html").touch()
    command = ["--html=a.html", "--junitxml", "b.xml"]
    assert module._reports(command, tmp_path, 0.0) == [f"report  {tmp_path / 'a.html'}"]
    assert module._reports(command, tmp_path, (tmp_path / "a.html").stat().st_mtime + 60) == []


def test_the_exit_code_is_that_of_the_program(tmp_path):
    code = "from pytest_mlpstorage.bootstrap.command import _run; import sys; sys.exit(_run([sys.executable, '-c', {!r}], {!r}))"
    for program, expected in [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)]:
        done = subprocess.run([sys.executable, "-c", code.format(program, str(tmp_path))], cwd=ROOT, capture_output=True)
        assert done.returncode == expected


def test_a_sigterm_that_reaches_only_us_goes_on_to_pytest(tmp_path):
    ready = tmp_path / "ready"
    child = (
        f"import pathlib, signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    code = (
        "from pytest_mlpstorage.bootstrap.command import _run; import pathlib, sys; "
        f"sys.exit(_run([sys.executable, '-c', {child!r}], pathlib.Path('.')))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    assert process.wait(timeout=20) == 7


def test_importing_the_package_imports_nothing_but_the_standard_library():
    code = (
        "import sys; import pytest_mlpstorage.bootstrap.command; "
        "names = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names); "
        "print(sorted(name for name in names if not name.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "['pytest_mlpstorage']", done.stderr


def test_importing_the_package_itself_imports_nothing_of_ours():
    code = "import sys; import pytest_mlpstorage; print([name for name in sys.modules if name.startswith('pytest_mlpstorage.')])"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def old_python(version):
    """Return the path of an old Python of this machine, or skip."""
    found = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")) + sorted(
        Path("/usr/bin").glob(f"python{version}")
    )
    if not found:
        pytest.skip(f"no Python {version} here")
    return found[0]


@pytest.mark.parametrize("version", OLD)
def test_an_old_python_gets_a_sentence_and_no_traceback(version):
    done = subprocess.run(
        [str(old_python(version)), "-m", "pytest_mlpstorage.bootstrap", "quick"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 4
    assert done.stderr.startswith(f"Python 3.10 or newer is needed; this is {version}.")
    assert "next: " in done.stderr
    assert "Traceback" not in done.stderr
