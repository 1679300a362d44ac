"""Wall time of collecting ``benchmarks/`` over collecting one empty test with pytest alone, in turn: at most 5 times."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pairs import conclude

GOAL = 5.0
REPO = Path(__file__).resolve().parents[2]


def seconds(folder: Path, *arguments: str) -> float:
    """Wall seconds of one ``pytest --collect-only``."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - begun


def main() -> int:
    """Time pairs after one of each that is thrown away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer pairs")
    pairs = 5 if parser.parse_args().short else 15
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_empty.py").write_text("def test_nothing():\n    pass\n")
        ours = (str(REPO / "benchmarks"), "--mlps-config=closed.yaml")
        # Nothing but pytest: no plugin of the environment, no ini file.
        bare = (
            "test_empty.py",
            "-c",
            "/dev/null",
            *(
                w
                for p in ("hydra_pytest", "hypothesispytest", "pytest_mlpstorage.plugin", "xdist", "html", "metadata")
                for w in ("-p", f"no:{p}")
            ),
        )
        seconds(folder, *ours)
        seconds(folder, *bare)
        ratios = []
        print(f"{'pair':>4} {'ours s':>8} {'bare s':>8} {'ratio':>8}")
        for pair in range(1, pairs + 1):
            first, second = seconds(folder, *ours), seconds(folder, *bare)
            ratios.append(first / second)
            print(f"{pair:>4} {first:>8.3f} {second:>8.3f} {ratios[-1]:>8.3f}", flush=True)
        return conclude(ratios, GOAL)


if __name__ == "__main__":
    sys.exit(main())
