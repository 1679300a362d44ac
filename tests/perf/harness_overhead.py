"""Wall time of a ``test_run`` item over the same DLIO run started bare, in turn: at most 1.01 × + 1 s.

The bare side is ``mpirun`` with the smallest script that starts an unmodified DLIO (stand-ins for imports it never uses),
no guard, no supervisor, no collection. Both read the same data set with the same parameters.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from pairs import conclude

from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job

GOAL = 1.01
ALLOWANCE_SECONDS = 1.0
REPO = Path(__file__).resolve().parents[2]

BARE = """
import sys, types
class _Nothing:
    ITER = "i"
    def __init__(self, *a, **k): pass
    def __call__(self, f=None, *a, **k): return f
    def __getattr__(self, name): return lambda *a, **k: (a[0] if a and callable(a[0]) else (lambda f: f) if not a else a[0])
    def __enter__(self): return self
    def __exit__(self, *a): return False
    def log(self, f): return f
    def log_init(self, f): return f
    def log_static(self, f): return f
    def iter(self, it, *a, **k): return it
    @classmethod
    def initialize_log(cls, *a, **k): return cls()
    @classmethod
    def get_instance(cls): return cls()
sys.modules["tensorflow"] = types.ModuleType("tensorflow")
tracer, logger = types.ModuleType("dftracer"), types.ModuleType("dftracer.logger")
logger.dft_fn, logger.dftracer, logger.DFTRACER_ENABLE = _Nothing, _Nothing, False
sys.modules["dftracer"], sys.modules["dftracer.logger"] = tracer, logger
from dlio_benchmark.main import main
main()
"""


def configuration(work: Path, epochs: int) -> Path:
    """A quick unet3d, small enough for many pairs."""
    path = work / "overhead.yaml"
    path.write_text(
        f"""edition: "3.0"
division: whatif
submitter: perf
system: overhead
data_dir: {work}/data
results_dir: {work}/results
training:
  warmup_runs: 0
  measured_runs: 1
  workloads:
    - model: unet3d
      accelerator: b200
      accelerators: 2
      dataset: {{num_files_train: 70, record_length_bytes: 1048576, record_length_bytes_stdev: 0, record_length_bytes_resize: 1048576}}
      reader: {{read_threads: 2}}
      train: {{epochs: {epochs}}}
"""
    )
    return path


def pytest_run(config: Path, results: Path, expression: str, junit: Path) -> float:
    """Run items by expression; return the seconds of the last ``test_run`` item."""
    command = [sys.executable, "-m", "pytest", str(REPO / "benchmarks"), f"--mlps-config={config}", f"--results-dir={results}"]
    command += ["-q", "-k", expression, f"--junitxml={junit}", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the items failed:\n{done.stdout}{done.stderr}")
    times = [float(case.get("time", "0")) for case in ET.parse(junit).iter("testcase") if case.get("name", "").startswith("test_run")]
    return times[-1] if times else 0.0


def bare_run(work: Path, overrides: list[str]) -> float:
    """Seconds of mpirun with the bare starter."""
    out = Path(tempfile.mkdtemp(dir=work))
    program = [str(work / "bare.py"), *overrides, f"++hydra.run.dir={out}", "++hydra.output_subdir=dlio_config"]
    program += [f"--config-dir={work / 'configs'}"]
    # The same transports as the items use, by the names that this release of Open MPI has for them; no guard, no supervisor.
    command = find_launcher().command(Job(2, tuple(program)))
    begun = time.monotonic()
    with (out / "log").open("wb") as log:
        done = subprocess.run(command, cwd=out, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=120)
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        sys.exit(f"the bare run failed:\n{(out / 'log').read_text()[-3000:]}")
    return seconds


def bare_overrides(work: Path, epochs: int) -> list[str]:
    """The same run in registry DLIO's own key names, made from the edition's template."""
    import yaml

    from pytest_mlpstorage.editions import edition

    template = edition("3.0").training.template("unet3d", "b200")
    (work / "configs" / "workload").mkdir(parents=True)
    (work / "configs" / "workload" / "unet3d_b200.yaml").write_text(yaml.safe_dump(template.copy_parameters()))
    values = {
        "dataset.data_folder": f"{work}/data/unet3d",
        "dataset.num_files_train": 70,
        "dataset.num_subfolders_train": 0,
        "dataset.record_length": 1048576,
        "dataset.record_length_stdev": 0,
        "dataset.record_length_resize": 1048576,
        "reader.read_threads": 2,
        "train.epochs": epochs,
        "workflow.checkpoint": False,
        "checkpoint.model_size": 0,
        "checkpoint.layer_parameters": "[]",
        "checkpoint.checkpoint_folder": f"{work}/checkpoints",
    }
    return ["workload=unet3d_b200", *(f"++workload.{key}={value}" for key, value in values.items())]


def main() -> int:
    """Prepare the data once, then time pairs in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="under 50 s: fewer pairs")
    arguments = parser.parse_args()
    pairs, epochs = (2, 2) if arguments.short else (7, 5)
    work = Path(tempfile.mkdtemp(prefix="mlps-overhead-", dir=Path.cwd()))
    try:
        (work / "bare.py").write_text(BARE)
        config, junit = configuration(work, epochs), work / "junit.xml"
        pytest_run(config, work / "results", "preflight or datasize or datagen", junit)
        overrides = bare_overrides(work, epochs)
        ratios = []
        print(f"{'pair':>4} {'item s':>8} {'bare s':>8} {'(item-1)/bare':>14}")
        for pair in range(1, pairs + 1):
            sides = {}
            for side in ("item", "bare") if pair % 2 else ("bare", "item"):
                sides[side] = (
                    pytest_run(config, work / f"results{pair}", "test_run", junit) if side == "item" else bare_run(work, overrides)
                )
            ratios.append((sides["item"] - ALLOWANCE_SECONDS) / sides["bare"])
            print(f"{pair:>4} {sides['item']:>8.2f} {sides['bare']:>8.2f} {ratios[-1]:>14.4f}", flush=True)
        return conclude(ratios, GOAL)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
