"""What a user can write wrong: one clear message that names the file, exit code 4, with and without xdist."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
RULES = BENCHMARKS.parent / "rules"

HEAD = "division: whatif\nsubmitter: acme\nsystem: box\n"
UNET = "training:\n  workloads:\n    - {model: unet3d, accelerator: b200, accelerators: 2}\n"

WRONG = {
    "empty file": (b"", ["suite.yaml", "empty"]),
    "binary file": (b"\x00\x01\x02\xff\xfe", ["suite.yaml"]),
    "tab as indentation": (HEAD.encode() + b"training:\n\tworkloads: []\n", ["suite.yaml:5:1"]),
    "list at the top": (b"- division: closed\n", ["suite.yaml:1:1"]),
    "anchor bomb": (b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", ["suite.yaml:1:4", "anchor"]),
    "duplicate key": ((HEAD + "division: open\n" + UNET).encode(), ["suite.yaml:4:1", "division"]),
    "python tag": ((HEAD + "data_dir: !!python/object/apply:os.system [ls]\n").encode(), ["suite.yaml:4:11"]),
    "division missing": (b"submitter: acme\nsystem: box\n" + UNET.encode(), ["suite.yaml", "division"]),
    "division misspelled": (
        b"division: close\nsubmitter: acme\nsystem: box\n" + UNET.encode(),
        ["suite.yaml:1:11", "did you mean 'closed'"],
    ),
    "unknown key": ((HEAD + "trainning: {}\n").encode(), ["suite.yaml:4:1", "did you mean 'training'"]),
    "unknown model": ((HEAD + UNET.replace("unet3d", "unet3dd")).encode(), ["suite.yaml:6", "unet3dd", "did you mean unet3d?"]),
    "unknown accelerator": ((HEAD + UNET.replace("b200", "b20")).encode(), ["suite.yaml:6", "b20", "did you mean b200?"]),
    "accelerators as text": (
        (HEAD + UNET.replace("accelerators: 2", "accelerators: two")).encode(),
        ["suite.yaml:6", "accelerators", "two"],
    ),
    "no accelerators": ((HEAD + UNET.replace("accelerators: 2", "accelerators: 0")).encode(), ["suite.yaml:6", "accelerators"]),
    "bare number as time": ((HEAD + "launch: {deadline: 300}\n" + UNET).encode(), ["suite.yaml:4:20", "launch.deadline", "300s"]),
    "two accelerators of one model": (
        (HEAD + UNET + "    - {model: unet3d, accelerator: h100, accelerators: 2}\n").encode(),
        ["suite.yaml:7", "one system name"],
    ),
    "misspelled official key": (
        (HEAD + UNET + "  reader: {read_treads: 4}\n").encode(),
        ["suite.yaml:7:12", "did you mean", "read_threads"],
    ),
    "whatif model in closed": (
        (HEAD + UNET).replace("whatif", "closed").replace("unet3d", "resnet50").encode(),
        ["suite.yaml:6", "resnet50", "closed"],
    ),
    "zero epochs": ((HEAD + UNET + "  train: {epochs: 0}\n").encode(), ["suite.yaml:7:19", "train.epochs", "at least 1"]),
    "negative read threads": ((HEAD + UNET + "  reader: {read_threads: -1}\n").encode(), ["suite.yaml:7:26", "at least 0"]),
    "two wrong models": (
        (HEAD + UNET.replace("unet3d", "unet4d") + "    - {model: resnet, accelerator: b200, accelerators: 2}\n").encode(),
        ["suite.yaml:6:15", "unet4d", "suite.yaml:7:15", "resnet"],
    ),
    "no family at all": (HEAD.encode(), ["suite.yaml", "no workload family", "training"]),
    "unknown launcher": ((HEAD + "launch: {launcher: slrm}\n" + UNET).encode(), ["suite.yaml:4:20", "slrm", "openmpi"]),
    "ranks in the MPI arguments": ((HEAD + "launch: {mpi_args: [-np, '7']}\n" + UNET).encode(), ["launch.mpi_args", "-np", "accelerators"]),
    "a deadline beyond measure": (
        (HEAD + "launch: {deadline: " + "9" * 400 + "s}\n" + UNET).encode(),
        ["suite.yaml:4:20", "beyond all measure"],
    ),
    "a name no directory can have": ((HEAD.replace("acme", "a" * 300) + UNET).encode(), ["suite.yaml:2:12", "submitter"]),
    "unknown edition": ((HEAD + 'edition: "4.0"\n' + UNET).encode(), ["suite.yaml:4:10", "4.0", "3.0"]),
    "results inside the data": ((HEAD + "data_dir: d\nresults_dir: d/r\n" + UNET).encode(), ["suite.yaml", "results_dir"]),
}


def said(result: pytest.RunResult) -> str:
    return result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_yaml_is_one_clear_message_and_exit_code_4(pytester, name, workers):
    content, words = WRONG[name]
    (pytester.path / "suite.yaml").write_bytes(content)
    result = pytester.runpytest(BENCHMARKS, "--mlps-config=suite.yaml", workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = said(result)
    assert [word for word in words if word not in text] == [], text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


ARGUMENTS = {
    "a configuration that is not there": (["--mlps-config=closd.yaml"], ["closd.yaml", "closed.yaml"]),
    "no configuration": ([], ["--mlps-config=quick.yaml"]),
    "set without equals": (["--mlps-config=quick.yaml", "--mlps-set", "division"], ["--mlps-set", "division", "KEY=VALUE"]),
    "set an unknown key": (
        ["--mlps-config=quick.yaml", "--mlps-set", "reader.read_thread=2"],
        ["reader.read_thread", "reader.read_threads"],
    ),
    "set a wrong type": (["--mlps-config=quick.yaml", "--mlps-set", "reader.read_threads=many"], ["reader.read_threads", "many"]),
    "a results directory in the data": (["--mlps-config=quick.yaml", "--mlps-data-dir=x", "--results-dir=x/y"], ["results_dir"]),
    "a directory as configuration": (["--mlps-config=."], ["."]),
}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_wrong_option_is_one_clear_message_and_exit_code_4(pytester, name, workers):
    arguments, words = ARGUMENTS[name]
    result = pytester.runpytest(BENCHMARKS, workers, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = said(result)
    assert [word for word in words if word not in text] == [], text
    assert "Traceback" not in text


def test_the_suite_of_a_wheel_is_named_where_only_a_clone_is_there(pytester):
    result = pytester.runpytest("--pyargs", "pytest_mlpstorage.suites.benchmarks", "--mlps-config=quick.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "in a clone: pytest benchmarks/" in said(result)


def test_placeholders_make_no_directory_of_their_name(pytester):
    result = pytester.runpytest_subprocess(BENCHMARKS, "--mlps-config=closed.yaml", "-p", "no:cacheprovider")
    assert result.ret == 1
    assert [path.name for path in pytester.path.iterdir() if path.name.startswith("<")] == []


def test_a_failure_is_told_once(pytester):
    (pytester.path / "suite.yaml").write_text(HEAD + UNET + "  dataset: {num_files_train: 27}\n")
    result = pytester.runpytest_subprocess(BENCHMARKS, "--mlps-config=suite.yaml", "-p", "no:cacheprovider")
    assert result.ret == 1
    # Under CI pytest repeats the message in its short summary.
    assert said(result).split("short test summary")[0].count("given 27") == 1


def test_an_option_of_the_benchmarks_without_a_configuration_says_what_is_missing(pytester):
    result = pytester.runpytest("--mlps-dry-run")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--mlps-dry-run needs --mlps-config=FILE" in said(result)


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (None, ["needs a results tree", "--results-dir=DIR"]),
        ("nowhere", ["no such directory"]),
        (".", ["no result is in", "closed,open,whatif"]),
    ],
)
def test_rules_without_a_tree_name_what_they_looked_for(pytester, folder, words):
    arguments = [] if folder is None else [f"--results-dir={folder}"]
    result = pytester.runpytest(RULES, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [word for word in words if word not in said(result)] == []


def test_an_unknown_variable_of_ours_is_one_warning(pytester, monkeypatch):
    monkeypatch.setenv("MLPS_DATADIR", "/x")
    result = pytester.runpytest_subprocess(BENCHMARKS, "--mlps-config=quick.yaml", "--collect-only", "-q")
    assert result.ret == 0
    assert "MLPS_DATADIR" in said(result)
    assert "MLPS_DATA_DIR" in said(result)


def test_the_plugin_leaves_a_project_alone_that_uses_none_of_it(pytester):
    pytester.makepyfile("def test_x(case): pass\nimport pytest\n@pytest.fixture\ndef case(): return 1\n")
    pytester.runpytest("-n2", "--dist=loadfile").assert_outcomes(passed=1)
