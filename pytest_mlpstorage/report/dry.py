"""The section of a dry run: what each item would have done, and what all of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from pytest_mlpstorage.report.lines import terminal_width, wrapped
from pytest_mlpstorage.report.records import PLANNED, decode
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.units import format_bytes, format_seconds

__all__ = ["DryRunReport", "total_lines"]

Planned = Mapping[str, Any]

_FIGURES = tuple(f"  {word} " for word in ("writes", "reads", "memory", "takes", "before", "deadline", "space"))


class DryRunReport:
    """Prints what the items wrote; with ``shown`` they have printed it themselves (``-s``), and the totals remain."""

    def __init__(self, *, shown: bool = False) -> None:
        self._shown = shown
        self._reports: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for each phase of each item, in the order in which they ran."""
        if report.when == "call" and not report.skipped:
            self._reports.append(report)

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Called when all items are known: from here on pytest's cache would remember what was not run."""
        if not hasattr(session.config, "workerinput"):
            for name in ("lfplugin", "nfplugin", "stepwiseplugin"):
                if session.config.pluginmanager.hasplugin(name):
                    session.config.pluginmanager.unregister(name=name)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the plan of each item, in the order in which they ran, and the totals."""
        texts = [] if self._shown else [report.capstdout for report in self._reports if report.capstdout.strip()]
        planned = [decode(str(value)) for report in self._reports for name, value in report.user_properties if name == PLANNED]
        if not texts and not planned:
            return
        width = terminal_width()
        terminalreporter.write_sep("=", "dry run: nothing was started or written")
        for text in texts:
            for line in text.rstrip("\n").split("\n"):
                for part in _fitting(plain(line, longest=20_000), width):
                    terminalreporter.write_line(part)
        for line in total_lines(planned):
            for part in _fitting(plain(line), width):
                terminalreporter.write_line(part)


def _fitting(line: str, width: int) -> Iterator[str]:
    """A figure with what it is made of, broken at the width of the terminal; any other line, as a command, stays whole to be copied."""
    if not line.startswith(_FIGURES):
        yield line
    else:
        yield from wrapped(line.strip(), width, indent="  ", hanging=" " * 9)


def total_lines(planned: Sequence[Planned]) -> Iterator[str]:
    """What all steps together move and take, and whether there is room for it; what is unknown is counted and never guessed."""
    if not planned:
        return
    cases = {step["case"] for step in planned}
    yield ""
    yield f"all {len(planned)} launch(es) of {len(cases)} case(s) together"
    for word in ("write", "read"):
        yield f"  {word + 's':<8} {_total([step[f'{word}_bytes'] for step in planned])}"
    memory = [step["host_memory_bytes"] for step in planned]
    known = [value for value in memory if value is not None]
    unknown = f"; {len(memory) - len(known)} launch(es) unknown" if len(known) < len(memory) else ""
    yield f"  memory   {f'up to about {format_bytes(max(known))} on the fullest host' if known else 'unknown'}{unknown}"
    yield f"  takes    {_time(planned)}"
    yield from _before(planned)
    yield f"  deadline {format_seconds(sum(step['deadline_seconds'] for step in planned))}: the sum of their deadlines"
    yield from _space(planned)


def _total(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known or (len(known) < len(values) and not any(known)):
        return "unknown" if len(known) < len(values) else format_bytes(0)
    more = f", and what is unknown of {len(values) - len(known)} launch(es)" if len(known) < len(values) else ""
    return format_bytes(sum(known)) + more


def _time(planned: Sequence[Planned]) -> str:
    least = format_seconds(sum(step["least_seconds"] for step in planned))
    open_ended = sum(step["most_seconds"] is None for step in planned)
    if open_ended:
        return f"at least {least}; how much more is unknown of {open_ended} launch(es), which the speed of the storage decides"
    return f"{least} to {format_seconds(sum(step['most_seconds'] for step in planned))}, and the start of each launch"


def _before(planned: Sequence[Planned]) -> Iterator[str]:
    """What those took that ran before: a sum of facts, and of how many."""
    last = [seconds for step in planned if (seconds := step.get("before_seconds")) is not None]
    if last:
        of = "all of them" if len(last) == len(planned) else f"{len(last)} of the {len(planned)}"
        yield f"  before   {format_seconds(sum(last))} for {of} when they last ran"


def _space(planned: Sequence[Planned]) -> Iterator[str]:
    """A line a file system: what is needed beside each other, and what is free on the host that has the least beyond it."""
    rooms: dict[str, dict[int, tuple[int, dict[str, Planned]]]] = {}
    for step in planned:
        for free in (step["free"] or ()) if step["space"] is not None else ():
            _bytes, of_key = rooms.setdefault(free["target"], {}).setdefault(free["host"], (free["bytes"], {}))
            before = of_key.get(step["space"]["key"])
            if before is None or _needed(step) > _needed(before):
                of_key[step["space"]["key"]] = step
    for target, hosts in rooms.items():
        free, steps = min(hosts.values(), key=lambda host: host[0] - sum(map(_needed, host[1].values())))
        total, needed = sum(map(_needed, steps.values())), [step["space"]["needed_bytes"] for step in steps.values()]
        open_ended = sorted({step["space"]["why"] for step in steps.values() if step["space"]["needed_bytes"] is None})
        verdict = "" if total <= free else " -- TOO LITTLE"
        more = f", and for {sum(value is None for value in needed)} case(s) {' or '.join(open_ended)}" if open_ended else ""
        yield f"  space    {format_bytes(total)} needed{more}; {format_bytes(free)} free on {target}{verdict}"


def _needed(step: Planned) -> int:
    """Bytes that must be free for a step whatever else it takes."""
    space = step["space"]
    return int(space["least_bytes"] if space["needed_bytes"] is None else space["needed_bytes"])
