"""Start of a KV cache pass of 200 users over 300 s, in turn with ``import numpy``: each of two figures at most 3 times that process.

``compile`` is the work compiled in a process of its own, without its start; ``start`` is a rank's whole program from its call until it
would begin to move bytes, were it not for the second that all ranks wait together.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pairs import conclude

from pytest_mlpstorage.kvcache.job import KVCacheJob

GOAL = 3.0
COMPILE = """
import sys, time
from pathlib import Path
from pytest_mlpstorage.kvcache.job import KVCacheJob
job = KVCacheJob.load(Path(sys.argv[1]))
began = time.perf_counter()
assert len(job.schedule(0)) > 100_000
print(time.perf_counter() - began)
"""


def seconds(*arguments: str) -> float:
    """Wall time of a Python process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def until_start(job: Path, progress: Path) -> float:
    """Seconds from the call of the program until its ranks wait for each other; it is ended then."""
    began = time.perf_counter()
    program = subprocess.Popen(
        [sys.executable, "-m", "pytest_mlpstorage.kvcache", str(job)],
        env={**os.environ, "MLPS_PROGRESS": str(progress)},
        stderr=subprocess.DEVNULL,
    )
    while not (progress.exists() and "start" in progress.read_text()):
        if program.poll() is not None:
            raise SystemExit(f"the program ended with {program.returncode} before its start")
        time.sleep(0.002)
    taken = time.perf_counter() - began
    program.send_signal(signal.SIGTERM)
    program.wait(60)
    return taken


def main() -> int:
    """Alternate; the worse of the two figures decides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few seconds: fewer pairs")
    pairs = 5 if parser.parse_args().short else 20
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    ratios: dict[str, list[float]] = {"compile": [], "start": []}
    # On a disk: a cache in memory takes other ways.
    with tempfile.TemporaryDirectory(prefix="mlps-kvcache-start-") as name:
        folder = Path(name)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")  # as where the package is installed: compiled once
        fields = {"option": 1, "trial": 0, "model": "llama3.1-8b", "users": 200, "duration_seconds": 300.0, "processes": 1}
        places = {"cache_dir": str(folder / "cache"), "output_dir": str(folder / "out"), "run_datetime": "20260101_000000"}
        (folder / "out").mkdir()
        job = folder / "job.json"
        KVCacheJob(**fields, **places).write(job)
        seconds("-c", "import numpy, pytest_mlpstorage.kvcache.rank, pytest_mlpstorage.ranks.program")
        for pair in range(1, pairs + 1):
            numpy = seconds("-c", "import numpy")
            printed = subprocess.run([sys.executable, "-c", COMPILE, str(job)], capture_output=True, text=True, check=True).stdout
            subprocess.run(["rm", "-rf", str(folder / "out" / "rank_0")], check=True)
            start = until_start(job, folder / f"progress-{pair}")
            ratios["compile"].append(float(printed) / numpy)
            ratios["start"].append(start / numpy)
            print(f"{pair:>4} import {numpy:.3f} s, compile {float(printed):.3f} s, start {start:.3f} s", flush=True)
    worst = 0
    for what, values in ratios.items():
        print(what)
        worst = max(worst, conclude(values, GOAL), key=lambda code: (code == 1, code))
    return worst


if __name__ == "__main__":
    sys.exit(main())
