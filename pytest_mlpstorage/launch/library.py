"""Which MPI library the ranks will load."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["library_kind"]


def library_kind(environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """The libmpi that mpi4py will load in a rank, and whose it is: ``openmpi`` or ``mpich``; None: the loader decides.

    mpi4py looks at MPI4PY_LIBMPI, then into the interpreter's own environment, in this order of names. Nothing is loaded
    to find out: a libmpi in this process would break later launches.
    """
    named = environ.get("MPI4PY_LIBMPI", "")
    folders = [Path(part).expanduser() for part in named.split(os.pathsep)] if named else [Path(sys.prefix) / "lib"]
    for folder in folders:
        for path in [folder / name for name in ("libmpi.so", "libmpi.so.12", "libmpi.so.40")] if folder.is_dir() else [folder]:
            if path.is_file():
                text = path.read_bytes()[:200].decode("ascii", errors="replace") if path.stat().st_size < 200 else ""
                target = text or path.resolve().name
                return path, "mpich" if "libmpi.so.12" in target or "libmpich" in target else "openmpi"
    return None
