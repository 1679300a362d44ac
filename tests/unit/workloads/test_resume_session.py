"""One case at a second start, with a family that only remembers: what is found, refused, moved and said."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.items import BenchmarkItem
from pytest_mlpstorage.report.resumed import resumed_lines
from pytest_mlpstorage.results.superseded import supersede
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads import series as module
from pytest_mlpstorage.workloads.base import Case, Step
from pytest_mlpstorage.workloads.resume import Limit, Standing
from pytest_mlpstorage.workloads.series import Resumption, Series, failures_in

RESULT = "open/acme/results/fastfs/training/unet3d"
STEPS = (Step("datasize", "datasize"), Step("datagen", "datagen"), *(Step(name, "run", i) for i, name in enumerate(("warmup", "1", "2"))))
RUN_SECONDS = 60


@dataclasses.dataclass
class Plan:
    root: object
    case: Case = dataclasses.field(default_factory=lambda: Case("training", "unet3d-b200", "unet3d", None, STEPS))

    def leaf_parent(self, step):
        return self.root / RESULT / step.phase


class Alone:
    """A family that decides each step by itself."""

    def __init__(self):
        self.withdrawn = 0

    def found(self, plan, step):
        there = sorted(path.name for path in plan.leaf_parent(step).glob("2*"))
        return f"{RESULT}/{step.phase}/{there[step.index]}" if len(there) > step.index else None


class Together(Alone):
    """A family whose runs are a series."""

    def series(self, plan, *, forced):
        leaves = []
        for path in sorted((plan.root / RESULT / "run").glob("2*")):
            named = datetime.strptime(path.name, "%Y%m%d_%H%M%S")
            leaves.append(Standing(f"{RESULT}/run/{path.name}", named, named, named + timedelta(seconds=RUN_SECONDS)))
        return Series(leaves, [Limit("2.1.18", "start_to_start", 2.0)], warmups=1, tables=(f"{RESULT}/run/results.json",))

    def withdraw(self, plan):
        self.withdrawn += 1


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A results directory, and what makes its manifest told of."""
    listed = []
    monkeypatch.setattr(module, "list_leaf", listed.append)
    return SimpleNamespace(root=tmp_path, listed=listed)


def leaf(place, phase, *, ago, now=None):
    name = f"{(now or datetime.now()) - timedelta(seconds=ago):%Y%m%d_%H%M%S}"
    (place.root / RESULT / phase / name).mkdir(parents=True)
    (place.root / RESULT / phase / name / "summary.json").write_text(name)
    return name


def resumption(place, workload=None, *, rerun="", division=Division.OPEN):
    config = SimpleNamespace(results_dir=place.root, division=division, submitter="acme")
    return Resumption(workload or Together(), Plan(place.root), config, rerun=rerun)


def step(name):
    return next(s for s in STEPS if s.name == name)


def standing(place, phase="run"):
    return sorted(path.name for path in (place.root / RESULT / phase).glob("2*"))


def test_a_series_goes_on_after_its_last_run_and_moves_nothing(place):
    names = [leaf(place, "run", ago=120), leaf(place, "run", ago=60)]
    resumed = resumption(place)
    assert [resumed.found(step(name)) for name in ("warmup", "1", "2")] == [*(f"{RESULT}/run/{name}" for name in names), None]
    assert (resumed.why(step("2")), resumed.clear(step("2"))) == ("missing", ())
    resumed.refuse(step("2"))
    assert (standing(place), place.listed) == (names, [])


def test_a_step_of_this_session_is_found_where_it_is_asked_for_twice(place):
    resumed = resumption(place)
    assert resumed.found(step("warmup")) is None
    resumed.done(step("warmup"), place.root / RESULT / "run" / "20261126_120000")
    assert resumed.found(step("warmup")) == f"{RESULT}/run/20261126_120000"
    resumed.refuse(step("1"))


def test_a_run_that_is_not_the_next_is_refused_and_nothing_is_moved(place):
    names = [leaf(place, "run", ago=7200)]
    resumed = resumption(place)
    with pytest.raises(FileSystemError, match="run 2 of unet3d-b200 cannot be done before runs warmup, 1") as refused:
        resumed.refuse(step("2"))
    assert "would break 2.1.18" in str(refused.value)
    assert "standing: 0 of 3" in str(refused.value)
    assert standing(place) == names


def test_a_series_that_cannot_go_on_is_moved_once_with_its_table_and_its_reason(place):
    names = [leaf(place, "run", ago=7200), leaf(place, "run", ago=7140)]
    (place.root / RESULT / "run" / "results.json").write_text("[]")
    workload = Together()
    resumed = resumption(place, workload)
    (line,) = resumed.clear(step("warmup"))
    assert "2 leaves are set aside" in line
    assert (standing(place), workload.withdrawn, len(place.listed)) == ([], 1, 1)
    (home,) = (place.root / ".mlps/superseded").iterdir()
    assert sorted(path.name for path in (home / RESULT / "run").iterdir()) == [*names, "results.json"]
    assert (home / RESULT / "run" / names[0] / "summary.json").read_text() == names[0]
    reasons = json.loads((home / "reason.json").read_text())["leaves"]
    assert [r["leaf"] for r in reasons] == [f"{RESULT}/run/{name}" for name in names]
    leaf(place, "run", ago=0)
    assert resumed.clear(step("1")) == (), "what this session made is never set aside by it"


def test_a_complete_series_is_tidied_without_being_done_again(place):
    stray = leaf(place, "run", ago=9000)
    names = [leaf(place, "run", ago=ago) for ago in (180, 120, 60)]
    resumed = resumption(place)
    (line,) = resumed.tidy(step("warmup"))
    assert stray in line
    assert standing(place) == names
    assert resumed.tidy(step("1")) == ()
    assert resumed.found(step("2")).endswith(names[2])


def test_in_whatif_the_gap_is_told_with_what_was_found(place):
    leaf(place, "run", ago=7200)
    resumed = resumption(place, division=Division.WHATIF)
    assert "in whatif the series goes on" in resumed.found(step("warmup"))
    assert resumed.found(step("1")) is None


@pytest.mark.parametrize(("rerun", "again"), [("run", {"run"}), ("datagen", {"datagen", "run"}), ("all", {"datasize", "datagen", "run"})])
def test_what_comes_after_a_phase_is_forced_with_it(place, rerun, again):
    for phase in ("datasize", "datagen", "run"):
        leaf(place, phase, ago=60)
    resumed = resumption(place, rerun=rerun)
    for one in STEPS[:3]:
        assert (resumed.found(one) is None) is (one.phase in again), one
    first = next(one for one in STEPS if one.phase in again)
    assert resumed.why(first) == f"--mlps-rerun={rerun}"
    assert resumed.would_move(first)
    resumed.clear(first)
    assert [phase for phase in ("datasize", "datagen", "run") if standing(place, phase)] == [
        phase for phase in ("datasize", "datagen", "run") if phase not in again
    ]


def test_forcing_on_an_empty_tree_is_a_first_start(place):
    resumed = resumption(place, rerun="all")
    for one in STEPS:
        assert (resumed.found(one), resumed.why(one), resumed.clear(one)) == (None, "", ())
        resumed.done(one, place.root / RESULT / one.phase / "20261126_120000")


def test_a_family_without_a_series_is_asked_step_by_step_and_can_be_forced(place):
    name = leaf(place, "run", ago=7200)
    assert resumption(place, Alone()).found(step("warmup")) == f"{RESULT}/run/{name}"
    resumed = resumption(place, Alone(), rerun="run")
    assert resumed.found(step("warmup")) is None
    assert resumed.why(step("warmup")) == "--mlps-rerun=run"
    assert len(resumed.clear(step("warmup"))) == 1
    resumed.done(step("warmup"), place.root / RESULT / "run" / leaf(place, "run", ago=0))
    resumed.refuse(step("1"))
    assert resumed.clear(step("1")) == ()
    assert len(standing(place)) == 1


def test_what_was_found_may_have_its_last_mark_written_and_what_this_session_made_needs_none(place):
    class Settling(Alone):
        settled = ()

        def settle(self, _plan, one):
            self.settled = (*self.settled, one.name)

    made, family = leaf(place, "datagen", ago=60), Settling()
    resumed = resumption(place, family)
    resumed.settle(step("datasize"))
    resumed.done(step("datagen"), place.root / RESULT / "datagen" / made)
    resumed.settle(step("datagen"))
    assert family.settled == ("datasize",)
    resumption(place).settle(step("datasize"))  # a family without such marks


def test_a_later_step_of_such_a_family_cannot_be_forced_alone(place):
    resumed = resumption(place, Alone(), rerun="run")
    with pytest.raises(FileSystemError, match="1 of unet3d-b200 cannot be done again without warmup"):
        resumed.refuse(step("1"))
    resumption(place, Alone()).refuse(step("1"))


def test_what_is_missing_is_said_to_be_where_something_else_stands(place):
    assert resumption(place).why(step("datagen")) == ""
    leaf(place, "datasize", ago=60)
    resumed = resumption(place)
    assert [resumed.why(one) for one in STEPS[1:3]] == ["missing", "missing"]


def test_what_a_person_or_a_dead_host_ended_or_what_never_began_is_no_failed_run(place):
    for number, (reason, intended) in enumerate(
        [
            ("interrupted from the keyboard", f"{RESULT}/run/20261126_120000"),
            ("the writer ended without finishing", f"{RESULT}/run/20261126_120001"),
            ("rank 1 was ended by SIGSEGV", f"{RESULT}/run/20261126_120002"),
            ("of another result", "open/acme/results/other/training/unet3d/run/20261126_120003"),
            ("no time", f"{RESULT}/run/20261399_120003"),
        ]
    ):
        (place.root / f".mlps/failed/{number}").mkdir(parents=True)
        (place.root / f".mlps/failed/{number}/reason.json").write_text(json.dumps({"reason": reason, "intended": intended}))
    for number, details in enumerate([{"began": False}, {"began": True}, [], None]):
        (place.root / f".mlps/failed/of-{number}").mkdir()
        told = {"reason": "no room", "intended": f"{RESULT}/run/20261126_13000{number}", "details": details}
        (place.root / f".mlps/failed/of-{number}/reason.json").write_text(json.dumps(told))
    (place.root / ".mlps/failed/bare").mkdir()
    assert [(f.named, f.reason) for f in failures_in(place.root, f"{RESULT}/run")] == [
        (datetime(2026, 11, 26, 12, 0, 2), "rank 1 was ended by SIGSEGV"),
        *((datetime(2026, 11, 26, 13, 0, second), "no room") for second in (1, 2, 3)),
    ]
    assert failures_in(place.root / "nowhere", f"{RESULT}/run") == []


def test_what_is_set_aside_twice_in_a_second_has_two_places(place):
    now = datetime(2026, 11, 26, 12)
    homes = []
    for ago in (10, 5):
        name = leaf(place, "run", ago=ago, now=now)
        homes.append(supersede(place.root, {f"{RESULT}/run/{name}": "why"}, tables=("not/there.json",), now=now))
    assert [home.name for home in homes] == ["20261126_120000-unet3d-run", "20261126_120000-unet3d-run-2"]


def test_a_leaf_that_is_gone_is_an_error_with_its_path(place):
    with pytest.raises(FileSystemError, match="cannot set a leaf aside"):
        supersede(place.root, {f"{RESULT}/run/20261126_120000": "why"})


def test_the_terminal_tells_a_case_in_few_lines():
    said = [
        {"case": "a", "step": "datagen", "found": True, "why": "", "aside": []},
        {"case": "a", "step": "warmup", "found": False, "why": "too late", "aside": ["2 leaves are set aside"]},
        {"case": "b", "step": "1", "found": True, "why": "", "aside": []},
        {"case": "a", "step": "1", "found": False, "why": "too late", "aside": []},
    ]
    assert resumed_lines(said) == (
        "a: found, not repeated: datagen",
        "a: 2 leaves are set aside",
        "a: done in this start: warmup, 1: too late",
        "b: found, not repeated: 1",
    )
    assert resumed_lines([]) == ()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_only_looks_at_what_is_found(place, dry_run):
    """The item itself: what was found is settled, and in a dry run nothing is."""
    asked = []
    resumed = SimpleNamespace(
        found=lambda _step: "there (but for the mark)", tidy=lambda _step: (), settle=lambda one: asked.append(one.name)
    )
    session = SimpleNamespace(
        dry_run=dry_run, config=None, workload=lambda _case: None, plan=lambda _case: None, resumption=lambda _case: resumed
    )
    node = SimpleNamespace(user_properties=[], config=SimpleNamespace(get_verbosity=lambda: 0))
    item = BenchmarkItem(session, node, voice=None, write_line=lambda _line: None)
    item._step(Plan(place.root).case, step("datagen"))
    assert asked == ([] if dry_run else ["datagen"])
    assert ("mlps_found", "there (but for the mark)") in node.user_properties
