"""The totals of a dry run, and that it leaves nothing behind."""

from pathlib import Path

import pytest

from pytest_mlpstorage.report.dry import total_lines

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
OWN = ("--mlps-set=submitter=acme", "--mlps-set=system=box", "--mlps-set=data_dir=data", "--mlps-set=results_dir=results")
MILVUS = "--mlps-set=vectordb.workloads.0.uri=http://nowhere.invalid:19530"


def step(**changes):
    return {
        "case": "unet3d", "step": "1", "write_bytes": 0, "read_bytes": 1024, "least_seconds": 60.0, "most_seconds": 90.0,
        "host_memory_bytes": 2048, "deadline_seconds": 600.0, "space": None, "free": None, **changes,
    }  # fmt: skip


def room(needed, key="a", target="/mnt", free=4096, why="", least=0):
    space = {"path": "/mnt/x", "key": key, "needed_bytes": needed, "why": why, "least_bytes": least}
    return {"space": space, "free": [{"host": 0, "bytes": free, "target": target}]}


def lines(*planned):
    return list(total_lines(planned))


def test_what_is_known_is_summed():
    assert lines(step(), step(step="2", write_bytes=1024)) == [
        "",
        "all 2 launch(es) of 1 case(s) together",
        "  writes   1.00 KiB",
        "  reads    2.00 KiB",
        "  memory   up to about 2.00 KiB on the fullest host",
        "  takes    2 min 00 s to 3 min 00 s, and the start of each launch",
        "  deadline 20 min 00 s: the sum of their deadlines",
    ]


def test_what_is_unknown_is_counted_and_never_guessed():
    told = lines(step(), step(case="kv", write_bytes=None, read_bytes=None, most_seconds=None, host_memory_bytes=None))
    assert told[2:6] == [
        "  writes   unknown",
        "  reads    1.00 KiB, and what is unknown of 1 launch(es)",
        "  memory   up to about 2.00 KiB on the fullest host; 1 launch(es) unknown",
        "  takes    at least 2 min 00 s; how much more is unknown of 1 launch(es), which the speed of the storage decides",
    ]


def test_launches_that_ran_before_say_how_long_all_of_them_took():
    assert [line for line in lines(step(), step(before_seconds=None)) if "before" in line] == []
    assert lines(step(before_seconds=30.0), step(before_seconds=5.5))[5:7] == [
        "  takes    2 min 00 s to 3 min 00 s, and the start of each launch",
        "  before   35.5 s for all of them when they last ran",
    ]
    told = lines(step(before_seconds=30.0), step(before_seconds=5.5), step(), step(before_seconds=None, most_seconds=None))
    assert told[6] == "  before   35.5 s for 2 of the 4 when they last ran"


def test_space_is_that_of_cases_beside_each_other_on_each_file_system():
    told = lines(
        step(**room(1024)), step(**room(2048)), step(**room(1024, key="b")), step(**room(1, key="c", target="/other", free=0)),
        step(**room(None, key="d", why="up to 95 % of what is free")),
    )  # fmt: skip
    assert told[-2:] == [
        "  space    3.00 KiB needed, and for 1 case(s) up to 95 % of what is free; 4.00 KiB free on /mnt",
        "  space    1 B needed; 0 B free on /other -- TOO LITTLE",
    ]


def test_a_case_that_takes_what_is_free_needs_what_it_cannot_do_without():
    told = lines(step(**room(4000)), step(**room(None, key="b", why="up to 95 % of what is free", least=97)))
    assert told[-1] == "  space    4.00 KiB needed, and for 1 case(s) up to 95 % of what is free; 4.00 KiB free on /mnt -- TOO LITTLE"


def test_a_room_that_is_just_large_enough_is_enough():
    assert lines(step(**room(4096)))[-1].endswith("free on /mnt")
    assert lines(step(**room(4097)))[-1].endswith("TOO LITTLE")


def test_without_a_launch_there_is_no_total():
    assert lines() == []


@pytest.mark.parametrize("options", [("quick.yaml",), ("closed.yaml", *OWN, MILVUS), ("open.yaml", *OWN)], ids=["quick", "closed", "open"])
def test_a_dry_run_of_all_families_shows_every_launch_and_the_totals_and_writes_nothing(pytester, options):
    name, *more = options
    result = pytester.runpytest_subprocess(BENCHMARKS, f"--mlps-config={name}", *more, "--mlps-dry-run", "--rootdir=.")
    text = result.stdout.str()
    launches = text.count(": dry run\n")
    assert launches == {"quick": 15, "closed": 30, "open": 23}[name.partition(".")[0]]
    for word in ("writes", "reads", "memory", "takes", "deadline"):
        assert text.count(f"\n  {word:<8} ") == launches + 1, word
    assert text.count("\n  starts\n    /") == launches
    assert f"all {launches} launch(es) of" in text
    assert "free on /" in text
    assert "INTERNALERROR" not in text
    of_this_test = {"runpytest-0", "runpytest-current", "stdout", "stderr"}
    assert {path.name for path in pytester.path.iterdir()} <= of_this_test


def test_a_dry_run_leaves_what_pytest_remembers_as_it_was(pytester):
    pytester.makepyfile(test_mine="def test_that_fails():\n    assert False\n")
    pytester.runpytest_subprocess("test_mine.py", "--rootdir=.")
    cache = pytester.path / ".pytest_cache/v/cache/lastfailed"
    before = cache.read_text()
    arguments = (BENCHMARKS, "--mlps-config=quick.yaml", "--mlps-dry-run", "--rootdir=.", "-k", "test_host")
    assert pytester.runpytest_subprocess(*arguments).ret == 0
    assert cache.read_text() == before
    cache.unlink()
    pytester.runpytest_subprocess(*arguments)
    assert not cache.exists()
