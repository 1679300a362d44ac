"""How far dropping one file after the other goes in the time that it has."""

import os

import pytest

from pytest_mlpstorage.page_cache import drop
from pytest_mlpstorage.page_cache.drop import FileDrop, drop_all, flush


@pytest.fixture
def seen(monkeypatch):
    """Files in the order in which they were dropped; each takes a second of a clock that nobody waits for."""
    clock = {"now": 0.0}
    found = []

    def advise(path):
        found.append(path)
        clock["now"] += 1.0

    monkeypatch.setattr(drop, "_advise", advise)
    monkeypatch.setattr(drop.time, "monotonic", lambda: clock["now"])
    return found


def test_files_have_their_turn_in_order_until_the_time_is_up(seen):
    files = FileDrop([f"f{number}" for number in range(10)])
    files.run(3.0)
    assert (seen, files.done, files.complete) == (["f0", "f1", "f2", "f3"], 4, False)
    files.run(100.0)
    assert (seen[4:], files.done, files.complete) == ([f"f{number}" for number in range(4, 10)], 10, True)


def test_it_is_given_up_as_soon_as_it_is_plain_that_all_would_take_too_long(seen):
    files = FileDrop([str(number) for number in range(1000)])
    files.run(999.0, give_up_early=True)
    assert files.done == 256
    files.run(1000.0)
    assert files.complete


def test_it_is_not_given_up_where_the_time_will_do(seen):
    files = FileDrop([str(number) for number in range(1000)])
    files.run(1000.0, give_up_early=True)
    assert files.complete


def test_files_that_are_gone_are_passed_over(disk):
    files = FileDrop([disk / "gone", disk / "lost"])
    files.run(1.0)
    assert files.complete
    flush(disk / "gone")


def test_a_folder_or_a_pipe_among_the_files_is_no_error(disk):
    (disk / "folder").mkdir()
    FileDrop([disk / "folder", os.devnull]).run(1.0)


def test_the_switch_gets_its_order_or_the_reason_why_not(disk):
    assert drop_all(disk / "drop_caches") == ""
    assert (disk / "drop_caches").read_text() == "1\n"
    assert drop_all(disk) == f"{disk}: Is a directory"
