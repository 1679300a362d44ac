"""The cards of the page: what stands open, what is folded, and that nothing of a tree acts in a browser."""

import html as texts
import re
from xml.etree import ElementTree

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.report import html
from pytest_mlpstorage.report.card_parts import cold_reads_html, command_html, figures_html, meanings_html, others_html, reasons_html
from pytest_mlpstorage.report.cards import choices_of, failures_html
from pytest_mlpstorage.report.collector import Item, JudgedResult, Verdicts
from pytest_mlpstorage.report.filters import SCRIPT, filter_bar
from pytest_mlpstorage.report.headline_text import Limit, Spread
from pytest_mlpstorage.report.hooks import result_finder
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.result_facts import ColdReads, ResultFacts
from pytest_mlpstorage.report.rule_rows import RuleRow

EVIL = "<script>alert('x')</script>\x1b[2J\"'`>"
AU = "train_mean_of_au_percentage"
ROWS = (
    RuleRow("3.3.2", "utilization", "failed", "88.1", "90.0", "too low"),
    RuleRow("3.3.3", "oneHost", "warned", "2", "4", "few"),
    RuleRow("2.1.18a", "subsets", "human", message="whether runs were left out"),
    RuleRow("3.1.1", "datasize", "passed", "70 files", "at least 68 files"),
    RuleRow("MLPS-COLD-1", "coldReads", "not verified", message="gone"),
)
FACTS = ResultFacts(
    ran=(("hosts", "2"), ("data set", "70 files, 280.00 MiB")),
    figures={AU: 88.1, "Read B/W (GiB/s)": 0.5},
    spreads={AU: Spread(87, 89, 5)},
    limits={AU: Limit(90, "3.3.2")},
    cold_reads=ColdReads("proved", "nothing lay in memory"),
    again={"case": "unet3d-b200"},
)


def result(
    verdict="INVALID",
    facts=FACTS,
    rows=ROWS,
    reasons=("[3.3.2] too low; measured 88.1; required 90.0; in a/summary.json:metric",),
    **changes,
):
    written = {
        "division": "closed", "submitter": "acme", "system": "fastfs", "benchmark_type": "training", "model": "unet3d", "accelerator": "b200",
        "path": "closed/acme/results/fastfs/training/unet3d", "edition": "3.0", "verdict": verdict,
        "metrics": {AU: 88.1, "Read B/W (GiB/s)": 0.5, "mine": 3.0}, "findings": [], **changes,
    }  # fmt: skip
    return JudgedResult(written, verdict, reasons, facts=facts, rules={written["path"]: rows})


def submission(path="closed/acme", verdict="INVALID"):
    written = {
        "division": "closed",
        "submitter": "acme",
        "path": path,
        "edition": "3.0",
        "profile": "strict",
        "verdict": verdict,
        "results": {},
    }
    return JudgedResult({**written, "findings": []}, verdict, ("[2.1.8] no PDF",), rules={path: (RuleRow("2.1.8", "pdf", "failed"),)})


def page(*results, submissions=(), failed=(), **more):
    return html.verdicts_html(Verdicts(results, tuple(submissions)), failed, **more).removeprefix(html.STYLE)


def words(markup):
    """What a reader sees of it, and what opens."""
    return re.sub(r"\s+", " ", texts.unescape(re.sub(r"<[^>]+>", " ", markup))).strip()


def well_formed(markup):
    """Every element is closed where it was opened."""
    named = markup.replace("&nbsp;", " ").replace("<br>", "<br/>").replace(" hidden>", ' hidden="">')
    closed = re.sub(r"<input ([^>]*)>", r"<input \1/>", named)
    return ElementTree.fromstring(f"<page>{closed}</page>")  # noqa: S314 - written by us


def test_the_verdict_stands_first_with_its_mark_and_then_the_card_in_order():
    told = words(page(result()))
    order = [
        "1 result: ✗ 1 INVALID .", "✗ INVALID Training: unet3d on b200", "acme, system fastfs, closed, edition 3.0", "AU 88.1 %",
        "✗ at least 90 % (3.3.2) 5 runs 87.0 to 89.0", "read bandwidth 0.5 GiB/s", "hosts 2 data set 70 files, 280.00 MiB",
        "Cold reads: ✓ proved : nothing lay in memory", "3.3.2 too low; measured 88.1; required 90.0 a/summary.json:metric",
        "2 Structure, records and system description: ☐ 1 for a person to decide", "3 Training: ✗ 1 failed , ! 1 with a warning , ✓ 1 passed",
        "3.3.2 utilization ✗ failed 88.1 90.0 too low", "3.1.1 datasize ✓ passed 70 files at least 68 files", "Own rules (MLPS): ? 1 not verified",
        "1 more figure", "mine 3.000 mine",
    ]  # fmt: skip
    places = [told.find(part) for part in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)


def test_the_page_is_well_formed():
    many = [result(path=f"closed/acme/results/fastfs/training/unet3d-{number}") for number in range(3)]
    failed = [Item("t::x[unet3d]", "failed", Facts(), "it broke", "it broke\n  next: do that")]
    whole = page(*many, submissions=[submission()], failed=failed)
    root = well_formed(whole)
    assert len(root.findall(".//article")) == 4
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    assert [node.get("lang") for node in root if node.tag == "section"] == ["en"] * 4


def test_several_results_are_listed_above_with_a_way_to_their_cards():
    root = well_formed(page(result(), result("CLOSED", path="closed/b/results/x/training/unet3d")))
    rows = root.findall("section[@id='mlps-verdicts']//tbody/tr")
    assert [row.get("data-for") for row in rows] == ["mlps-r0", "mlps-r1"]
    assert [row.find(".//a").get("href") for row in rows] == ["#mlps-r0", "#mlps-r1"]
    assert "AU 88.1 % (at least 90 %); read bandwidth 0.5 GiB/s" in words(ElementTree.tostring(rows[0], encoding="unicode"))
    assert not well_formed(page(result())).findall("section[@id='mlps-verdicts']//tbody")


def test_the_accelerators_of_one_result_are_listed_each_with_its_limit():
    names = [f"{AU} on {accelerator}" for accelerator in ("a100", "h100")]
    facts = ResultFacts(figures=dict(zip(names, (99.0, 88.1), strict=True)), limits=dict.fromkeys(names, Limit(90, "rule")))
    root = well_formed(page(result(facts=facts, edition="2.0"), result(path="closed/b/results/x/training/unet3d")))
    row = words(ElementTree.tostring(root.find("section[@id='mlps-verdicts']//tbody/tr"), encoding="unicode"))
    assert "a100: AU 99.0 % (at least 90 %); h100: AU 88.1 % (at least 90 %)" in row
    card = words(ElementTree.tostring(root.find(".//article"), encoding="unicode"))
    assert "a100 h100 AU 99.0 % ✓ at least 90 % (rule) 88.1 % ✗ at least 90 % (rule)" in card


def test_a_card_tells_the_filters_what_it_is():
    card = well_formed(page(result())).find(".//article")
    assert (card.get("data-verdict"), card.get("data-family"), card.get("data-case")) == ("INVALID", "training", "unet3d-b200")
    assert card.get("data-rules").split() == ["2:human", "3:failed", "3:passed", "3:warned", "own:not-verified"]
    told = well_formed(page(submissions=[submission()])).find(".//article")
    assert (told.get("data-path"), told.get("data-family"), told.get("data-rules")) == ("closed/acme", "submission", "2:failed")


def test_the_filters_offer_what_is_on_the_page():
    choices = choices_of(Verdicts((result(), result("CLOSED", rows=())), (submission(),)))
    assert list(choices["verdict"]) == ["CLOSED", "INVALID"]
    assert list(choices["family"]) == ["training", "submission"]
    assert list(choices["section"]) == ["2", "3", "own"]
    assert list(choices["outcome"]) == ["failed", "warned", "not-verified", "human", "passed"]
    bar = filter_bar(choices)
    assert '<option value="own">Own rules (MLPS)</option>' in bar
    assert 'id="mlps-filter" role="search"' in bar
    assert " hidden>" in bar, "without scripts no filter that does nothing"
    assert "http" not in SCRIPT
    assert "<form" not in page()


def test_hostile_names_act_nowhere_on_the_page():
    facts = ResultFacts(
        ran=((EVIL, EVIL),), figures={AU: 1.0, f"KVCache {EVIL} - Read B/W (GiB/s)": 1.0}, limits={AU: Limit(90, EVIL)},
        spreads={AU: Spread(1, 2, 5, EVIL)}, cold_reads=ColdReads("proved", EVIL), again={"case": EVIL}, executed=EVIL,
    )  # fmt: skip
    rows = tuple(RuleRow(f"3.{EVIL}", EVIL, outcome, EVIL, EVIL, EVIL) for outcome in ("failed", "passed", "human"))
    names = dict.fromkeys(("submitter", "system", "model", "accelerator", "path", "edition", "division", "benchmark_type"), EVIL)
    evil = result(EVIL, facts, rows, (EVIL, f"[{EVIL}] {EVIL}; in {EVIL}"), metrics={EVIL: EVIL}, **names)
    failed = [Item(f"x::{EVIL}", "failed", Facts(), EVIL, f"{EVIL}\n  next: {EVIL}\n{EVIL}")]
    other = submission(EVIL, EVIL)
    whole = page(evil, evil, submissions=[other], failed=failed, again=lambda *_: EVIL, rerun=EVIL)
    cells = "".join(html.row_cells(Facts(rule=EVIL, rule_name=EVIL, verdict=EVIL, measured=EVIL, required=f"5{EVIL}"), EVIL))
    assert "<script" not in whole + cells
    assert "\x1b" not in whole + cells
    well_formed(whole)
    well_formed(cells)


def test_long_lists_are_folded_and_cut():
    reasons = [f"[3.1.{number}] line {number}" for number in range(300)]
    told = reasons_html(reasons[:7], ["folded"])
    assert (
        told.index("line 4")
        < told.index('<details class="mlps-more"><summary>3 more findings</summary>')
        < told.index("line 5")
        < told.index("folded")
    )
    assert reasons_html(reasons[:5]).count("<li>") == 5
    assert "<details" not in reasons_html(reasons[:5])
    assert reasons_html([]) == ""
    assert "… and 95 more, see verdicts.json" in reasons_html(reasons)


def test_of_each_rule_one_line_stands_open():
    told = reasons_html(["[2.1.19] a", "[2.1.19] b", "warning: [3.2.1] c", "no rule", "no rule either", "[4.1] d", "[5.1] e"])
    assert re.findall(r"<b>([^<]*)</b> (\w)", told) == [("2.1.19", "a"), ("3.2.1", "c"), ("4.1", "d"), ("5.1", "e"), ("2.1.19", "b")]
    assert told.index("</b> d") < told.index("<summary>2 more findings</summary>") < told.index("</b> e")


def test_the_reason_that_it_is_no_submission_stands_in_the_verdict_alone():
    whatif = result("WHATIF", reasons=("division whatif: not a submission", "warning: [X] few"))
    assert "division whatif: not" not in page(whatif)
    assert "warning:" in page(whatif)


def test_a_result_that_could_not_be_read_again_shows_its_metrics():
    told = words(page(result(facts=None, rows=())))
    assert "AU 88.1 %" in told
    assert "Rules by section" not in told
    assert "No headline figure" in words(page(result(facts=None, metrics={})))


def test_runs_of_which_the_edition_forms_no_figure_are_told_as_such():
    unformed = ResultFacts(ran=(("runs", "1 measured, <4> unfinished"),))
    assert (
        "No headline figure: the edition forms none of these runs (1 measured, <4> unfinished): "
        "not as many of them finished as it asks for, or a figure is missing."
    ) in words(page(result(facts=unformed, metrics={})))
    assert "<4>" not in page(result(facts=unformed, metrics={}))
    assert "No headline figure: its runs do not give one." in words(page(result(facts=ResultFacts(), metrics={})))


def test_the_figures_of_options_are_a_table_for_each_view():
    names = [f"KVCache {group} - Read B/W (GiB/s)" for group in ("a", "b")]
    figures = {**dict.fromkeys(names, 2.0), "KVCache a - P95 Read Latency (ms)": 5.0, "option 1 read_gib_per_second": 1.0}
    told = words(figures_html(ResultFacts(figures=figures, spreads={names[0]: Spread(1, 3, 2, "trials")})))
    assert told == (
        "What storage completed in the window option 1 read bandwidth in the window 1 GiB/s "
        "By the official formula a b read bandwidth by the official formula 2 GiB/s 2 trials 1 to 3 2 GiB/s "
        "P95 read latency by the official formula 5 ms none"
    )
    foreign = words(figures_html(ResultFacts(figures=dict.fromkeys(names, 2.0))))
    assert foreign == "a b read bandwidth by the official formula 2 GiB/s 2 GiB/s"


@pytest.mark.parametrize(
    ("value", "limit", "mark"),
    [
        (90.0, Limit(90, "r"), "✓"),
        (89.99, Limit(90, "r"), "✗"),
        (5.0, Limit(5, "r", least=False), "✓"),
        (5.1, Limit(5, "r", least=False), "✗"),
    ],
)
def test_a_limit_is_marked_as_kept_or_not(value, limit, mark):
    assert f"{mark} at " in words(figures_html(ResultFacts(figures={AU: value}, limits={AU: limit})))


def test_cold_reads_say_their_state_by_word_and_mark():
    assert words(cold_reads_html(ColdReads("refuted", "it lay in memory"))) == "Cold reads: ✗ refuted : it lay in memory"
    assert words(cold_reads_html(ColdReads("unavailable", "nobody counted"))) == "Cold reads: ? unavailable : nobody counted"
    assert cold_reads_html(None) == ""


def test_the_command_is_ours_else_that_of_its_tool():
    assert words(command_html("pytest x", "mpirun y")) == "Measure it again pytest x"
    assert words(command_html("", "mpirun y")) == "The command that its tool recorded mpirun y"
    assert command_html("", "") == ""
    asked = []
    page(result(), again=lambda kept, path: asked.append((dict(kept), path)) or "pytest again")
    assert asked == [({"case": "unet3d-b200"}, "closed/acme/results/fastfs/training/unet3d")]


def test_what_the_figures_mean_stands_once():
    told = words(meanings_html([AU, AU, "mine"]))
    assert told.count("Accelerator utilization: the share") == 1
    assert "3.3.8" in told
    assert meanings_html(["mine"]) == ""
    assert others_html({AU: 1.0}, [AU]) == ""


def test_what_failed_says_what_to_do_next_and_folds_the_rest():
    said = "[MLPS-E530] rank 0 ended\n  command: mpirun\n  evidence: /there\n  next: look"
    told = failures_html(
        [Item("b/t.py::T::test_run[unet3d-1]", "failed", Facts(error="MLPS-E530"), "[MLPS-E530] rank 0 ended", said)], "pytest --lf"
    )
    assert words(told).startswith(
        "What failed ✗ FAILED test_run[unet3d-1] [MLPS-E530] rank 0 ended evidence: /there next: look All that it said"
    )
    assert "pytest --lf" in told
    short = failures_html([Item("x", "failed", Facts(), "it broke", "it broke\n  next: look")], "")
    assert "<details>" not in short
    many = failures_html([Item(f"x{number}", "failed", Facts(), "m", "m") for number in range(25)], "")
    assert "… and 5 more" in many


def test_what_a_rule_found_stands_in_the_card_and_not_among_what_failed():
    of_rule = Item("x", "failed", Facts(rule="3.3.2", rule_name="n", result="closed/a"), "m", "m")
    assert failures_html([of_rule], "") == ""
    assert "✗ 1 test failed" in words(page(result(), failed=[of_rule]))
    assert 'href="#mlps-failed"' not in page(result(), failed=[of_rule])
    assert 'href="#mlps-failed"' in page(result(), failed=[Item("x", "failed", Facts(), "m", "m")])


# -- the table of tests ---------------------------------------------------------------------------------------------------


def keys(*values):
    cells = [html.row_cells(Facts(measured=value))[1] for value in values]
    return [re.search(r"<td.*?>(.*?)</td>", cell)[1] for cell in cells]  # as pytest-html does it


def test_a_column_sorts_by_the_numbers_that_its_texts_begin_with():
    ordered = ["-1e300", "-10 GiB", "-2", "-0.5", "0", "0.001", "2 of 30", "3", "10.5 %", "10.5001", "100", "1,024 files", "2e10 B"]
    assert sorted(keys(*ordered)) == keys(*ordered)
    assert keys("0")[0].partition("</span>")[0] == keys("-0")[0].partition("</span>")[0]
    texts_last = keys("9 files", "none", "two filesystems")
    assert sorted(texts_last) == texts_last


def test_a_row_tells_the_filters_its_section_and_what_came_of_it():
    of_rule = html.row_cells(Facts(rule="3.3.2", rule_name="n", verdict="NOT VERIFIED"), "skipped")[0]
    assert of_rule == '<td class="col-verdict mlps-text-wait" data-s="3" data-o="passed">NOT VERIFIED</td>'
    assert 'data-o="human"' in html.row_cells(Facts(rule="1.2", rule_name="n", verdict="human review"), "skipped")[0]
    assert html.row_cells(None, "failed")[0] == '<td class="col-verdict" data-o="failed"></td>'
    assert html.row_cells(None)[0] == '<td class="col-verdict"></td>'


def test_the_runs_are_folded_where_there_are_many():
    from pytest_mlpstorage.report.runs import RunRow

    assert "<details>" not in html.runs_html([RunRow("m")] * 12)
    assert "<summary>13 runs</summary>" in html.runs_html([RunRow("m")] * 13)


def test_a_result_that_a_benchmark_judged_is_found_in_the_tree(tmp_path):
    tree = TrainingTree.write(tmp_path, division="whatif", runs=3)
    find = result_finder(tmp_path)
    assert find(tree.relpath).relpath == tree.relpath
    assert find("whatif/acme") is None
    assert find("closed/nobody/results/x/training/unet3d") is None
