"""What a page of very many results leaves out: which charts are drawn, what cards tell in short, and that the page says all of it."""

import dataclasses
import re

import pytest
from test_cards import ROWS, page, result, submission, words
from test_pictures import CHARTED, PICTURE, STACKED

from pytest_mlpstorage.report import html
from pytest_mlpstorage.report.picture_budget import drawn_within
from pytest_mlpstorage.report.pictures import picture_html
from pytest_mlpstorage.report.rule_rows import RuleRow
from pytest_mlpstorage.results.pictures import Line, Panel

LINE = Line("read", 1.0, tuple(float(place % 7) for place in range(128)))
LAUNCH = dataclasses.replace(STACKED, panels=tuple(Panel(f"p{number}", 128.0, (LINE, LINE, LINE), 1.0, "%") for number in range(6)))


def pictured(verdict, name, *pictures):
    return dataclasses.replace(result(verdict, path=f"closed/acme/results/{name}/training/unet3d"), pictures=pictures)


def test_what_has_room_is_drawn_as_it_is():
    results = [[CHARTED, STACKED, STACKED], [CHARTED, STACKED], []]
    drawn, without = drawn_within(results, 10**6)
    assert drawn == ["".join(map(picture_html, pictures)) for pictures in results]
    assert without == {}


def test_what_has_no_room_keeps_its_title_and_what_was_measured_its_sentences():
    results = [[CHARTED, STACKED, STACKED], [CHARTED, STACKED]]
    drawn, without = drawn_within(results, 1)
    assert without == {0: 3, 1: 2}
    assert "<svg" not in "".join(drawn)
    assert words(drawn[1]) == (
        "Epochs: Not drawn, because the page would be too large: see above the results. Busy. "
        "Run 1 over time: Not drawn, because the page would be too large: see above the results."
    )


def test_what_was_measured_comes_first_then_one_launch_of_each():
    results = [[CHARTED, STACKED, STACKED], [CHARTED, STACKED]]
    whole = sum(len(picture_html(picture).encode()) for picture in (CHARTED, STACKED, CHARTED, STACKED))
    drawn, without = drawn_within(results, whole + 2000)
    assert [part.count("Not drawn") for part in drawn] == [1, 0]
    assert drawn[0].index("<svg") < drawn[0].index("Not drawn")
    assert without == {0: 1}


def test_what_is_drawn_is_never_larger_than_the_room_for_it():
    results = [[CHARTED, LAUNCH, STACKED, PICTURE]] * 4
    least = len("".join(drawn_within(results, 0)[0]).encode())
    for room in range(least, 12 * least, least):
        assert len("".join(drawn_within(results, room)[0]).encode()) <= room


def test_charts_of_results_that_are_first_come_before_all_others():
    results = [[CHARTED, STACKED], [CHARTED, STACKED]]
    own = sum(len(picture_html(picture).encode()) for picture in results[1])
    drawn, without = drawn_within(results, own + 2000, first=[False, True])
    assert "Not drawn" not in drawn[1]
    assert without == {0: 2}


def test_those_are_what_is_invalid():
    made = [pictured(verdict, verdict, *[STACKED] * 40) for verdict in ("CLOSED", "INVALID")]
    room = 50 * len(picture_html(STACKED).encode())
    some = page(*made, taken=html.MOST_BYTES - html._REST - room - 25_000)
    closed, invalid = re.findall(r"<article.*?</article>", some, re.DOTALL)
    assert "Not drawn" not in invalid
    assert "Not drawn" in closed


def test_the_page_says_what_is_not_drawn_and_how_to_see_it():
    results = [pictured("CLOSED", name, CHARTED, STACKED) for name in "ab"]
    assert "mlps-left-out" not in page(*results)
    told = words(page(*results, taken=html.MOST_BYTES))
    assert (
        "4 pictures of 2 results are not drawn, to keep the page small: first are those of INVALID results, then what was measured, "
        "then one launch of each. To see those of one result, ask for it alone: the same command with -k and a part of its path."
    ) in told


def test_a_page_that_is_larger_all_the_same_says_that_and_no_other_does():
    larger = "The page has more than 5 MB all the same: each result has its card, and what failed is whole."
    bare = len(page(result()).encode()) + len(html.STYLE.encode()) + html._REST
    assert larger not in words(page(result(), taken=html.MOST_BYTES - bare - 2000))
    assert larger in words(page(result(), taken=html.MOST_BYTES - bare + 2000))


@pytest.mark.parametrize(("results", "submissions", "short"), [(99, 1, False), (100, 1, True), (101, 0, True)])
def test_of_more_than_a_hundred_cards_each_gives_what_passed_by_its_id(results, submissions, short):
    many = [result(path=f"closed/acme/results/s{number}/training/unet3d") for number in range(results)]
    made = page(*many, submissions=[submission()] * submissions)
    card = re.search(r'<article[^>]*id="mlps-r7".*?</article>', made, re.DOTALL)[0]
    told = words(card)
    assert ("3.1.1 datasize ✓ passed 70 files at least 68 files" in told) is not short
    assert ("Passed: 3.1.1" in told) is short
    assert ("whether runs were left out" in told) is not short
    assert ("1 more figure" in told) is not short
    assert "3.3.2 utilization ✗ failed 88.1 90.0 too low" in told, "what failed is whole on any page"
    assert ("For a person to decide: 2.1.18a" in told) is short
    below = made[made.index("</article><details") :] if short else ""
    assert ("2.1.18a subsets whether runs were left out 3.1.1 datasize" in words(below)) is short
    assert ("More than 100 results and submissions: cards give rules that passed or are for a person by their ids" in made) is short
    assert ("content-visibility:auto" in made) is short


def test_names_of_rules_from_a_tree_are_text_there_too():
    evil = RuleRow("<b>1", "<script>", "human", message="<img>")
    many = [result(rows=(*ROWS, evil), path=f"p{number}") for number in range(101)]
    assert not re.search(r"<script|<img|<b>1", page(*many))


def test_what_the_table_of_tests_lacks_is_said_above():
    assert "<li>fewer &amp; rows</li>" in page(result(), left_out="fewer & rows")


def test_a_page_of_hundreds_of_results_draws_no_more_than_it_has_room_for():
    results = [pictured("CLOSED", f"s{number}", CHARTED, *[LAUNCH] * 6) for number in range(200)]
    made = page(*results)
    assert 50 < made.count('class="mlps-picture"><summary>Run 1 over time') < 250
    assert len(made.encode()) < html.MOST_BYTES
    assert made.count("<summary>Epochs") == 200
