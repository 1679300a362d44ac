"""Facts of three hosts, in turn with a bare MPI hello over them: at most 2 times as long. Needs root, for the hosts are pretended.

The bare side is the launcher's own command with a program that gathers the names of the hosts: no guard, no supervisor. The other one is
all of what a session does to know its hosts. The same over ssh, and with every directory tried, is told beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "real"))
import pretend_hosts
from pairs import INCONCLUSIVE, conclude

from pytest_mlpstorage.cluster.survey import survey_hosts
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Host, Job

GOAL = 2.0
MEMORY_GIB = (64, 128, 256)
REPO = Path(__file__).resolve().parents[2]
HELLO = """
import socket
from mpi4py import MPI
names = MPI.COMM_WORLD.gather(socket.gethostname())
if names is not None:
    print(" ".join(names))
"""


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(pairs: int, ssh: str, folder: Path) -> None:
    """On the first host: print one line of JSON a pair. All hosts see the folder."""
    launcher, hosts = find_launcher(), tuple(Host(f"h{number + 1}", 1) for number in range(len(MEMORY_GIB)))
    command = launcher.command(Job(len(hosts), ("-c", HELLO), hosts=hosts))

    def hello() -> None:
        told = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=120).stdout
        assert sorted(told.split()) == ["h1", "h2", "h3"], told

    def facts(over: list[str] | None = None, *, write: bool = False) -> None:
        cluster = survey_hosts(launcher, hosts, [folder], write=write, ssh=over).require()
        assert [host.memory_bytes >> 30 for host in cluster.hosts] == list(MEMORY_GIB)

    hello()
    for _ in range(pairs):
        told = {"hello": seconds(hello), "facts": seconds(facts), "tried": seconds(lambda: facts(write=True))}
        print(json.dumps({**told, "ssh": seconds(lambda: facts([ssh]))}), flush=True)


def main() -> int:
    """Make the hosts, alternate on the first of them, and conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer pairs")
    parser.add_argument("--on-first-host", nargs=2, metavar=("SSH", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    pairs = 5 if arguments.short else 20
    if arguments.on_first_host:
        measure(pairs, arguments.on_first_host[0], Path(arguments.on_first_host[1]))
        return 0
    missing = [program for program in pretend_hosts.NEEDED if shutil.which(program) is None]
    if os.geteuid() != 0 or missing:
        print(f"not established: needs root and {', '.join(pretend_hosts.NEEDED)}")
        return INCONCLUSIVE
    ratios = []
    with (
        tempfile.TemporaryDirectory(prefix="mlps-cluster-facts-") as folder,
        pretend_hosts.PretendHosts(MEMORY_GIB, shares=[Path(sys.prefix), REPO, Path(folder)]) as made,
    ):
        environment = [f"{name}={value}" for name, value in made.environment.items()]
        words = [sys.executable, str(Path(__file__).resolve()), "--on-first-host", str(made.ssh), folder]
        command = made.command("h1", ["env", *environment, *words, *(["--short"] if arguments.short else [])])
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as inside:
            assert inside.stdout is not None
            for line in inside.stdout:
                told = json.loads(line)
                ratios.append(told["facts"] / told["hello"])
                print(", ".join(f"{name} {value:.3f} s" for name, value in told.items()), flush=True)
        if inside.returncode:
            return 1
    return conclude(ratios, GOAL)


if __name__ == "__main__":
    sys.exit(main())
