"""A whole submission, scaled down, by the real writer and engines, and the commands of a user on it.

Only the scale of the edition differs (scaled_edition.py). The data stand on a disk, the results in memory: closed wants two file systems.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import scaled_edition
import yaml

MEMORY = Path("/dev/shm")
DISK = Path(tempfile.gettempdir())


TWO_FILE_SYSTEMS = MEMORY.is_dir() and MEMORY.stat().st_dev != DISK.stat().st_dev


CONFIG = """edition: "3.0"
division: {division}
submitter: northwind
system: array-1
data_dir: ./data
results_dir: {results}
"""

BY_A_PERSON = {
    "storage_location": "remote",
    "product_API": "file",
    "client_footprint": "open_source",
    "client_installation": "in_box",
    "multi_host": True,
    "simultaneous_write": True,
    "simultaneous_read": True,
    "remap_time_in_seconds": 0,
    "usable_capacity_tib": 1.5,
    "availability": "available",
    "deployment": "onprem",
    "rack_units": 2,
    "total_rack_units": 2,
    "min_psus_active": 1,
    "unit_count": 1,
    "inlet_voltage": 230,
    "nameplate_power_watts": 800,
    "efficiency": "Titanium",
    "type": "ethernet",
    "state": "up",
    "speed": 100,
    "traffic": ["data", "management"],
    "quantity": 1,
    "cpu_qty": 1,
    "cpu_cores": 16,
    "memory_capacity": 64,
    "interface": "nvme",
    "media_type": "TLC",
    "capacity_in_GB": 3840,
}
"""What a person fills into the draft; any other field takes a text."""


SWITCH = {
    "unit_count": 1,
    "vendor_name": "as installed",
    "model_name": "as installed",
    "ports": 32,
    "rack_units": 1,
    "power": {
        "min_psus_active": 1,
        "psus_configured": [{"unit_count": 1, "inlet_voltage": 230, "nameplate_power_watts": 300, "efficiency": "Titanium"}],
    },
}
"""What a person adds to it."""


def filled(value, key=""):
    """A draft with its marks filled in."""
    if isinstance(value, dict):
        return {name: filled(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return BY_A_PERSON[key] if str(value[0]).startswith("<fill in") else [filled(inner, key) for inner in value]
    return BY_A_PERSON.get(key, "as installed") if str(value).startswith("<fill in") else value


@dataclasses.dataclass(frozen=True)
class Judged:
    """What ``pytest rules/`` said of a tree."""

    code: int
    text: str
    results: list[dict]
    submissions: list[dict]


class Whole:
    """The folder of a submission that is made once, and the commands of a user in it."""

    def __init__(self, folder: Path, results: Path, workloads: str, *, division: str = "closed") -> None:
        self.folder, self.results = folder, results
        self.environment = scaled_edition.environment(folder)
        (folder / "suite.yaml").write_text(CONFIG.format(division=division, results=results) + workloads)

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "pytest", "-p", "no:cacheprovider", *arguments)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=900
        )

    def benchmarks(self, *arguments: str) -> str:
        done = self.pytest("scaled/benchmarks", "--mlps-config=suite.yaml", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def describe(self) -> None:
        self.benchmarks("--mlps-describe-system")
        (draft,) = self.results.glob("*/*/systems/*.yaml")
        document = filled(yaml.safe_load(draft.read_text()))
        document["system_under_test"] |= {"product_switches": [SWITCH], "total_rack_units": 3}
        draft.write_text(yaml.safe_dump(document, sort_keys=False))
        draft.with_suffix(".pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")

    def judged(self, tree: Path) -> Judged:
        """Run ``pytest rules/`` on a tree."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)
        done = self.pytest("scaled/rules", f"--results-dir={tree}", "--mlps-output=out")
        results, submissions = (json.loads((self.folder / "out" / f"{name}.json").read_text()) for name in ("verdicts", "submissions"))
        return Judged(done.returncode, done.stdout + done.stderr, results, submissions)


@contextlib.contextmanager
def submission(folder: Path, workloads: str, *, division: str = "closed"):
    """A submission of some workloads, run, described and packaged."""
    with tempfile.TemporaryDirectory(prefix="mlps-whole-", dir=MEMORY) as results:
        whole = Whole(folder, Path(results), workloads, division=division)
        whole.describe()
        whole.benchmarks()
        packed = whole.python("-m", "pytest_mlpstorage.package", str(whole.results), "--to", "submission")
        assert packed.returncode == 0, packed.stdout + packed.stderr
        yield whole


def told(made: Whole, base: str) -> dict:
    """What the rules tell of a submission, and of it after each change of the base."""
    done = made.python(str(Path(__file__).with_name("judge_mutations.py")), "submission", base)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
