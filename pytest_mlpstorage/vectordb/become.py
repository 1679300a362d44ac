"""``python -I become.py PARENT SIGNAL USER PROGRAM…``: turns into a server that runs as an ordinary user.

Servers refuse to run as root. USER is ``-`` for whoever runs this, ``=UID:GID`` for root in a user namespace of its own where it is called
that - files then stay root's and nothing outside is allowed to it - or ``UID:GID`` for a real change to that user, where namespaces
are forbidden. SIGNAL is sent by the kernel when PARENT ends, however it ends: a server never outlives who started it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["EXIT_REFUSED", "main"]

EXIT_REFUSED: Final = 126
"""The user cannot be had, or the program cannot be started; one line on standard error says why."""

_CLONE_NEWUSER: Final = 0x10000000
_PR_SET_PDEATHSIG: Final = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Become the program; only returns where that fails."""
    parent, number, user, *command = sys.argv[1:] if argv is None else argv
    try:
        if user.startswith("="):
            _enter_namespace(user[1:])
        elif user != "-":
            uid, gid = map(int, user.split(":"))
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        # Last, for a change of the user takes it away.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != int(parent):
            return EXIT_REFUSED
        if command:
            os.execv(command[0], command)  # noqa: S606 - a list of arguments, no shell
    except OSError as error:
        sys.stderr.write(f"{error.strerror}: {command[0] if command else user}\n")
        return EXIT_REFUSED
    return 0


def _enter_namespace(user: str) -> None:
    uid, gid = user.split(":")
    outside = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside[0]} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside[1]} 1", encoding="ascii")


if __name__ == "__main__":
    raise SystemExit(main())
