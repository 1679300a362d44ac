"""A server program that the suite starts itself: as an ordinary user also under root, gone with its starter, and ended in good order."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from pytest_mlpstorage.vectordb import become
from pytest_mlpstorage.vectordb.engine import EngineError

__all__ = ["OrdinaryUser", "ServerProcess", "ordinary_user"]

_POLL_SECONDS: Final = 0.05
_KILL_SECONDS: Final = 10.0
_LOG_LINES: Final = 12
_PREFERRED: Final = ("postgres", "nobody")


@dataclasses.dataclass(frozen=True)
class OrdinaryUser:
    """As whom a server runs: ``word`` is what ``become`` understands; with ``owner`` its files must belong to that uid and gid."""

    word: str
    owner: tuple[int, int] | None = None

    def give(self, folder: Path) -> None:
        """Make a folder of ours its own, with everything in it."""
        if self.owner is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, *self.owner, follow_symlinks=False)

    def command(self, program: Sequence[str], *, with_parent: signal.Signals) -> list[str]:
        """The command that runs a program as this user, and sends it that signal when this process ends."""
        # By its path and isolated: it needs nothing of the package, which its working directory or environment may hide.
        return [sys.executable, "-I", become.__file__, str(os.getpid()), str(int(with_parent)), self.word, *program]


def ordinary_user() -> OrdinaryUser:
    """Who this process may run a server as: itself, or for root a name in a user namespace, or else a real user."""
    if os.geteuid() != 0:
        return OrdinaryUser("-")
    users = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    # Programs look up who they are, so it must be a user of this system also in a namespace.
    entry = next((users[name] for name in _PREFERRED if name in users), None) or next(iter(users.values()), None)
    if entry is None:
        raise EngineError(
            "a server cannot run as root, and there is no other user here",
            suggestion="run as another user, or give an address",
            code="MLPS-E512",
        )
    named = OrdinaryUser(f"={entry.pw_uid}:{entry.pw_gid}")
    if subprocess.run(named.command([], with_parent=signal.SIGKILL), check=False, capture_output=True).returncode == 0:
        return named
    return OrdinaryUser(f"{entry.pw_uid}:{entry.pw_gid}", (entry.pw_uid, entry.pw_gid))


class ServerProcess:
    """One server: ``start`` waits until ``ready`` says yes, ``stop`` asks it to end and then makes it.

    ``ask_to_end`` is the signal that ends it in good order; ``with_parent`` the one that it gets when this process dies. It runs in a
    session of its own, so that an interrupt at the terminal does not reach it before those who use it.
    """

    def __init__(
        self, name: str, log: Path, *, ask_to_end: signal.Signals, end_seconds: float, with_parent: signal.Signals = signal.SIGKILL
    ) -> None:
        self._name, self._log = name, log
        self._ask_to_end, self._end_seconds, self._with_parent = ask_to_end, end_seconds, with_parent
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it is ours."""
        return self._process.pid if self._process is not None else None

    def start(
        self,
        program: Sequence[str],
        user: OrdinaryUser,
        *,
        ready: Callable[[], bool],
        seconds: float,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Start it and wait. Raises EngineError with the end of its log where it is not ready in time."""
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    user.command(program, with_parent=self._with_parent),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd=folder,
                    start_new_session=True,
                )
        except OSError as error:
            raise EngineError(
                f"the {self._name} server cannot be started: {error.strerror}",
                details={"log": self._log},
                suggestion="see that its folder can be written to, and how many processes this user may have (ulimit -u)",
                cause=error,
                code="MLPS-E512",
            ) from error
        until = time.monotonic() + seconds
        try:
            while not ready():
                if self._process.poll() is not None:
                    raise self._failed(f"the {self._name} server ended with exit code {self._process.returncode} while it started")
                if time.monotonic() > until:
                    raise self._failed(f"the {self._name} server was not ready after {seconds:g} s")
                time.sleep(_POLL_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, however long that takes within the limits; a second time does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        children = _children(process.pid)
        if process.poll() is None and not _is_frozen(process.pid):
            process.send_signal(self._ask_to_end)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self._end_seconds)
        if process.poll() is None:
            process.kill()
        try:
            process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise EngineError(
                f"the {self._name} server does not end, {_KILL_SECONDS:g} s after it was killed",
                details={"pid": process.pid, "log": self._log},
                suggestion="see the kernel's log: it may wait for a disk or a network filesystem that does not answer",
                cause=error,
                code="MLPS-E512",
            ) from error
        # Its children leave when it is gone. One that does not may have a session of its own, as all of PostgreSQL's.
        for child in psutil.wait_procs(children, timeout=_KILL_SECONDS)[1]:
            with contextlib.suppress(psutil.Error):
                child.kill()
        until = time.monotonic() + _KILL_SECONDS
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < until:
                os.killpg(process.pid, 0)
                time.sleep(_POLL_SECONDS)
            os.killpg(process.pid, signal.SIGKILL)

    def _failed(self, message: str) -> EngineError:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:
            lines = []
        return EngineError(
            message,
            details={"log": self._log, "its last lines": " | ".join(line.strip() for line in lines if line.strip()) or "none"},
            suggestion="see the log; another folder, another user or the address of a server that runs already may be the way out",
            code="MLPS-E512",
        )


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _is_frozen(pid: int) -> bool:
    """Whether a process is stopped (SIGSTOP): it heeds no signal but the one that kills it."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] in {"T", "t"}
    return False
