"""CPU time of a host's sampler over the time that it samples, its own start included: below one hundredth of a core at 1 s.

Jobs of two ranks that sleep, below guard and supervisor, without any MPI. Beside it, and not judged: what a row costs, and what the
sampler adds to the wall time of a job that does nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pairs import conclude

from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.outcome import Outcome
from pytest_mlpstorage.launch.sampling import Sampling
from pytest_mlpstorage.launch.supervisor import run_job

GOAL = 0.01
INTERVAL_SECONDS = 1.0

_START = """
import os, subprocess, sys
ranks = [subprocess.Popen(sys.argv[1:], env={**os.environ, "PMI_RANK": str(number)}) for number in range(2)]
sys.exit(max(rank.wait() for rank in ranks))
"""


@dataclasses.dataclass(frozen=True)
class TwoRanks:
    """A launcher of two processes."""

    name: str = "plain"
    executable: Path = Path(sys.executable)

    def version(self) -> str:
        """It has none."""
        return "1"

    def command(self, job: Job, guard: Sequence[str] = ()) -> list[str]:
        """Start the program twice below a guard."""
        return [sys.executable, "-c", _START, *guard, sys.executable, *job.program]

    def explain(self, lines: Sequence[str]) -> str:
        """Nothing is known of its words."""
        return ""


def sleep(folder: Path, seconds: float, interval_seconds: float | None) -> Outcome:
    """Run a job that sleeps, sampled or not."""
    wanted = None if interval_seconds is None else Sampling(interval_seconds, (str(Path.cwd()),), folder / "time_series.csv")
    job = Job(2, ("-c", f"import time; time.sleep({seconds})"))
    outcome = run_job(TwoRanks(), job, stdout=folder / "out", stderr=folder / "err", deadline_seconds=seconds + 60, sampling=wanted)
    if outcome.cause:
        sys.exit(outcome.cause)
    return outcome


def main() -> int:
    """Sample in turn, then conclude."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="under 50 s: shorter and fewer runs")
    runs, seconds = (2, 15.0) if parser.parse_args().short else (5, 60.0)
    shares = []
    with tempfile.TemporaryDirectory(prefix="mlps-sampler-cost-") as name:
        folder = Path(name)
        print(f"{os.cpu_count()} CPUs, a sample each {INTERVAL_SECONDS:g} s, runs of {seconds:g} s")
        print(f"{'run':>4} {'samples':>8} {'CPU ms':>8} {'of a core':>10}")
        for run in range(1, runs + 1):
            outcome = sleep(folder, seconds, INTERVAL_SECONDS)
            if outcome.series is None or not outcome.series.hosts or not outcome.series.hosts[0].whole:
                sys.exit(f"this host was not sampled to the end: {outcome.warnings}")
            (host,) = outcome.series.hosts
            shares.append(host.cpu_seconds / seconds)
            print(f"{run:>4} {host.samples:>8} {host.cpu_seconds * 1e3:>8.1f} {shares[-1]:>10.4%}", flush=True)
        often = sleep(folder, 5.0, 0.1).series
        empty = {interval: [sleep(folder, 0.0, interval) for _ in range(7)] for interval in (None, INTERVAL_SECONDS)}
        idle = [sleep(folder, 0.5, 60.0).series for _ in range(5)]  # ended before the first sample
        begin = statistics.median(series.cpu_seconds for series in idle if series is not None)
        if often is not None and often.hosts and often.hosts[0].samples:
            each = (often.cpu_seconds - begin) / often.hosts[0].samples
            print(
                f"its start takes {begin * 1e3:.1f} ms of CPU, each row {each * 1e3:.2f} ms; {often.cpu_seconds / 5:.2%} of a core at 10 a second"
            )
        walls = {interval: statistics.median(outcome.elapsed_seconds for outcome in outcomes) for interval, outcomes in empty.items()}
        print(f"an empty job takes {walls[None]:.3f} s without and {walls[INTERVAL_SECONDS]:.3f} s with a sampler (median of 7)")
    return conclude(shares, GOAL)


if __name__ == "__main__":
    sys.exit(main())
