"""A Python on another host, started over ssh by execnet: bounded in time, and what ssh says is kept."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.cluster import ssh_bridge
from pytest_mlpstorage.launch.connection import connection_fault

if TYPE_CHECKING:
    from execnet import Channel

__all__ = ["Login", "LoginFailed"]

_OPTIONS: Final = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
_END_SECONDS: Final = 1.0


class LoginFailed(Exception):
    """Why a host gave no answer, in one sentence without its name."""


class Login:
    """One host that is to be asked. ``words`` is a file for what ssh says there."""

    def __init__(self, ssh: Sequence[str], python: str, host: str, words: Path) -> None:
        self.host = host
        self._ssh, self._python, self._words = tuple(ssh), python, words
        self._order = words.with_suffix(".json")
        self._killed, self._over = threading.Event(), threading.Event()

    @contextlib.contextmanager
    def opened(self, seconds: float, program: str) -> Iterator[Channel]:
        """A channel to ``program`` (Python, with the name ``channel``) on the host, for at most so long. Raises LoginFailed."""
        import execnet
        from execnet.gateway_base import TimeoutError as SilentError

        began = time.monotonic()
        group, spec = execnet.Group(), execnet.XSpec("popen")
        try:
            spec.python = shlex.join(self._bridge(seconds))  # in a text of a specification no value may hold //
            yield group.makegateway(spec).remote_exec(program)
        except AssertionError as error:  # execnet's own, for a first byte that is not its
            raise LoginFailed("a login there prints something: it must print nothing where no person logs in") from error
        except SilentError as error:
            raise LoginFailed(f"no answer within {seconds:.0f} s") from error
        except (EOFError, OSError, execnet.RemoteError) as error:
            raise LoginFailed(self._why(error, seconds, time.monotonic() - began)) from error
        finally:
            self.kill()
            group.terminate(timeout=_END_SECONDS)
            self._over.set()

    def kill(self) -> None:
        """End the ssh, also one that waits for its host; of one that is over the number may be another's by now."""
        self._killed.set()
        with contextlib.suppress(OSError, ValueError):
            if not self._over.is_set():
                os.kill(int(self._said()[0]), signal.SIGKILL)

    def _bridge(self, seconds: float) -> list[str]:
        if self._killed.is_set():
            raise LoginFailed("not asked any more")
        order = {
            "words": str(self._words),
            "seconds": max(1, math.ceil(seconds)),
            "ssh": [*self._ssh, *_OPTIONS, self.host],
            "python": self._python,
        }
        self._order.write_text(json.dumps(order), encoding="utf-8")
        return [sys.executable, "-IS", ssh_bridge.__file__, str(self._order)]

    def _said(self) -> list[str]:
        return self._words.read_text(encoding="utf-8", errors="replace").splitlines() or [""]

    def _why(self, error: Exception, seconds: float, taken: float) -> str:
        lines: list[str] = []
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self._said()[1:] if line.strip()]
        remote = str(error).strip().splitlines()[-1:] if type(error).__name__ == "RemoteError" else []
        if remote and "pytest_mlpstorage" in remote[0] and "ModuleNotFoundError" in remote[0]:
            return f"{self._python} there has no pytest-mlpstorage, or another version of it"
        if told := connection_fault(lines):
            return told
        if not lines and isinstance(error, OSError) and error.filename:  # of this host, before there was an ssh
            return f"{error.filename}: {error.strerror}"
        silent = f"no answer within {seconds:.0f} s" if taken >= seconds - _END_SECONDS else "ssh ended without a word"
        return (lines or remote or [silent])[-1]
