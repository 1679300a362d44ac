"""What an item of ``benchmarks/`` does: preflight, one step, or the result of a case."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

import pytest

from pytest_mlpstorage.config import Setting
from pytest_mlpstorage.dry_run import launch_shown, precondition_shown
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError, MLPStorageError
from pytest_mlpstorage.report import records
from pytest_mlpstorage.report.compare_told import compared_findings
from pytest_mlpstorage.report.compare_with import Comparer
from pytest_mlpstorage.report.notes import note_lines
from pytest_mlpstorage.report.travelling import picture_objects
from pytest_mlpstorage.results.layout import parse_result_path
from pytest_mlpstorage.session import BenchmarkSession
from pytest_mlpstorage.units import format_bytes, format_seconds
from pytest_mlpstorage.verdict import Category, Finding, Severity, fold
from pytest_mlpstorage.workloads.base import NO_DATAGEN, Case, PreconditioningWorkload, Step
from pytest_mlpstorage.workloads.execute import Voice, deadline_seconds, execute
from pytest_mlpstorage.workloads.resume import RERUN
from pytest_mlpstorage.workloads.stamping import list_leaf

__all__ = ["BenchmarkItem"]

_OF_HOSTS: Final = ("cluster", "launch", "data_dir", "results_dir")
"""First words of the keys without which no host can be asked."""


@dataclasses.dataclass(frozen=True)
class BenchmarkItem:
    """One item at work. Every MLPStorageError becomes a failure without traceback: its text is the message."""

    session: BenchmarkSession
    node: pytest.Item
    voice: Voice
    write_line: Callable[[str], None]
    comparer: Comparer | None = None

    def host(self, name: str) -> None:
        """Tell all that is wrong with a host, in itself and for each case that is to run there, before anything runs."""
        self._about(name)
        message = None
        try:
            self._host(name)
        except MLPStorageError as error:
            message = str(error)
        if message is not None:
            self._fail(message)

    def preflight(self, case: Case) -> None:
        """Judge the plan before any I/O; errors fail in closed and open, and in whatif where nothing could run."""
        self._guarded(case, "preflight", lambda: self._preflight(case))

    def precondition(self, case: Case) -> None:
        """Fill the storage before anything is measured, or say who did, or that nobody says so."""
        self._guarded(case, "precondition", lambda: self._precondition(case))

    def step(self, case: Case, name: str) -> None:
        """Carry out a step, or find it done."""
        self._guarded(case, name, lambda: self._step(case, self.session.step(case, name)))

    def result(self, case: Case) -> None:
        """Judge the finished result and state its verdict."""
        if self.session.dry_run:
            self._about(case.id)
            pytest.skip("dry run: nothing was measured")
        self._guarded(case, "result", lambda: self._result(case))

    def _guarded(self, case: Case, phase: str, work: Callable[[], None]) -> None:
        self._about(case.id)
        hosts, dry = self.session.hosts, self.session.dry_run
        # A preflight tells what else is wrong, as long as it can be planned without the host; a dry run shows what can be shown.
        if hosts.cannot_plan or not (dry or phase == "preflight"):
            self._wait_for_hosts(case)
        earlier = self.session.failed(case)
        if earlier is not None:
            pytest.skip(f"{earlier} of {case.id} failed")
        if dry and phase != "preflight" and self.session.config.blanks(case.family):
            pytest.skip(f"preflight of {case.id} names the placeholders that are left")
        message = None
        try:
            work()
        except MLPStorageError as error:
            message = str(error)
        except pytest.fail.Exception:
            # What a dry run finds is shown, and so are the commands of the later phases.
            if phase != "result" and not self.session.dry_run:
                self.session.mark_failed(case, phase)
            raise
        except BaseException:
            self.session.mark_failed(case, phase)
            raise
        if message is not None:
            # Outside the except block: pytest would show the message once more as what it was raised from.
            self.session.mark_failed(case, phase)
            self._fail(message)
        if phase == "preflight" and not dry:
            self._wait_for_hosts(case)

    def _fail(self, message: str) -> NoReturn:
        """Fail with the words of an error, whose codes become a property."""
        records.add_codes(self.node.user_properties, message)
        pytest.fail(message, pytrace=False)

    def _about(self, who: str) -> None:
        """Say whose item this is: reports know ours by their properties, and one that skips or breaks would have none."""
        kept = [one for one in self.node.user_properties if one[0] not in (records.DIVISION, records.RESULT)]
        self.node.user_properties[:] = [*kept, (records.DIVISION, self.session.config.division.value), (records.RESULT, who)]

    def _wait_for_hosts(self, case: Case) -> None:
        """Skip where a host has failed that the case cannot do without."""
        if why := self.session.hosts.in_the_way(case):
            pytest.skip(why)

    def _property(self, name: str, value: object) -> None:
        self.node.user_properties.append((name, value if isinstance(value, str) else records.encode(value)))

    def _host(self, name: str) -> None:
        self._refuse([blank for blank in self.session.config.blanks("") if blank.key.partition(".")[0] in _OF_HOSTS])
        faults = self.session.hosts.faults(name)
        facts = self.session.survey(write=True).cluster.host(name)
        if facts is not None:
            memory = format_bytes(facts.memory_bytes)
            self.write_line(f"{name}: {facts.cores} cores, {memory} of memory, kernel {facts.kernel}, Python {facts.python}")
        self.session.hosts.told(name, [fault for fault in faults if self._fails(fault.finding)])
        self._state(name, [fault.finding for fault in faults], lines={fault.finding: fault.line() for fault in faults})

    def _refuse(self, blanks: Sequence[Setting]) -> None:
        """Fail for placeholders, by their names."""
        if blanks:
            lines = [f"{s.key} = {s.value} ({s.origin})" for s in blanks]
            what = "the configuration still holds placeholders; set them in the file or with --mlps-set:\n  "
            self._fail(str(ConfigurationError(what + "\n  ".join(lines), code="MLPS-E120")))

    def _preflight(self, case: Case) -> None:
        self._refuse(self.session.config.blanks(case.family))
        workload = self.session.workload(case)
        plan = self.session.plan(case)
        for line in plan.lines():
            self.write_line(line)
        findings: list[Finding] = [*workload.preflight(plan), *self._deadlines(case)]
        if "datagen" in RERUN.get(self.session.rerun, ()):
            findings = [finding for finding in findings if finding.rule != NO_DATAGEN]  # this start makes it
        findings = [finding for finding in findings if not self.session.hosts.was_told(finding)]
        self._state(case.id, fold([*findings, *self.session.hosts.untold(case)]))

    def _precondition(self, case: Case) -> None:
        workload, plan = self.session.workload(case), self.session.plan(case)
        assert isinstance(workload, PreconditioningWorkload)
        dry = "dry run: " if self.session.dry_run else ""
        self.write_line(f"{case.id} precondition: {dry}{workload.what_precondition_does(plan)}")
        if not self.session.dry_run:
            workload.precondition(plan, launcher=self.session.launcher(), voice=self.voice)
        elif to_write := workload.precondition_bytes(plan):
            lines, planned = precondition_shown(self.session, case, to_write)
            self.write_line("\n".join(lines))
            self._property(records.PLANNED, planned)
        self._state(case.id, list(workload.precondition_findings(plan)))

    def _deadlines(self, case: Case) -> Iterator[Finding]:
        """Steps that the configured deadline would end before they can be done."""
        plan, limit = self.session.plan(case), self.session.config.launch.deadline_seconds
        for step in case.steps:
            expected = plan.expected_seconds(step)
            if limit is not None and limit < expected and step.phase != "datasize":
                yield Finding(
                    f"{step.name} is expected to take longer than launch.deadline allows",
                    severity=Severity.WARNING,
                    category=Category.CLOSED,
                    measured=format_seconds(limit),
                    required=f"more than about {format_seconds(expected)}",
                    field="launch.deadline",
                    rule="MLPS-DEADLINE-1",
                )

    def _state(self, who: str, findings: Sequence[Finding], path: str = "", lines: Mapping[Finding, str] | None = None) -> None:
        """Record the findings and fail for those that this session fails for; ``lines`` are other words for some of them."""
        self._property(records.FINDINGS, [records.finding_object(f) for f in findings])
        self._about(path or who)
        told = {finding: finding.line() for finding in findings} | dict(lines or {})
        for line in note_lines(who, findings, told, every=self.node.config.get_verbosity() > 0):
            self.write_line(line)
        if bad := [f for f in findings if self._fails(f)]:
            records.add_first_finding(self.node.user_properties, bad[0])
            pytest.fail("\n".join(told[f] for f in bad), pytrace=False)

    def _fails(self, finding: Finding) -> bool:
        """Whether this session fails for a finding."""
        return finding.severity is Severity.ERROR or (self.session.strict and finding.severity is Severity.WARNING)

    def _step(self, case: Case, step: Step) -> None:
        workload, plan, config = self.session.workload(case), self.session.plan(case), self.session.config
        resumption = self.session.resumption(case)
        aside = () if self.session.dry_run else resumption.tidy(step)
        reason = resumption.found(step)
        if reason is not None:
            if not self.session.dry_run:
                resumption.settle(step)
            self._property(records.FOUND, reason)
            self._resumed(case, step, found=reason, aside=aside)
            return
        if self.session.dry_run:
            self._dry(case, step)
            return
        resumption.refuse(step)
        workload.require(plan, step)
        launcher = self.session.launcher()
        why = resumption.why(step)
        # From here on the step is done: what it replaces has to leave the tree first, and nothing before this may fail.
        self._resumed(case, step, why=why, aside=resumption.clear(step))
        expected = plan.expected_seconds(step)
        limit = deadline_seconds(expected, config.launch.deadline_seconds)
        begun = time.monotonic()
        done = execute(workload, plan, step, config=config, launcher=launcher, voice=self.voice)
        resumption.done(step, done.leaf)
        row: dict[str, Any] = {
            "case": case.id,
            "model": case.model,
            "run": step.name,
            "phase": step.phase,
            "leaf": done.leaf.relative_to(config.results_dir).as_posix(),
            "seconds": round(time.monotonic() - begun, 3),
            "expected_seconds": round(expected, 1),
            "deadline_seconds": round(limit, 1),
            "headline": done.collected.headline,
            "command": shlex.join(done.outcome.command) if done.outcome is not None else "",
            **done.collected.metrics,
        }
        self._property(records.RUN, row)
        if done.collected.headline:
            self._property(records.MEASURED, done.collected.headline)
        for note in done.collected.notes:
            self.write_line(f"{case.id} {step.name}: {note}")

    def _resumed(self, case: Case, step: Step, *, found: str = "", why: str = "", aside: Sequence[str] = ()) -> None:
        """Say of a step that the tree was not empty for: found or done again, why, and what was moved aside."""
        if not (found or why or aside):
            return
        self._property(records.RESUMED, {"case": case.id, "step": step.name, "found": bool(found), "why": why, "aside": list(aside)})
        for line in (*aside, f"found, not repeated: {found}" if found else f"done in this start: {why}"):
            self.write_line(f"{case.id} {step.name}: {line}")

    def _dry(self, case: Case, step: Step) -> None:
        workload, plan, config = self.session.workload(case), self.session.plan(case), self.session.config
        leaf = plan.leaf_parent(step) / "YYYYMMDD_HHMMSS"
        resumption = self.session.resumption(case)
        if why := resumption.why(step):
            self.write_line(f"{case.id} {step.name}: dry run: would be done: {why}")
        for path in resumption.would_move(step):
            self.write_line(f"{case.id} {step.name}: dry run: would set aside {path}")
        job = workload.job(plan, step, staged=leaf, scratch=config.results_dir / ".mlps" / "scratch" / "RUN_ID", write=False)
        if job is None:
            self.write_line(f"{case.id} {step.name}: dry run: would write {leaf}")
            return
        lines, planned = launch_shown(self.session, case, step, job)
        self.write_line("\n".join(lines))
        self._property(records.PLANNED, planned)

    def _result(self, case: Case) -> None:
        workload, plan, config = self.session.workload(case), self.session.plan(case), self.session.config
        list_leaf(config)
        judged = workload.judge(plan)
        if judged is None:
            what = f"{case.id}: no finished run is in the results tree; nothing can be judged"
            self._fail(str(FileSystemError(what, code="MLPS-E433")))
        judgement = judged.judgement
        self._property(
            records.JUDGEMENT,
            {
                "division": config.division.value,
                "submitter": config.submitter,
                "system": config.system,
                "benchmark_type": place.family if (place := parse_result_path(judged.relpath)) is not None else case.family,
                "model": case.model,
                "accelerator": judged.accelerator,
                "path": judged.relpath,
                "edition": config.edition,
                "verdict": judgement.verdict.value,
                "metrics": dict(judged.metrics),
                "findings": [records.finding_object(f) for f in judgement.findings],
            },
        )
        self._property(records.VERDICT, judgement.headline())
        self._property(records.REASONS, list(judgement.reasons))
        for name, shown in ((records.PICTURES, picture_objects(judged.pictures)), (records.MOVED, dict(judged.moved))):
            if shown:
                self._property(name, shown)
        self.write_line(f"{case.id}: {judgement.headline()}")
        # What the rules find in the submission around it (no description yet, say) is in the verdict, and fails no benchmark.
        beside = () if self.comparer is None else compared_findings(self.comparer, judged.relpath, self.node.user_properties)
        self._state(case.id, [*judgement.own, *beside], judged.relpath)
        for name, value in ((records.MEASURED, judged.measured), (records.REQUIRED, judged.required)):
            if value:
                self._property(name, value)
