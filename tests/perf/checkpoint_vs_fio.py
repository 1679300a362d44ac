"""Rates of our checkpoint engine over fio's sequential ones, in turn: at least 0.95 of them, for CPU of at most 1.2 times theirs.

A pair is one checkpoint of two ranks and two fio jobs with the same files: as many, as large, in the same folder and order,
through the page cache or with O_DIRECT, each file forced to disk when it is complete. fio moves 32 MiB a call as we do, from one
buffer that it does not change. Written files are new to both; both read what our engine wrote, after it was dropped from memory.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from rates import INCONCLUSIVE, MET, conclude

from pytest_mlpstorage.checkpointing.job import CheckpointJob
from pytest_mlpstorage.checkpointing.shards import ShardFile, shard_files
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.units import GIB, MIB

GOAL = 0.95
MEMORY_GOAL = 0.8
CPU_GOAL = 1.2
RANKS = 2
TRANSFORMER = {
    "hidden_size": 4096,
    "ffn_hidden_size": 1024,
    "num_attention_heads": 32,
    "num_kv_heads": 8,
    "vocab_size": 512,
}
"""All files of this model are whole units of O_DIRECT: fio could not write what is left over."""


class Side:
    """One measurement: bytes a second, and seconds of CPU a GiB."""

    def __init__(self, size: int, seconds: float, cpu: float) -> None:
        self.rate = size / seconds
        self.cpu = cpu / (size / GIB)


def parameters(layers: int) -> dict:
    """The model, as official parameters."""
    return {
        "model": {
            "num_layers": layers,
            "transformer": TRANSFORMER,
            "parallelism": {"tensor": 1, "pipeline": 1, "zero_stage": 3},
            "model_datatype": "fp16",
            "optimizer_datatype": "fp32",
        }
    }


class Bench:
    """Both sides on one folder."""

    def __init__(self, folder: Path, layers: int, block: int) -> None:
        self.folder = folder
        self.block = block
        self.parameters = parameters(layers)
        self.files = shard_files(CheckpointShape.from_parameters(self.parameters), RANKS)
        self.bytes = sum(file.bytes for files in self.files for file in files)
        assert all(file.bytes % 4096 == 0 for files in self.files for file in files)
        self.launcher = find_launcher()
        self.peak = 0

    def ours(self, kind: str, direct: bool) -> Side:
        """One checkpoint by a job of its own."""
        output = Path(tempfile.mkdtemp(dir=self.folder))
        writing = kind == "write"
        CheckpointJob(
            self.parameters, RANKS, None, str(self.folder / "ours"), int(writing), int(not writing), direct=direct, output_dir=str(output)
        ).write(output / "job.json")
        command = self.launcher.command(Job(RANKS, ("-m", "pytest_mlpstorage.checkpointing", str(output / "job.json"))))
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            sys.exit(f"the engine failed:\n{done.stdout}{done.stderr}")
        found = json.loads((output / "summary.json").read_text())["mlps"]
        shutil.rmtree(output)
        self.peak = max(self.peak, found["peak_rss_bytes"])
        return Side(found[kind]["bytes"], found[kind]["seconds"], found[kind]["cpu_seconds"])

    def fio(self, kind: str, direct: bool) -> Side:
        """The same by fio, one job a rank."""
        folder = self.folder / ("ours/global_epoch1_step1" if kind == "read" else "fio")
        folder.mkdir(exist_ok=True)
        command = ["fio", "--output-format=json", f"--rw={kind}", f"--bs={self.block}", "--ioengine=psync", f"--direct={int(direct)}"]
        command += ["--scramble_buffers=0", "--mem=mmap", "--fallocate=none"]
        for rank, files in enumerate(self.files):
            log = self.folder / f"fio{rank}.log"
            log.write_text("".join(f"{line}\n" for line in self.calls(folder, kind, files)))
            command += [f"--name=rank{rank}", f"--read_iolog={log}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            sys.exit(f"fio failed:\n{done.stdout}{done.stderr}")
        jobs = json.loads(done.stdout[done.stdout.index("{") :])["jobs"]
        moved = sum(job[kind]["io_bytes"] for job in jobs)
        if moved != self.bytes:
            sys.exit(f"fio moved {moved} bytes, not {self.bytes}")
        seconds = max(job["job_runtime"] for job in jobs) / 1000
        cpu = sum((job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] / 1000 for job in jobs)
        return Side(moved, seconds, cpu)

    def calls(self, folder: Path, kind: str, files: tuple[ShardFile, ...]) -> Iterator[str]:
        """Every call in order: by options alone fio leaves out what is no whole block at the end of a file."""
        yield "fio version 2 iolog"
        for file in files:
            yield f"{folder / file.name} add"
        for file in files:
            path = folder / file.name
            yield f"{path} open"
            for offset in range(0, file.bytes, self.block):
                yield f"{path} {kind} {offset} {min(self.block, file.bytes - offset)}"
            if kind == "write":
                yield f"{path} sync 0 0"
            yield f"{path} close"

    def side(self, name: str, kind: str, direct: bool) -> Side:
        """One side, from a quiet disk; what it wrote is gone afterwards."""
        if kind == "write":
            for folder in ("ours", "fio"):
                shutil.rmtree(self.folder / folder, ignore_errors=True)
        os.sync()
        begins = self.folder / name / ("global_epoch1_step1" if name == "ours" else self.files[0][0].name)
        with Ballast(int(self.bytes * 1.25), begins) if kind == "write" and not direct else contextlib.nullcontext():
            return self.ours(kind, direct) if name == "ours" else self.fio(kind, direct)


class Ballast:
    """Holds memory until a path appears, and gives it back at that moment: then both sides fill their page cache with it.

    A virtual machine may give free memory back to its host within 2 s, and page cache that must be fetched from there costs
    several times the CPU. fio, which starts at once after files were deleted, had 2100 MiB/s; the same fio 3 s later 500.
    """

    def __init__(self, size: int, path: Path) -> None:
        self.memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.memory.madvise(mmap.MADV_HUGEPAGE)
        for page in range(0, size, mmap.PAGESIZE):
            self.memory[page] = 1
        self.path = path
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch)

    def watch(self) -> None:
        while not self.path.exists() and not self.over.wait(0.001):
            pass
        self.memory.close()

    def __enter__(self) -> None:
        self.watcher.start()

    def __exit__(self, *raised: object) -> None:
        self.over.set()
        self.watcher.join()


def main() -> int:
    """Time pairs of every cell in turn until there are enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="under 50 s: two cells")
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="where to write (default: here)")
    parser.add_argument("--pairs", type=int, help="pairs of each cell")
    parser.add_argument("--block", type=int, default=32 * MIB, help="bytes that fio moves a call (default: as many as we do)")
    parser.add_argument("--only", default="", help="a part of the names of the cells to measure, such as 'write buffered'")
    arguments = parser.parse_args()
    if shutil.which("fio") is None:
        print("fio is not installed: nothing to compare with")
        return INCONCLUSIVE
    cells = [(kind, direct) for direct in (False, True) for kind in ("write", "read")]
    if arguments.short:
        cells = [("write", True), ("read", False)]
    cells = [cell for cell in cells if arguments.only in cell_name(*cell)]
    if not cells:
        parser.error(f"no cell is called {arguments.only!r}")
    pairs = arguments.pairs or (4 if arguments.short else 12)
    work = Path(tempfile.mkdtemp(prefix="mlps-checkpoint-", dir=arguments.folder))
    try:
        bench = Bench(work, layers=1, block=arguments.block)
        return judge(bench, cells, pairs)
    finally:
        shutil.rmtree(work)


def judge(bench: Bench, cells: list[tuple[str, bool]], pairs: int) -> int:
    """Measure all cells, and say what came of it."""
    print(f"{bench.bytes / MIB:.0f} MiB a checkpoint in files of {[file.bytes for file in bench.files[0]]} bytes a rank")
    ratios: dict[str, list[float]] = {}
    cpu: dict[str, list[tuple[float, float]]] = {}
    print(f"{'cell':>16} {'ours MiB/s':>11} {'fio MiB/s':>10} {'ratio':>6}")
    for kind, direct in cells:
        name = cell_name(kind, direct)
        for sides in orders(pairs):
            if kind == "read" and not (bench.folder / "ours").is_dir():
                bench.side("ours", "write", direct)
            made = {side: bench.side(side, kind, direct) for side in sides}
            ours, fio = made["ours"], made["fio"]
            ratios.setdefault(name, []).append(ours.rate / fio.rate)
            cpu.setdefault(name, []).append((ours.cpu, fio.cpu))
            print(f"{name:>16} {ours.rate / MIB:>11.0f} {fio.rate / MIB:>10.0f} {ours.rate / fio.rate:>6.3f}", flush=True)
    dear = False
    for name, sides in cpu.items():
        ours, fio = (statistics.median(side) for side in zip(*sides, strict=True))
        dear = dear or ours > CPU_GOAL * fio
        print(f"{name}: CPU s/GiB ours={ours:.3f} fio={fio:.3f} ratio={ours / fio:.2f} (goal {CPU_GOAL})")
    print(f"peak memory of a rank: {bench.peak / MIB:.0f} MiB (goal 256)")
    code = conclude(ratios, MEMORY_GOAL if in_memory(bench.folder) else GOAL)
    return code if code != MET else int(dear or bench.peak > 256 * MIB)


def cell_name(kind: str, direct: bool) -> str:
    """What a cell is called."""
    return f"{kind} {'direct' if direct else 'buffered'}"


def orders(pairs: int) -> Iterator[tuple[str, str]]:
    """Who is first, in turn: the order of each pair is the last one's, swapped."""
    return itertools.islice(itertools.cycle((("ours", "fio"), ("fio", "ours"))), pairs)


def in_memory(folder: Path) -> bool:
    """Whether a folder is on a filesystem without a disk."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=True).stdout.strip()
    return kind in ("tmpfs", "ramfs")


if __name__ == "__main__":
    begun = time.monotonic()
    code = main()
    print(f"{time.monotonic() - begun:.0f} s")
    sys.exit(code)
