"""``python -m pytest_mlpstorage.history``: what is listed, filtered, shown, and with what command a result is measured again."""

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from kv_cache_tree import KVCacheTree
from training_tree import TrainingTree

from pytest_mlpstorage.history import again as again_module
from pytest_mlpstorage.history import entries, told
from pytest_mlpstorage.history.__main__ import main
from pytest_mlpstorage.history.entries import read_since
from pytest_mlpstorage.results.superseded import supersede
from pytest_mlpstorage.rules.repeats import Figure
from pytest_mlpstorage.rules.verdicts import judge_result

UNET = "unet3d-20260713_083500"
AGAIN = {
    "family": "training",
    "case": "unet3d-b200",
    "data_dir": "/data",
    "set": ["reader.read_threads=8"],
    "environment": {"MLPS_SYSTEM": "a b"},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two results that stand and one that was set aside; moving leaves forces them to disk, so it is done once."""
    tree = TrainingTree.write(tmp_path_factory.mktemp("history") / "tree")
    KVCacheTree.write(tree.root)
    old = TrainingTree.write(tree.root, system="slowfs")
    supersede(tree.root, {leaf.relative_to(tree.root).as_posix(): "--mlps-rerun=run" for leaf in old.runs})
    return tree.root


@pytest.fixture
def root(written, tmp_path):
    return shutil.copytree(written, tmp_path / "tree")


def keep(root, path, **changed):
    """Let the last run of the training say what start made it."""
    kept = {**AGAIN, "config": str(path), "directory": str(path.parent), **changed}
    TrainingTree.write(root).edit_metadata(lambda m: m["mlps"].update(again=kept), run=5)


def ran(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return code, told.out, told.err


def test_each_result_is_a_line_newest_first_and_those_set_aside_say_so(root, capsys):
    code, out, _ = ran(capsys, root)
    head, *lines = out.splitlines()
    assert code == 0
    assert head.split() == ["id", "measured", "verdict", "family", "on", "system", "headlines"]
    assert [line.split("  ")[0] for line in lines] == ["llama3.1-8b-20260721_002332", UNET, f"{UNET}-2"]
    assert "SET ASIDE" in lines[2]
    assert "slowfs" in lines[2]
    assert "train_au 97.2 %" in lines[1]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 3),
        (["--family", "kvcache"], 1),
        (["--family", "kv_cache"], 1),
        (["--model", "UNET"], 2),
        (["--system", "slow"], 1),
        (["--since", "2026-07-20"], 1),
        (["--since", "2026-07-13 08:35"], 3),
        (["--since", "2026-07-13 08:36"], 1),
        (["--verdict", "set aside"], 1),
        (["--verdict", "INVALID"], 2),
        (["--verdict", "closed"], 0),
        (["--model", "nothing"], 0),
    ],
)
def test_filters_leave_what_is_asked_for(root, capsys, options, count):
    _, out, _ = ran(capsys, root, "--json", *options)
    assert len(json.loads(out)) == count


def test_a_result_has_the_same_id_whatever_is_asked_for_beside_it(root, capsys):
    listed = [json.loads(ran(capsys, root, "--no-verdicts", "--json", *options)[1]) for options in ((), ("--system", "slow"))]
    (alone,) = listed[1]
    assert [entry["id"] for entry in listed[0] if entry["path"] == alone["path"]] == [alone["id"]] == [f"{UNET}-2"]


def test_the_objects_hold_each_headline_with_the_values_behind_it(root, capsys):
    _, out, _ = ran(capsys, root, "--json", "--no-verdicts", "--family", "training", "--system", "fastfs")
    (entry,) = json.loads(out)
    assert entry["verdict"] is None
    assert entry["path"] == "closed/acme/results/fastfs/training/unet3d"
    assert len(entry["metrics"]["train_mean_of_au_percentage"]["values"]) == 5


def test_a_tree_without_what_is_asked_for_says_so(root, capsys):
    assert ran(capsys, root, "--model", "nothing")[:2] == (0, f"no result in {root} is asked for\n")


def test_to_show_one_result_the_others_are_not_judged(root, capsys, monkeypatch):
    judged = []
    monkeypatch.setattr(entries, "judge_result", lambda *call: judged.append(call[1].relpath) or judge_result(*call))
    assert "  verdict   INVALID" in ran(capsys, root, "--show", UNET)[1]
    assert judged == ["closed/acme/results/fastfs/training/unet3d"]


def test_one_result_is_shown_in_full_with_its_reasons(root, capsys):
    code, out, _ = ran(capsys, root, "--show", f"{UNET}-2")
    assert code == 0
    assert "where     .mlps/superseded/" in out
    assert "    --mlps-rerun=run" in out
    assert "train_read_bandwidth  45.87" in out
    assert "does not say what start of this suite made it" in out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("unet3d", f"begins or ends several ids: {UNET}, {UNET}-2"),
        ("unet4d-20260713_083500", f"did you mean {UNET}"),
        ("nothing", "no result has the id 'nothing'"),
    ],
)
def test_an_id_that_is_none_is_refused_with_the_near_ones(root, capsys, given, words):
    code, _, err = ran(capsys, root, "--show", given)
    assert code == 4
    assert words in err


def test_wrong_use_is_one_message_and_exit_4(root, tmp_path, capsys):
    assert ran(capsys, tmp_path / "nowhere")[0] == 4
    assert ran(capsys, tmp_path / ("x" * 300))[0] == 4
    assert "no directory" in ran(capsys, tmp_path / "nowhere")[2]
    for time in ("yesterday", "999999w"):
        assert "allowed 2026-11-26" in ran(capsys, root, "--since", time)[2]
    for options in (["--family", "trainin"], ["--verdict", "good"], ["--show", "a", "--rerun", "b"]):
        with pytest.raises(SystemExit) as ended:
            main([str(root), *options])
        assert ended.value.code == 4


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-26", dt.datetime(2026, 11, 26)),
        ("2026-11-26T10:00", dt.datetime(2026, 11, 26, 10)),
        ("90min", dt.datetime(2026, 11, 25, 22, 30)),
        ("12h", dt.datetime(2026, 11, 25, 12)),
        ("7d", dt.datetime(2026, 11, 19)),
        ("1w", dt.datetime(2026, 11, 19)),
    ],
)
def test_a_time_is_a_date_or_an_age(text, time):
    assert read_since(text, now=dt.datetime(2026, 11, 26)) == time


def test_a_result_is_measured_again_by_the_start_that_made_it(root, tmp_path, capsys, monkeypatch):
    config = tmp_path / "mine.yaml"
    config.touch()
    keep(root, config)
    become = []
    monkeypatch.setattr(again_module.os, "execve", lambda *call: become.append(call))
    monkeypatch.setattr(again_module.os, "chdir", become.append)
    code, out, _ = ran(capsys, root, "--rerun", UNET, "--", "-v")
    assert code == 0
    assert out.startswith("MLPS_SYSTEM='a b' pytest ")
    folder, (_, words, environment) = become
    assert folder == str(tmp_path)
    assert Path(words[3]).name == "test_training.py"
    assert Path(words[3]).is_file()
    assert words[4:] == [
        f"--mlps-config={config}",
        f"--results-dir={root}",
        "--mlps-data-dir=/data",
        "--mlps-set=reader.read_threads=8",
        "-k",
        "unet3d-b200",
        "--mlps-rerun=run",
        "--mlps-compare=last",
        "-v",
    ]
    assert environment["MLPS_SYSTEM"] == "a b"
    assert "--mlps-set=reader.read_threads=8" in ran(capsys, root, "--show", UNET)[1]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"config": "/gone.yaml"}, "the configuration that made"),
        ({"config": "/" + "x" * 300}, "the configuration that made"),
        ({"set": ["vectordb.uri=http://me:***@there"]}, "a password of"),
        ({"case": ""}, "does not say what start of this suite made it"),
        ({"set": 3, "environment": [], "family": "mine"}, ""),
    ],
)
def test_what_cannot_be_measured_again_is_refused_and_what_is_odd_is_left_out(root, tmp_path, capsys, monkeypatch, changed, words):
    config = tmp_path / "mine.yaml"
    config.touch()
    keep(root, config, **changed)
    monkeypatch.setattr(again_module.os, "execve", lambda *_: None)
    monkeypatch.setattr(again_module.os, "chdir", lambda _: None)
    code, out, err = ran(capsys, root, "--rerun", UNET)
    assert (code, words in err) == (4 if words else 0, True)
    assert words or "test_workloads.py" in out


def test_no_variables_but_those_of_the_suite_are_taken_from_a_tree(root, tmp_path, capsys):
    config = tmp_path / "mine.yaml"
    config.touch()
    keep(root, config, environment={"MLPS_SYSTEM": "a", "LD_PRELOAD": "/x.so", "PATH": "/evil"}, data_dir=None)
    out = ran(capsys, root, "--no-verdicts", "--show", UNET)[1]
    assert "MLPS_SYSTEM=a pytest" in out
    assert all(word not in out for word in ("LD_PRELOAD", "PATH=", "None"))


def test_a_reader_that_has_seen_enough_is_no_error(root):
    command = [sys.executable, "-m", "pytest_mlpstorage.history", str(root), "--no-verdicts", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listing:
        listing.stdout.close()
        said = listing.stderr.read()
    assert (said, listing.returncode) == ("", 1)


def test_a_kv_cache_result_has_the_rate_of_the_window_first_with_the_official_beside_it():
    groups = ("llama3.1-8b Storage Only", "llama3.1-8b Storage + Mem")
    official = {f"KVCache {group} - {name}": Figure(value) for group in groups for name, value in (("Throughput (tok/s)", 977.0), ("Read B/W (GiB/s)", 4.632))}  # fmt: skip
    window = {f"option {option} read_gib_per_second": Figure(2.184) for option in (1, 2)}

    def listed(figures):
        return told._few(told._figures(SimpleNamespace(figures=figures, result=SimpleNamespace(edition="3.0"))))

    beside = "GiB/s (by the official formula 4.63 GiB/s, 2.12 ×)"
    assert listed({**official, **window}).startswith(
        f"kv_window_read_bandwidth option 1 2.184 {beside}, kv_window_read_bandwidth option 2 2.184 {beside}, kv_throughput"
    )
    assert listed(official).startswith(f"kv_throughput {groups[0]} 977 tok/s by the official formula, ")
