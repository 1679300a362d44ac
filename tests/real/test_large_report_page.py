"""The page of a submission of 300 results: small enough for a mail, opened at once, with filters, order and counts that are true."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

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
    page, told = report_of(tree, folder / "report.html", f"--junitxml={folder / 'junit.xml'}")
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (failed|passed|skipped)", told.splitlines()[-1])}
    return page, counts


def report_of(tree, page, *arguments, plugin=""):
    """The page of a judged tree, and what pytest wrote; ``plugin`` is the text of one for that session."""
    page.with_name("for_this_page.py").write_text(plugin)
    command = [sys.executable, "-m", "pytest", "rules/", f"--results-dir={tree}", f"--html={page}", "-p", "for_this_page", *arguments]
    ended = subprocess.run(
        [*command, "-n0", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(page.parent)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout[-2000:] + ended.stderr[-2000:]
    return page, ended.stdout


SMALL = """
from pytest_mlpstorage.report import folded_rows, html
folded_rows.MOST_ROWS, html._LONG_CARDS = 10, 1
"""
"""Makes a page of few results what otherwise only one of very many is."""

COLUMNS = """
NAMES = ("log", "extras", "resultsTableRow")
def pytest_html_results_table_header(cells):
    cells += [f'<th class="sortable" data-column-type="{name}">{name}</th>' for name in NAMES]
def pytest_html_results_table_row(report, cells):
    cells += [f'<td class="col-{name}">short</td>' for name in NAMES]
"""
"""Columns of another plug-in that are named like what pytest-html makes rows of."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A package and a submission with a result that does not hold."""
    sys.path.append(str(ROOT / "tests" / "unit" / "rules"))
    from training_tree import TrainingTree
    from whole_tree import write_package

    folder = tmp_path_factory.mktemp("few") / "tree"
    write_package(folder)
    TrainingTree.write(folder, submitter="other", system="slowfs").edit_metric(run=2, train_au_mean_percentage=88.125)
    return folder


@pytest.fixture(scope="module")
def twins(tree, tmp_path_factory):
    """The page of one tree twice: with each test in its own row and each card whole, and with all that a large page folds."""
    folder = tmp_path_factory.mktemp("twins")
    whole, _ = report_of(tree, folder / "whole.html")
    return whole, report_of(tree, folder / "folded.html", plugin=SMALL)[0]


WORDS = [
    "3.1.1", "2.1.", "[3.1.1-", "3.1.1-", "trainingVerifyDatasizeUsage", "DATASIZE", "-closed/other", "closed/acme 2.1.", "other system",
    "test_training.py::test_rule[3.", "passed", "ok", "skipped review", "human review 2.1.", "88.125", "unet3d 3.3.2", "rules passed, section",
    "whether the", "0 ms", "no such words anywhere",
]  # fmt: skip


def test_words_find_on_a_folded_page_just_what_they_find_on_a_whole_one(twins, tmp_path):
    script = f"""
    const found = {{}}
    for (const words of {json.dumps(WORDS)}) {{
      filter({{ words }})
      found[words] = [cards(), form.elements.count.value]
    }}
    found.rows = every('#results-table > tbody').length
    return found
    """
    whole, folded = (report_browser.look(page, script, tmp_path).value for page in twins)
    assert folded.pop("rows") < whole.pop("rows") / 2
    tests = [{words: told.rpartition(", ")[2] for words, (_, told) in found.items()} for found in (whole, folded)]
    assert tests[0] == tests[1]
    for words in WORDS:
        # What rules that passed have measured stands on a large page in the table of tests alone.
        beside = set() if re.search(r"\d\.\d|\w{12}", words) else set(whole[words][0]) - set(folded[words][0])
        assert sorted({*folded[words][0], *beside}) == sorted(whole[words][0]), words
    counts = {words: int(re.search(r"(\d+) of \d+ tests", told)[1]) for words, (_, told) in whole.items()}
    assert (counts["no such words anywhere"], counts["rules passed, section"]) == (0, 0)
    assert min(counts[words] for words in WORDS[:13]) > 0
    assert whole["trainingVerifyDatasizeUsage"][0], "cards tell names too"


def test_other_filters_count_the_same_there_too(twins, tmp_path):
    script = """
    const found = []
    for (const name of ['verdict', 'family', 'section', 'outcome']) {
      for (const option of form.elements[name].options) {
        for (const words of ['', '2.1', 'gen-', '::setup']) {
          filter({ [name]: option.value, words })
          found.push([name, option.value, words, form.elements.count.value])
        }
      }
    }
    return found
    """
    whole, folded = (report_browser.look(page, script, tmp_path).value for page in twins)
    assert len(whole) > 60
    assert folded == whole
    people = {verdict: told for name, verdict, words, told in whole if (name, words) == ("verdict", "::setup")}
    assert not any(", 0 of" in told for told in people.values()), "what people decide is of a result or a submission too"


def data_of(page):
    return json.loads(html.unescape(re.search(r'data-jsonblob="([^"]*)"', page.read_text())[1]))


def test_what_the_user_chose_to_collapse_stays(tree, twins, tmp_path):
    assert data_of(twins[1])["renderCollapsed"] == ["passed", "skipped"]
    for chosen in ("failed", "passed"):
        page, _ = report_of(tree, tmp_path / "report.html", "-o", f"render_collapsed={chosen}", plugin=SMALL)
        assert data_of(page)["renderCollapsed"] == [chosen]


@pytest.mark.parametrize("fold", ["", SMALL], ids=["whole", "folded"])
def test_columns_named_like_parts_of_a_row_cost_no_log(tree, tmp_path, fold):
    page, _ = report_of(tree, tmp_path / "report.html", plugin=fold + COLUMNS)
    script = """
    return [every('#results-table tbody.failed .log').map((log) => log.textContent), shown('#results-table td.col-log').map((cell) => cell.textContent)]
    """
    seen = report_browser.look(page, script, tmp_path)
    assert seen.console == ()
    logs, cells = seen.value
    assert any("88.125" in log for log in logs)
    assert set(cells) == {"short"}


def test_a_page_whose_rows_have_no_place_for_pictures_has_its_rows(twins, tmp_path):
    """Another version of pytest-html may name that place otherwise."""
    text = twins[1].read_text()
    above, footer, below = text.rpartition("<footer>")
    page = tmp_path / "report.html"
    page.write_text(above.replace('class="media"', 'class="pictures"') + footer + below.replace("'.media'", "'.pictures'"))
    seen = report_browser.look(page, "return tests().length", tmp_path)
    assert (seen.console, seen.value > 20) == ((), True)


def test_it_is_no_larger_than_a_mail_takes_and_says_what_it_leaves_out(judged):
    page, counts = judged
    assert sum(counts.values()) > 12_000
    assert page.stat().st_size < LARGEST
    text = page.read_text()
    assert re.search(r"[\d,]+ pictures of [\d,]+ results are not drawn, to keep the page small", text)
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
    take('not asked', { outcome: 'not-asked' })
    take('people', { outcome: 'human' })
    take('invalid', { verdict: 'INVALID' })
    take('one', { words: 'acme-03/ training' })
    take('a rule', { words: '3.1.1' })
    take('a rule of one', { words: 'acme-40 3.1.1' })
    const began = performance.now()
    take('a name', { words: 'trainingVerifyDatasizeUsage' })
    found.took = performance.now() - began
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
    assert found["passed"][1] + found["not asked"][1] > 0.8 * counts["passed"]
    assert found["passed"][1] > 4 * found["not asked"][1] > 0
    assert found["people"][1] > 0.8 * counts["skipped"]
    assert found["invalid"][0] == 2 * BROKEN
    assert found["one"][1] > 30
    names = [case.get("name") for case in ElementTree.parse(page.with_name("junit.xml")).iter("testcase")]  # noqa: S314 - written by this test
    assert len(names) == every
    for what, *words in (("a rule", "3.1.1"), ("a rule of one", "acme-40", "3.1.1"), ("a name", "trainingVerifyDatasizeUsage")):
        true = sum(all(word in name for word in words) for name in names)
        assert f", {true} of {every} tests" in found[what][2]
        assert true > 0
    assert found["a name"][0] == SUBMITTERS
    assert found["took"] < 2000, "milliseconds"
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
