"""``python pgvector_on_host.py FOLDER ADDRESS``: a PostgreSQL with pgvector that hears a network, on the host that it is started on.

It prints a line once it answers, and ends with whoever started it.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from pytest_mlpstorage.launch.processes import die_with_parent
from pytest_mlpstorage.vectordb import pgvector_server


def main(folder: Path, address: str) -> None:
    # Not asked for a password, all may come in; the suite gives one all the same, so that it can be looked for.
    of_its_own, make_cluster = pgvector_server._settings, pgvector_server._make_cluster

    def make_open_cluster(binaries, inner, user):
        make_cluster(binaries, inner, user)
        with (inner / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")

    pgvector_server._settings = lambda sockets: [*of_its_own(sockets), "-c", f"listen_addresses={address}"]
    pgvector_server._make_cluster = make_open_cluster
    server = pgvector_server.PostgresServer()
    server.start(folder)
    try:
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for this
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        server.stop()


if __name__ == "__main__":
    die_with_parent(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(Path(sys.argv[1]), sys.argv[2])
