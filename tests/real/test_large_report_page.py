"""The page of a submission of 300 results: small enough for a mail, opened at once, with filters, order and counts that are true."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import report_browser

ROOT = Path(__file__).parents[2]
SUBMITTERS, BROKEN, LARGEST = 75, 16, 5_000_000

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        not any(map(shutil.which, report_browser.NAMES)), reason=f"none of {', '.join(report_browser.NAMES)} is on the PATH"
    ),
]


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The page, and what pytest counted: a package that the writer made, once for each of many submitters."""
    sys.path.append(str(ROOT / "tests" / "unit" / "rules"))
    from whole_tree import write_package

    folder = tmp_path_factory.mktemp("large")
    write_package(folder / "one")
    tree = folder / "tree"
    shutil.copytree(folder / "one", tree, symlinks=True)
    for number in range(1, SUBMITTERS):
        shutil.copytree(folder / "one" / "closed" / "acme", tree / "closed" / f"acme-{number:02}", symlinks=True)
    for number in range(1, BROKEN + 1):
        for path in (tree / "closed" / f"acme-{number:02}").glob("results/*/training/*/run/*/summary.json"):
            summary = json.loads(path.read_text())
            summary["metric"]["train_au_mean_percentage"] = 88.125
            path.write_text(json.dumps(summary))
    command = [sys.executable, "-m", "pytest", "rules/", f"--results-dir={tree}", f"--html={folder / 'report.html'}"]
    ended = subprocess.run([*command, "-n0", "-q", "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout[-2000:]
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (failed|passed|skipped)", ended.stdout.splitlines()[-1])}
    return folder / "report.html", counts


def test_it_is_no_larger_than_a_mail_takes_and_says_what_it_leaves_out(judged):
    page, counts = judged
    assert sum(counts.values()) > 12_000
    assert page.stat().st_size < LARGEST
    text = page.read_text()
    assert re.search(r"[\d,]+ pictures of [\d,]+ results are not drawn, so that the page stays below 5 MB", text)
    assert "share one row for each section of the rule book and each subject" in text


def test_counts_filters_and_order_are_true_of_every_test(judged, tmp_path):
    page, counts = judged
    script = """
    const found = {}
    const sum = () => shown('#results-table td.col-verdict').reduce((all, cell) => all + Number(cell.dataset.n || 1), 0)
    const take = (name, wanted) => { filter(wanted); found[name] = [cards().length, sum(), form.elements.count.value] }
    take('all', {})
    take('failed', { outcome: 'failed' })
    take('passed', { outcome: 'passed' })
    take('people', { outcome: 'human' })
    take('invalid', { verdict: 'INVALID' })
    take('one', { words: 'acme-03/ training' })
    take('a rule', { words: 'acme-40 3.1.1' })
    filter({})
    found.logs = every('#results-table tbody.failed .log').map((log) => log.textContent)
    every('#results-table .sortable').find((head) => head.dataset.columnType === 'testId').click()
    await settled()
    const names = tests()
    found.sorted = [names.length, names.every((name, at) => !at || names[at - 1] <= name || names[at - 1] >= name)]
    found.order = names
    found.rows = every('#results-table > tbody').length
    return found
    """
    seen = report_browser.look(page, script, tmp_path)
    assert (seen.console, seen.loaded) == ((), ())
    found, every = seen.value, sum(counts.values())
    assert found["all"][1:] == [every, f"Shown: {found['all'][0]} of {found['all'][0]} verdicts, {every} of {every} tests"]
    assert found["all"][0] == 5 * SUBMITTERS, "four results and a submission of each"
    assert found["failed"][1] == counts["failed"]
    assert found["passed"][1] > 0.8 * counts["passed"]
    assert found["people"][1] > 0.8 * counts["skipped"]
    assert found["invalid"][0] == 2 * BROKEN
    assert found["one"][1] > 30
    assert found["a rule"][1] > 0
    assert len(found["logs"]) == counts["failed"]
    assert any("88.125" in log for log in found["logs"])
    assert found["order"] in (sorted(found["order"]), sorted(found["order"], reverse=True))
    assert found["rows"] < 3000, "a browser takes a second for a thousand"


def test_each_card_that_is_not_drawn_in_whole_says_so(judged, tmp_path):
    script = """
    const bad = shown('.mlps-card.mlps-bad[data-family=training]')
    return [bad.length, bad.filter((card) => card.querySelector('svg') && !card.querySelector('.mlps-undrawn')).length,
      every('.mlps-undrawn').length, document.getElementById('mlps-left-out').textContent]
    """
    bad, whole, undrawn, told = report_browser.look(judged[0], script, tmp_path).value
    assert (bad, whole) == (BROKEN, BROKEN), "charts of what is INVALID come first"
    assert f"{undrawn:,} pictures of " in told
