"""Rates of our KV cache engine over fio's, in turn: at least 0.95 of them on a disk (0.8 in memory), for CPU of at most 1.2 times theirs.

A pair is our worker threads and as many fio jobs (psync, O_DIRECT) with the same files, calls and time. ``read`` and ``write`` go over
files that are there, 64 MiB a thread, again and again; ``fresh`` makes new ones, each forced to disk once when it is whole. Ours opens
a file an object, makes and stamps what it writes, and checks every stamp of what it reads, within its rates; fio keeps its files open,
writes one buffer over and over and looks at nothing. CPU is told with that work, and judged without: of as many calls as fio makes.

Our buffers lie in transparent huge pages, which fio cannot be told to use: most of what ours is faster by with 2 MiB goes to that.
``--small-pages`` takes them from both.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from rates import INCONCLUSIVE, MET, MISSED, conclude

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.kvcache.buffers import Arena, calls_of_stretch
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import HEADER_BYTES, ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.kvcache.trust_client import SwitchInterval
from pytest_mlpstorage.units import GIB, KIB, MIB

GOAL = 0.95
MEMORY_GOAL = 0.8
CPU_GOAL = 1.2
CPU_RUNS = 4
"""Beside so many of the pairs, or nearly, our calls alone are measured too."""
PR_SET_THP_DISABLE = 41
FILE = 64 * MIB
OBJECT = FILE - HEADER_BYTES
"""Whole calls only: fio would leave out the rest of a file."""


class NoContent(Content):
    """Neither makes nor checks anything."""

    def fill(self, *_: object) -> None:
        """Leave the buffer as it is."""

    def check(self, *_: object) -> None:
        """Believe it."""


class Side:
    """One measurement: bytes a second, and seconds of CPU a GiB."""

    def __init__(self, size: int, seconds: float, cpu: float) -> None:
        self.rate = size / seconds
        self.cpu = cpu / (size / GIB)


class Bench:
    """Both sides on one folder."""

    def __init__(self, folder: Path, threads: int, seconds: float, stores: int) -> None:
        self.folder = folder
        self.threads = threads
        self.seconds = seconds
        self.stores = stores
        self.there = folder / "there"
        self.fresh = folder / "fresh"

    def prepare(self) -> None:
        """Have a file a thread, stored by our engine."""
        self.there.mkdir()
        store = ObjectTarget(ObjectLayout(self.there), Arena(1, 2 * MIB), Content(2 * MIB))
        for entry in range(self.threads):
            store.write_object(entry, OBJECT, pass_no=0)
        store.close()

    def side(self, name: str, kind: str, block: int) -> Side:
        """One side, from a quiet disk."""
        shutil.rmtree(self.fresh, ignore_errors=True)
        self.fresh.mkdir()
        if kind == "fresh":
            os.sync()
        return self.fio(kind, block) if name == "fio" else self.ours(kind, block, Content if name == "ours" else NoContent)

    def ours(self, kind: str, block: int, content: type[Content]) -> Side:
        """As many threads as fio has jobs, in this process."""
        stop, folder = Stop(), self.fresh if kind == "fresh" else self.there
        durability = "fsync" if kind == "fresh" else "none"
        calls = calls_of_stretch(self.threads, block)
        arena = Arena(self.threads, block, calls)
        store = ObjectTarget(ObjectLayout(folder), arena, content(arena.stretch), durability=durability, stop=stop, keep=kind == "write")
        meet = threading.Barrier(self.threads + 1)

        def work(number: int) -> tuple[int, int]:
            meet.wait()
            moved = ended = 0
            for turn in itertools.count():
                if stop.now or (kind == "fresh" and turn == self.stores):
                    return moved, ended
                if kind == "read":
                    times = store.read_object(number, OBJECT, pass_no=0)
                else:
                    times = store.write_object(number + turn * self.threads if kind == "fresh" else number, OBJECT, pass_no=0)
                moved, ended = moved + times.moved_bytes, times.t_complete_ns
            raise AssertionError("counting never ends")

        with SwitchInterval(), ThreadPoolExecutor(self.threads) as pool:
            jobs = [pool.submit(work, number) for number in range(self.threads)]
            before = resource.getrusage(resource.RUSAGE_SELF)
            began = time.perf_counter_ns()
            meet.wait()
            if kind != "fresh":
                time.sleep(self.seconds)
                stop.now = True
            done = [job.result() for job in jobs]
            after = resource.getrusage(resource.RUSAGE_SELF)
        store.close()
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Side(sum(moved for moved, _ in done), (max(ended for _, ended in done) - began) / 1e9, cpu)

    def fio(self, kind: str, block: int) -> Side:
        """One job a thread."""
        rw = "read" if kind == "read" else "write"
        command = ["fio", "--output-format=json", f"--rw={rw}", f"--bs={block}", "--ioengine=psync", "--direct=1", "--thread"]
        command += ["--scramble_buffers=0", "--mem=mmap", "--fallocate=none"]
        if kind != "fresh":
            command += ["--time_based", f"--runtime={self.seconds}", f"--size={FILE}", "--overwrite=1"]
        for number in range(self.threads):
            command += [f"--name=job{number}"]
            if kind == "fresh":
                log = self.folder / f"fio{number}.log"
                log.write_text("".join(f"{line}\n" for line in self.calls(number, block)))
                command += [f"--read_iolog={log}"]
            else:
                command += [f"--filename={self.there}/kv_{number:08x}.npy"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            sys.exit(f"fio failed:\n{done.stdout}{done.stderr}")
        jobs = json.loads(done.stdout[done.stdout.index("{") :])["jobs"]
        moved = sum(job[rw]["io_bytes"] for job in jobs)
        if kind == "fresh" and moved != self.threads * self.stores * FILE:
            sys.exit(f"fio moved {moved} bytes, not {self.threads * self.stores * FILE}")
        seconds = max(job["job_runtime"] for job in jobs) / 1000
        return Side(moved, seconds, sum((job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] / 1000 for job in jobs))

    def calls(self, number: int, block: int) -> Iterator[str]:
        """What one of our threads does: each file made when it is opened, and forced to disk when it is whole."""
        paths = [self.fresh / f"fio{number}-{turn}" for turn in range(self.stores)]
        yield "fio version 2 iolog"
        yield from (f"{path} add" for path in paths)
        for path in paths:
            yield f"{path} open"
            yield from (f"{path} write {offset} {block}" for offset in range(0, FILE, block))
            yield f"{path} sync 0 0"
            yield f"{path} close"


def main() -> int:
    """Time pairs of every cell in turn until there are enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="under 50 s: two cells")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk (default: here)")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="in memory; one that is not is left out")
    parser.add_argument("--pairs", type=int, help="pairs of each cell")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side of a pair")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--stores", type=int, default=6, help="new files a thread in each side of a 'fresh' pair")
    parser.add_argument("--only", default="", help="a part of the names of the cells to measure, such as 'disk 2 MiB read'")
    parser.add_argument("--small-pages", action="store_true", help="no transparent huge pages, as fio has none")
    arguments = parser.parse_args()
    if arguments.small_pages and ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0:
        sys.exit("this kernel does not switch huge pages off for a process")
    if shutil.which("fio") is None:
        print("fio is not installed: nothing to compare with")
        return INCONCLUSIVE
    kinds = ("read", "write", "fresh")
    disk = [("disk", kind, block) for block in (128 * KIB, 2 * MIB) for kind in kinds]
    memory = [("memory", kind, 2 * MIB) for kind in kinds[:2]] if mount_of(arguments.memory).is_memory_fs else []
    cells = [("disk", "read", 2 * MIB), ("disk", "fresh", 2 * MIB)] if arguments.short else disk + memory
    cells = [cell for cell in cells if arguments.only in cell_name(cell)]
    if not cells:
        parser.error(f"no cell is called {arguments.only!r}")
    pairs = arguments.pairs or (6 if arguments.short else 12)
    codes = []
    for place, folder, goal in (("disk", arguments.folder, GOAL), ("memory", arguments.memory, MEMORY_GOAL)):
        here = [cell for cell in cells if cell[0] == place]
        if not here:
            continue
        work = Path(tempfile.mkdtemp(prefix="mlps-kvcache-", dir=folder))
        try:
            bench = Bench(work, arguments.threads, arguments.seconds, arguments.stores)
            bench.prepare()
            codes.append(judge(bench, here, pairs, goal, judge_cpu=place == "disk"))
        finally:
            shutil.rmtree(work)
    return MISSED if MISSED in codes else max(codes)


def judge(bench: Bench, cells: list[tuple[str, str, int]], pairs: int, goal: float, *, judge_cpu: bool) -> int:
    """Measure all cells of a place, and say what came of it."""
    ratios: dict[str, list[float]] = {}
    cpu: dict[str, list[tuple[float, float]]] = {}
    alone: dict[str, list[float]] = {}
    print(f"{'cell':>20} {'ours MiB/s':>11} {'fio MiB/s':>10} {'ratio':>6}")
    for cell in cells:
        _, kind, block = cell
        name = cell_name(cell)
        for pair, sides in enumerate(itertools.islice(itertools.cycle((("ours", "fio"), ("fio", "ours"))), pairs)):
            made = {side: bench.side(side, kind, block) for side in sides}
            ours, fio = made["ours"], made["fio"]
            ratios.setdefault(name, []).append(ours.rate / fio.rate)
            cpu.setdefault(name, []).append((ours.cpu, fio.cpu))
            print(f"{name:>20} {ours.rate / MIB:>11.0f} {fio.rate / MIB:>10.0f} {ours.rate / fio.rate:>6.3f}", flush=True)
            if pair % max(1, pairs // CPU_RUNS) == 0:
                alone.setdefault(name, []).append(bench.side("alone", kind, block).cpu)
        if kind == "write":  # others wrote over what is read next
            shutil.rmtree(bench.there)
            bench.prepare()
    dear = False
    for name, sides in cpu.items():
        ours, fio = (statistics.median(side) for side in zip(*sides, strict=True))
        bare = statistics.median(alone[name])
        dear = dear or bare > CPU_GOAL * fio
        calls = f"its calls alone={bare:.3f} fio={fio:.3f} ratio={bare / fio:.2f} (goal {CPU_GOAL})"
        print(f"{name}: CPU s/GiB ours={ours:.3f} ({ours / fio:.2f} of fio's) {calls}")
    code = conclude(ratios, goal)
    if code == MET and dear and judge_cpu:
        print("the rates are met, the CPU is not")
        return MISSED
    return code


def cell_name(cell: tuple[str, str, int]) -> str:
    """What a cell is called."""
    place, kind, block = cell
    return f"{place} {block // MIB} MiB {kind}" if block >= MIB else f"{place} {block // KIB} KiB {kind}"


if __name__ == "__main__":
    begun = time.monotonic()
    code = main()
    print(f"{time.monotonic() - begun:.0f} s")
    sys.exit(code)
