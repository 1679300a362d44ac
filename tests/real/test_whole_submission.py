"""A whole submission, scaled down, by the real writer and engines: it passes its own rules, and one change of it does not.

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
from importlib.util import find_spec
from pathlib import Path

import pytest
import scaled_edition
import yaml
from submission_changes import OPEN_ONLY, SEPARATE, TOGETHER
from submission_mutations_around import MOVES, MUTATIONS

MEMORY = Path("/dev/shm")
DISK = Path(tempfile.gettempdir())

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_spec("dlio_benchmark") is None, reason="the DLIO environment is not installed"),
    pytest.mark.skipif(not MEMORY.is_dir() or MEMORY.stat().st_dev == DISK.stat().st_dev, reason="needs a second file system"),
]

CONFIG = """edition: "3.0"
division: {division}
submitter: northwind
system: array-1
data_dir: ./data
results_dir: {results}
"""

TRAINING = """training:
  workloads:
    - {model: unet3d, accelerator: b200, accelerators: 2}
"""

CHECKPOINTING = """checkpointing:
  invocations: %s
  workloads:
    - {model: llama3-8b, accelerator: b200, accelerators: 2}
"""

CACHES = """kvcache:
  clients_per_host: 2
  options:
    - option: 1
    - option: 2
    - option: 3
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
def submission(folder: Path, workloads: str):
    """A submission of some workloads, run, described and packaged."""
    with tempfile.TemporaryDirectory(prefix="mlps-whole-", dir=MEMORY) as results:
        whole = Whole(folder, Path(results), workloads)
        whole.describe()
        whole.benchmarks()
        packed = whole.python("-m", "pytest_mlpstorage.package", str(whole.results), "--to", "submission")
        assert packed.returncode == 0, packed.stdout + packed.stderr
        yield whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with submission(tmp_path_factory.mktemp("whole"), TRAINING + CHECKPOINTING % TOGETHER + CACHES) as made:
        yield made


@pytest.fixture(scope="module")
def separate(tmp_path_factory):
    """One whose checkpoints one run wrote and another one read."""
    with submission(tmp_path_factory.mktemp("separate"), CHECKPOINTING % SEPARATE) as made:
        yield made


def told(made: Whole, base: str) -> dict:
    """What the rules tell of a submission, and of it after each change of the base."""
    done = made.python(str(Path(__file__).with_name("judge_mutations.py")), "submission", base)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def told_of_whole(whole):
    return told(whole, TOGETHER)


@pytest.fixture(scope="module")
def told_of_separate(separate):
    return told(separate, SEPARATE)


def of_the_hour(finding: dict) -> bool:
    """Whether it tells that the machine was busy: a client of the caches was the limit itself, or began late."""
    return (finding["rule"], finding["severity"], finding["category"]) == ("MLPS-TRUST-1", "warning", "CLOSED")


def test_each_result_is_open_by_its_engine_and_has_no_other_finding(whole):
    judged = whole.judged(whole.folder / "submission")
    assert judged.code == 0, judged.text
    families = sorted(result["benchmark_type"] for result in judged.results)
    assert families == ["checkpointing", "kv_cache", "training"], judged.text
    for result in judged.results:
        told = [(finding["rule"], finding["category"]) for finding in result["findings"] if not of_the_hour(finding)]
        expected = [("MLPS-ENGINE-1", "OPEN")]
        if result["benchmark_type"] == "kv_cache":
            # How a hash of its class is made is not published, so no edition can hold it.
            expected.insert(0, ("EDN-02", "CLOSED"))
        assert (result["verdict"], told) == ("OPEN", expected), (result, judged.text)
    assert [submission["verdict"] for submission in judged.submissions] == ["OPEN"], judged.text


def test_checkpoints_of_two_runs_are_told_their_time_and_nothing_more(separate):
    judged = separate.judged(separate.folder / "submission")
    assert judged.code == 0, judged.text
    (result,) = judged.results
    told = {(finding["rule"], finding["severity"], finding["category"]) for finding in result["findings"]}
    assert told == {("MLPS-ENGINE-1", "info", "OPEN"), ("4.7.2", "info", "CLOSED")}, judged.text
    assert [result["verdict"], judged.submissions[0]["verdict"]] == ["OPEN", "OPEN"], judged.text


def test_an_accepted_dlio_is_all_that_the_training_lacks_to_be_closed(told_of_whole):
    after = told_of_whole["after"]["accepted"]
    verdicts = {
        place["kind"]: (place["verdict"], [finding["rule"] for finding in place["told"] if not of_the_hour(finding)]) for place in after
    }
    assert verdicts == {
        "package": ("", []),
        "submission": ("OPEN", []),
        "system": ("", []),
        "training": ("CLOSED", []),
        "checkpointing": ("OPEN", ["MLPS-ENGINE-1"]),
        "kv_cache": ("OPEN", ["EDN-02", "MLPS-ENGINE-1"]),
    }


def test_there_is_a_change_for_every_rule_that_is_asked(told_of_whole, told_of_separate):
    asked = {(kind, rule): open_only for of in (told_of_whole, told_of_separate) for kind, rule, _, open_only in of["asked"]}
    # What measured a KV cache is no DLIO: the rule is asked as of every result, and says nothing.
    assert set(MUTATIONS) == set(asked) - {("kv_cache", "EDN-03")}
    assert {key for key, mutation in MUTATIONS.items() if mutation.several == OPEN_ONLY} == {key for key in asked if asked[key]}


def new_findings(of: dict, name: str) -> list[tuple[dict, dict]]:
    """Findings after a change that were not there before, each with the place that it was told of."""
    before = {(place["kind"], finding["line"]) for place in of["before"] for finding in place["told"]}
    places = of["after"][name]
    return [(place, finding) for place in places for finding in place["told"] if (place["kind"], finding["line"]) not in before]


@pytest.mark.parametrize(("kind", "rule"), MUTATIONS, ids=" ".join)
def test_a_change_is_told_by_its_rule(request, kind, rule):
    mutation = MUTATIONS[kind, rule]
    of = request.getfixturevalue({TOGETHER: "told_of_whole", SEPARATE: "told_of_separate"}[mutation.base])
    (severity,) = (severity for asked_kind, asked_rule, severity, _ in of["asked"] if (asked_kind, asked_rule) == (kind, rule))
    severity = mutation.no_worse or severity
    new = new_findings(of, f"{kind} {rule}")
    assert (kind, rule, severity) in [(place["kind"], f["rule"], f["severity"]) for place, f in new], (mutation.words, new)
    if severity != "error":
        return
    # What is wrong around the results is wrong with all of them, but for the top of the package, which stands for no single one.
    families = {"training", "checkpointing", "kv_cache"} if mutation.base == TOGETHER else {"checkpointing"}
    failed = {kind} if kind in families else set() if kind == "package" else families
    verdicts = {place["verdict"] for place in of["after"][f"{kind} {rule}"] if place["kind"] in {*failed, "submission"}}
    assert verdicts == {"INVALID"}, (mutation.words, new)


@pytest.mark.parametrize("name", MOVES)
def test_what_stands_in_the_place_of_another_is_found(told_of_whole, name):
    mutation, rules = MOVES[name]
    new = new_findings(told_of_whole, name)
    assert set(rules) <= {finding["rule"] for _, finding in new}, (mutation.words, new)
    assert [place["verdict"] for place in told_of_whole["after"][name] if place["kind"] == "submission"] == ["INVALID"]
