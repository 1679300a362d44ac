"""``python network_namespace.py PROGRAM…``: runs a program where there is no network but a loopback of its own.

A server that hears on all interfaces, and on ports that others use, can then be tried anywhere. As an ordinary user it also takes a user
namespace, in which that user keeps its name. Exit code 77: namespaces are not to be had here.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

NOT_HERE = 77
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def enter() -> None:
    """Put this process into a network namespace with a loopback that works. OSError where that is not allowed."""
    uid, gid = os.geteuid(), os.getegid()
    flags = _CLONE_NEWNET | (_CLONE_NEWUSER if uid != 0 else 0)
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


if __name__ == "__main__":
    try:
        enter()
    except OSError as error:
        sys.stderr.write(f"no network namespace: {error}\n")
        raise SystemExit(NOT_HERE) from None
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - a list of arguments, no shell
