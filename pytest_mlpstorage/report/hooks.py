"""The pytest hooks of the reports, in one object that is registered on the controller where our suites run."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import Any, cast

import pytest

from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.report import compare_told, folded_rows, html, junit
from pytest_mlpstorage.report.cards import Again
from pytest_mlpstorage.report.collector import FindResult, SuiteReport
from pytest_mlpstorage.report.compare import Comparison
from pytest_mlpstorage.report.compare_with import Comparer
from pytest_mlpstorage.report.lines import terminal_width
from pytest_mlpstorage.report.packed_rows import UNPACK, packed
from pytest_mlpstorage.report.records import facts
from pytest_mlpstorage.report.step_summary import write_step_summary
from pytest_mlpstorage.report.terminal import rerun_command, summary_lines
from pytest_mlpstorage.report.text import escaped, plain
from pytest_mlpstorage.report.verdicts import write_submissions, write_verdicts
from pytest_mlpstorage.results.records import Result
from pytest_mlpstorage.results.tree import Tree, read_tree
from pytest_mlpstorage.rules.judging import STRICT, Profile

__all__ = ["ReportPlugin", "register", "result_finder"]

_NAME = "mlpstorage-report"


def result_finder(results_dir: Path) -> FindResult:
    """Finds a result that an item of ``benchmarks/`` judged, by its path below ``results_dir``; the tree is looked through once."""
    tree: list[Tree] = []

    def find(path: str) -> Result | None:
        if not tree:
            tree.append(read_tree(results_dir))
        place = tree[0].place(path)
        return cast("Result", tree[0].load(place)) if place is not None and place.is_result else None

    return find


def register(
    config: pytest.Config,
    *,
    results_dir: Path,
    tree: Tree | None = None,
    profile: Profile = STRICT,
    whatif: bool = False,
    output_dir: Path | None = None,
    comparer: Comparer | None = None,
    again: Again | None = None,
) -> SuiteReport | None:
    """Register the reports for this session and return their collector; None on an xdist worker, which has nothing to report.

    ``again`` gives the command that measures a result once more.
    """
    if hasattr(config, "workerinput"):
        return None
    report = SuiteReport(tree, profile)
    plugin = ReportPlugin(config, report, results_dir, whatif=whatif, output_dir=output_dir, comparer=comparer, again=again)
    config.pluginmanager.register(plugin, _NAME)
    return report


class ReportPlugin:
    """Listens to every item's report and writes the verdicts at the end."""

    def __init__(
        self,
        config: pytest.Config,
        report: SuiteReport,
        results_dir: Path,
        *,
        whatif: bool,
        output_dir: Path | None,
        comparer: Comparer | None = None,
        again: Again | None = None,
    ) -> None:
        self.config = config
        self.report = report
        self.results_dir = results_dir
        self.find_result = result_finder(results_dir)
        self.whatif = whatif
        self.output_dir = output_dir
        self.comparer = comparer
        self.again = again
        self.files: dict[str, str] = {}
        self._page: Any = None
        self.problems: list[str] = []
        if getattr(config.option, "htmlpath", None):
            # One file that can be sent to somebody; pytest-html reads this when it is configured, after us.
            config.option.self_contained_html = True

    def pytest_report_header(self) -> list[str]:
        """Say what results are compared with."""
        return [f"mlpstorage compared with: {self.comparer.told}"] if self.comparer is not None else []

    def pytest_sessionstart(self) -> None:
        """Once pytest's own writers are there."""
        junit.prefer_xunit1(self.config)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for each phase of each item, here and for those of xdist's workers."""
        self.report.add(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Before any report file is written: judge, and write the verdicts."""
        judged = self.report.close(self.find_result)
        if self.comparer is not None and session.exitstatus == pytest.ExitCode.OK and not self.config.getoption("mlps_dry_run"):
            # A limit that nobody looked at must not pass for one that was kept.
            unheld = compare_told.unheld(self.comparer.limits, judged.compared)
            self.problems += unheld
            session.exitstatus = pytest.ExitCode.TESTS_FAILED if unheld else session.exitstatus
        if not self.report.items:
            return
        junit.add_suite_properties(self.config, (*judged.results, *judged.submissions))
        junit.tidy_cases(self.config)
        if self.report.nothing_judged and session.exitstatus == pytest.ExitCode.OK:
            # A tree of which no rule could say anything must not pass for one in which nothing is wrong.
            self.problems.append("nothing was judged: no rule found the records that it reads, or only rules for people were selected")
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        try:
            if self.output_dir is not None:
                as_json, as_csv = write_verdicts(self.output_dir, [result.written for result in judged.results])
                self.files |= {"verdicts": str(as_json), "as a table": str(as_csv)}
                if judged.compared:
                    self.files["comparison"] = str(compare_told.write_comparisons(self.output_dir, judged.compared))
                if judged.submissions:
                    self.files["submissions"] = str(write_submissions(self.output_dir, [s.written for s in judged.submissions]))
            if step_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
                write_step_summary(Path(step_summary), judged, self.report.failed, self._where(), os.environ)
        except MLPStorageError as error:
            self.problems.append(str(error))
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the section of the verdicts."""
        if not self.report.items and not self.problems:
            return
        judged = self.report.close(self.find_result)
        rerun = self._rerun()
        terminalreporter.write_sep("=", "MLPerf Storage")
        verbosity, width = self.config.get_verbosity(), terminal_width()
        for line in summary_lines(judged, self.report.failed, files=self._where(), rerun=rerun, verbosity=verbosity, width=width):
            terminalreporter.write_line(line.text, **line.markup)
        for problem in self.problems:
            for text in problem.splitlines():
                terminalreporter.write_line(plain(text), red=True, bold=True)

    def _rerun(self) -> str:
        """The command that repeats what failed."""
        arguments = [str(argument) for argument in self.config.invocation_params.args]
        # A dry run leaves no cache behind.
        has_cache = self.config.pluginmanager.hasplugin("cacheprovider") and not self.config.getoption("mlps_dry_run")
        way = os.path.relpath(self.config.rootpath, self.config.invocation_params.dir)
        return rerun_command(
            arguments,
            self.config.option.file_or_dir or [],
            self.report.failed,
            has_cache=has_cache,
            root="" if way == "." else f"{way}/",
        )

    def _where(self) -> dict[str, str]:
        found = {"results": str(self.results_dir), **self.files}
        for what, option in (("report", "htmlpath"), ("JUnit", "xmlpath")):
            if path := getattr(self.config.option, option, None):
                found[what] = str(Path(path).absolute())
        return found

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """Called by pytest-html when the session starts."""
        self._page = report
        report.title = html.title("whatif" if self.whatif else None)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Called by pytest-html for the headers; ours follow the test's name."""
        columns = (*html.COLUMNS, compare_told.COLUMN) if self.comparer is not None else html.COLUMNS
        cells[2:2] = [f'<th class="sortable" data-column-type="{name.lower()}">{name}</th>' for name in columns]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """Called by pytest-html for each row; it does not escape node ids, which may hold names of a foreign tree."""
        suffix = f"::{report.when}" if getattr(report, "when", "call") != "call" else ""
        cells[1] = f'<td class="col-testId">{escaped(report.nodeid + suffix)}</td>'
        said = facts(getattr(report, "user_properties", ()))
        compared = Comparison.from_json(said.compared) if said is not None and said.compared is not None else None
        cells[2:2] = [*html.row_cells(said, report.outcome), *([compare_told.cell(compared)] if self.comparer is not None else [])]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: pytest.TestReport, data: list[str]) -> None:
        """Called by pytest-html for what a row unfolds to: of a skipped test the reason, where it would show a tuple."""
        if isinstance(report.longrepr, tuple) and data:
            data[0] = "".join(f"{escaped(line)}\n" for line in str(report.longrepr[2]).splitlines())

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str], postfix: list[str]) -> None:
        """Called by pytest-html before it writes the page: verdicts first, then the runs."""
        judged = self.report.close(self.find_result)
        tests = self._page.data["tests"]
        shown = folded_rows.folded(tests, self.report.items)
        rows = packed(shown)
        self._page.set_data("mlps", rows)
        self._page.set_data("tests", {})
        others = [compare_told.comparison_html(judged.compared), html.runs_html(judged.runs), html.TESTS_HEADING]
        if left_out := folded_rows.told(*(sum(map(len, of.values())) for of in (tests, shown))):
            others.append(folded_rows.rules_html(self.report.items))
            # What the user chose for it stays. pytest knows no other way to tell that from a default.
            if "render_collapsed" not in getattr(self.config, "_inicfg", {}):
                self._page.set_data("renderCollapsed", ["passed", "skipped"])
        taken = sum(len(escape(text).encode()) for text in (json.dumps(rows), *others))
        verdicts = html.verdicts_html(judged, self.report.failed, again=self.again, rerun=self._rerun(), taken=taken, left_out=left_out)
        postfix += [UNPACK, html.SCRIPT]
        prefix += [verdicts, *others]
