"""``python -m pytest_mlpstorage.vectordb.worker JOB.json ROLE RANK NUMBER HEART``: one process that touches the engine, at its rank's word.

Roles: ``build`` loads and builds the collection, ``abandon`` drops it; ``prepare`` looks at what is there before a run and cools it;
``search`` is one client. Words come as JSON lines on standard input, answers go as JSON lines to what was standard output; whatever else
is printed there (by a native library, say) goes to standard error. HEART is the descriptor of the cell in which it counts the searches
that it begins.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_mlpstorage.launch.processes import die_with_parent
from pytest_mlpstorage.vectordb.channel import Channel
from pytest_mlpstorage.vectordb.failures import words_of
from pytest_mlpstorage.vectordb.heart import Heart
from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the role says; every failure is told to the rank, and its trace to standard error where nobody expected it."""
    # A rank that is killed closes no phase: its workers would search on, and disturb whoever measures next.
    die_with_parent(signal.SIGKILL)
    file, role, rank, number, heart = sys.argv[1:] if argv is None else argv
    said = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    for each in (signal.SIGINT, signal.SIGTERM):
        # The terminal's Ctrl-C reaches every process; the rank decides, and says so by SIGTERM.
        signal.signal(each, signal.SIG_IGN if each == signal.SIGINT else signal.SIG_DFL)
    channel = Channel(sys.stdin.buffer, said, Heart(int(heart)))
    try:
        _role(role)(VectorJob.load(Path(file)), channel, int(rank), int(number))
    except KeyboardInterrupt:
        return 0
    except BaseException as error:  # noqa: BLE001 - the rank is told of each one
        words = words_of(error)
        if not words["kind"]:
            traceback.print_exc()
        channel.say(**words)
        return 1
    return 0


def _role(name: str) -> Callable[[VectorJob, Channel, int, int], None]:
    if name in {"build", "abandon"}:
        from pytest_mlpstorage.vectordb import datagen

        return {"build": datagen.build_collection, "abandon": datagen.abandon_collection}[name]
    from pytest_mlpstorage.vectordb import searching

    return {"prepare": searching.prepare, "search": searching.search}[name]


if __name__ == "__main__":
    raise SystemExit(main())
