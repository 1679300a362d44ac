"""The page in a browser, opened from a file: it asks for nothing, complains of nothing, and its filters, sorting and colors work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import report_browser

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        not any(map(shutil.which, report_browser.NAMES)), reason=f"none of {', '.join(report_browser.NAMES)} is on the PATH"
    ),
]

BAD = "closed/other/results/slowfs/training/unet3d"
WHATIF = "whatif/acme/results/laptop/training/unet3d"
LARGEST = 5_000_000
QUICK = os.environ.get("MLPS_QUICK_REPORT", "")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a judged tree that the writer made: results that hold, one that does not, one that claims nothing."""
    sys.path.append(str(ROOT / "tests" / "unit" / "rules"))
    from training_tree import TrainingTree
    from whole_tree import write_package

    folder = tmp_path_factory.mktemp("page")
    write_package(folder / "tree")
    TrainingTree.write(folder / "tree", submitter="other", system="slowfs").edit_metric(run=2, train_au_mean_percentage=88.125)
    TrainingTree.write(folder / "tree", division="whatif", system="laptop", runs=3)
    command = [sys.executable, "-m", "pytest", "rules/", f"--results-dir={folder / 'tree'}", f"--html={folder / 'report.html'}"]
    ended = subprocess.run([*command, "-n0", "-q", "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout[-2000:]
    return folder / "report.html"


@pytest.fixture(params=["judged", "quick"])
def any_page(request, page):
    """The same page, and that of the quick run of ``.ci/full``."""
    if request.param == "judged":
        return page
    if not QUICK:
        pytest.skip("MLPS_QUICK_REPORT names no page of a quick run")
    return Path(QUICK)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_loads_nothing_and_says_nothing_on_the_console(any_page, tmp_path, dark):
    seen = report_browser.look(
        any_page,
        "every('details').forEach((part) => { part.open = true }); await settled(); return [cards().length, tests().length]",
        tmp_path,
        dark=dark,
    )
    assert seen.console == ()
    assert seen.loaded == ()
    assert min(seen.value) > 0
    assert any_page.stat().st_size < LARGEST


def test_what_the_browser_is_asked_about_would_be_noticed(page, tmp_path):
    """The tests above would see a request, and a script that fails."""
    bad = tmp_path / "bad.html"
    text = page.read_text().replace("</h1>", '</h1><img src="https://example.invalid/x.png"><script>nothing_of_that_name()</script>', 1)
    bad.write_text(text)
    seen = report_browser.look(bad, "return 0", tmp_path)
    assert any("Content Security Policy" in line for line in seen.console)
    assert any("nothing_of_that_name" in line for line in seen.console)


def test_filters_choose_cards_and_rows_together(page, tmp_path):
    script = """
    const found = {}
    const take = (name, wanted) => { filter(wanted); found[name] = [cards(), tests(), shown('[data-for]').length, location.hash, form.elements.count.value] }
    take('all', {})
    take('invalid', { verdict: 'INVALID' })
    take('whatif', { verdict: 'WHATIF' })
    take('training', { family: 'training' })
    take('failed', { outcome: 'failed' })
    take('own', { section: 'own' })
    take('training failed', { section: '3', outcome: 'failed' })
    take('words', { words: 'SLOWFS 3.3.2' })
    take('nothing', { words: 'no such words anywhere' })
    form.elements.clear.click()
    found.again = [cards(), tests(), 0, location.hash, '']
    return found
    """
    seen = report_browser.look(page, script, tmp_path).value
    every = seen["all"]
    assert len(every[0]) > 8
    assert every[4] == f"Shown: {len(every[0])} of {len(every[0])} verdicts, {len(every[1])} of {len(every[1])} tests"
    assert set(seen["invalid"][0]) == {BAD, "closed/other"}
    assert seen["invalid"][1]
    assert all("closed/other" in test for test in seen["invalid"][1])
    assert seen["invalid"][2] == 1, "its line in the list above the cards"
    assert seen["invalid"][3] == "#verdict=INVALID"
    assert set(seen["whatif"][0]) == {WHATIF, "whatif/acme"}
    assert all("training" in path for path in seen["training"][0])
    assert all("test_training.py" in test for test in seen["training"][1])
    assert set(seen["failed"][0]) == {BAD, "closed/other"}
    assert any("3.3.2-" in test for test in seen["failed"][1])
    assert 0 < len(seen["failed"][1]) < 20
    assert all("[MLPS-" in test for test in seen["own"][1])
    assert seen["training failed"][0] == [BAD]
    assert [test.partition("[")[2].partition("-")[0] for test in seen["training failed"][1]] == ["3.3.2"]
    assert seen["words"][0] == [BAD]
    assert [BAD in test and "3.3.2" in test for test in seen["words"][1]] == [True]
    assert seen["nothing"][:3] == [[], [], 0]
    assert [seen["again"][0], seen["again"][1], seen["again"][3]] == [every[0], every[1], ""]


def test_filters_are_kept_in_the_address_and_outlive_a_sort(page, tmp_path):
    script = """
    const at_first = [cards(), form.elements.words.value]
    every('#results-table .sortable').find((head) => head.dataset.columnType === 'testId').click()
    await settled()
    return [...at_first, tests()]
    """
    cards, words, tests = report_browser.look(page, script, tmp_path, fragment="#family=training&words=slowfs").value
    assert (cards, words) == ([BAD], "slowfs")
    assert tests
    assert all(BAD in test for test in tests)


def test_columns_of_figures_sort_by_number_and_by_the_keyboard(page, tmp_path):
    script = """
    const found = []
    for (let time = 0; time < 2; time += 1) {
      const head = every('#results-table .sortable').find((one) => one.dataset.columnType === 'measured')
      head.focus()
      if (document.activeElement !== head) return []
      head.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }))
      await settled()
      const now = every('#results-table .sortable').find((one) => one.dataset.columnType === 'measured')
      found.push([now.getAttribute('aria-sort'), shown('#results-table td.col-measured').map((cell) => cell.innerText.trim())])
    }
    return found
    """
    ways = report_browser.look(page, script, tmp_path).value
    assert ways, "the head of the column cannot be reached"
    for direction, texts in ways:
        numbers = [float(found[0]) for text in texts if (found := re.match(r"-?\d+(?:\.\d+)?", text))]
        assert len(set(numbers)) > 2
        assert numbers == sorted(numbers, reverse=direction == "descending")
    assert {direction for direction, _ in ways} == {"ascending", "descending"}


def test_rows_open_by_the_keyboard(page, tmp_path):
    script = """
    const open = () => shown('#results-table .extras-row').length
    const before = open()
    const cell = shown('#results-table td.col-result.collapsed')[0]
    cell.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', bubbles: true, cancelable: true }))
    await settled()
    return [before, open(), cell.tabIndex]
    """
    before, after, index = report_browser.look(page, script, tmp_path).value
    assert (after, index) == (before + 1, 0)


CONTRAST = """
const channel = (value) => { const part = value / 255; return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4 }
const light = (color) => { const [r, g, b] = color.match(/[\\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b) }
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor
    if (!/, 0\\)$/.test(color) && color !== 'transparent') return color
  }
  return 'rgb(255, 255, 255)'
}
const worst = {}
for (const node of shown('body *')) {
  if (!visible(node) || ![...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue
  if (node.closest('svg, template, select, [hidden]')) continue
  const [one, other] = [light(getComputedStyle(node).color), light(behind(node))]
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
  const name = `${node.tagName} ${node.className} ${node.textContent.trim().slice(0, 30)}`
  if (ratio < 4.5) worst[name] = ratio
}
return [getComputedStyle(document.body).backgroundColor, worst]
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_can_be_told_from_its_background(any_page, tmp_path, dark):
    background, too_pale = report_browser.look(any_page, CONTRAST, tmp_path, dark=dark).value
    assert background == ("rgb(20, 24, 30)" if dark else "rgb(255, 255, 255)")
    assert too_pale == {}


def test_the_page_can_be_read_by_its_structure(any_page, tmp_path):
    script = """
    const levels = every('h1, h2, h3, h4').filter((head) => visible(head)).map((head) => Number(head.tagName[1]))
    const ids = every('[id]').map((node) => node.id)
    return {
      levels, lang: document.documentElement.lang, first: shown('h1, h2')[1].textContent,
      twice: ids.filter((id, at) => ids.indexOf(id) !== at),
      unnamed: every('.mlps-filter select, .mlps-filter input').filter((field) => !field.labels.length).length,
      unlabelled: every('article').filter((card) => !document.getElementById(card.getAttribute('aria-labelledby'))).length,
      silent: every('.mlps svg, .mlps img').filter((drawn) => !drawn.getAttribute('aria-label') && !drawn.querySelector('title')).length,
      dead: every('.mlps a[href^="#"]').filter((link) => !document.querySelector(link.getAttribute('href'))).length,
    }
    """
    seen = report_browser.look(any_page, script, tmp_path).value
    assert (seen["levels"][0], seen["lang"], seen["first"]) == (1, "en", "Verdicts")
    assert all(later - earlier <= 1 for earlier, later in zip(seen["levels"], seen["levels"][1:], strict=False)), seen["levels"]
    assert [seen[key] for key in ("twice", "unnamed", "unlabelled", "silent", "dead")] == [[], 0, 0, 0, 0]


def test_nothing_is_wider_than_a_narrow_window(any_page, tmp_path):
    script = "every('.mlps details').forEach((part) => { part.open = true }); await settled(); return [document.documentElement.scrollWidth, innerWidth]"
    wide, window = report_browser.look(any_page, script, tmp_path, width=700).value
    assert wide <= window


def test_on_paper_nothing_is_folded_away_and_what_is_for_the_mouse_is_gone(any_page, tmp_path):
    script = """
    for (const sheet of document.styleSheets) {
      for (const rule of sheet.cssRules) {
        if (rule.media) rule.media.mediaText = rule.media.mediaText === 'print' ? 'screen' : 'print'
      }
    }
    const passed = every('#results-table tbody.passed').filter(visible).length
    window.dispatchEvent(new Event('beforeprint'))
    const style = getComputedStyle
    return {
      passed, folded: every('.mlps details:not([open], .mlps-more)').length,
      mouse: shown('.mlps-filter, .controls, .logwrapper, .extras-row, .mlps summary::marker, .col-links, .col-duration').length,
      told: shown('.mlps-paper').length, others: shown('#results-table tbody:not(.passed) .col-testId').length,
      scrolled: shown('.mlps-scroll').filter((box) => style(box).overflowX !== 'visible').length,
      cut: shown('.mlps figure, .mlps li').filter((box) => style(box).breakInside !== 'avoid').length,
      links: shown('a').filter((link) => style(link).textDecorationLine !== 'none').length,
      ground: style(document.querySelector('.mlps-card')).backgroundColor, ink: style(document.body).color,
    }
    """
    seen = report_browser.look(any_page, script, tmp_path, dark=True).value
    assert {key: seen[key] for key in ("passed", "folded", "mouse", "scrolled", "cut", "links")} == dict.fromkeys(
        ("passed", "folded", "mouse", "scrolled", "cut", "links"), 0
    )
    assert (seen["told"], seen["ground"], seen["ink"]) == (1, "rgb(255, 255, 255)", "rgb(51, 51, 51)")
    assert seen["others"] > 0


def test_it_prints_on_as_many_sheets_as_its_cards_need(page, tmp_path):
    printed = report_browser.printed(page, tmp_path)
    sheets = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    cards = page.read_text().count("<article")
    assert cards < sheets < 6 * cards
