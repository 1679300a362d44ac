"""Compiling the work of a KV cache pass, 200 users over 300 s: wall time over that of importing numpy, at most 3 times, in turn."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pairs import conclude

GOAL = 3.0
PROGRAM = """
import time
started = time.perf_counter()
import numpy
imported = time.perf_counter()
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.population import population
from pytest_mlpstorage.kvcache.schedule import compile_flood
compile_flood(model("llama3.1-8b"), population(42, 200), effective_seed=42, duration_seconds=300)
print(imported - started, time.perf_counter() - imported)
"""


def main() -> int:
    """Start fresh processes, each of which times both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few seconds: fewer pairs")
    pairs = 5 if parser.parse_args().short else 20
    ratios = []
    for pair in range(1, pairs + 1):
        printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
        imported, compiled = (float(word) for word in printed.split())
        ratios.append(compiled / imported)
        print(f"{pair:>4} import {imported:.3f} s, compile {compiled:.3f} s, ratio {ratios[-1]:.3f}", flush=True)
    return conclude(ratios, GOAL)


if __name__ == "__main__":
    sys.exit(main())
