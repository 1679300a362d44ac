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
    "everything at once": (
        (
            HEAD.replace("acme", '"<organisation>"').replace("whatif", "closed")
            + "data_dri: x\n"
            + UNET.replace("b200", "b20")
            + "    - {model: resnet, accelerator: b2000, accelerators: 2}\n  reader: {read_treads: 4}\n"
            + "launch: {launcher: slrm, mpi_args: [-np]}\n"
        ).encode(),
        [
            "8 errors in the configuration",
            "suite.yaml:2:12: submitter",
            "suite.yaml:4:1: data_dri",
            "suite.yaml:7:36: training.workloads.0.accelerator: accelerator 'b20' is not in division closed",
            "suite.yaml:8:15: training.workloads.1.model: model 'resnet' is not in division closed",
            "suite.yaml:8:36: training.workloads.1.accelerator: accelerator 'b2000' is not in division closed",
            "suite.yaml:9:12: training.reader.read_treads",
            "suite.yaml:10:20: launch.launcher",
            "suite.yaml:10:37: launch.mpi_args.0",
        ],
    ),
    "bare numbers as size and time of official keys": (
        (HEAD + UNET + "  reader: {transfer_size: 262144}\n  train: {computation_time: 0.05}\n").encode(),
        ["suite.yaml:7:27: training.reader.transfer_size: given 262144; a size with its unit", "suite.yaml:8:29", "a time with its unit"],
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
        (__file__, ["that is a file and no directory"]),
        ("loop", ["cannot be looked at", "Too many levels of symbolic links"]),
        ("x" * 300, ["cannot be looked at", "File name too long"]),
        ("~no-such-user/tree", ["no such directory"]),
        (".", ["no result is in", "closed,open,whatif"]),
    ],
)
def test_rules_without_a_tree_name_what_they_looked_for(pytester, folder, words):
    pytester.path.joinpath("loop").symlink_to("loop")
    arguments = [] if folder is None else [f"--results-dir={folder}"]
    result = pytester.runpytest(RULES, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [word for word in words if word not in said(result)] == []


def test_a_report_in_the_home_of_nobody_is_refused(pytester):
    result = pytester.runpytest(BENCHMARKS, "--mlps-config=quick.yaml", "--mlps-output=~no-such-user/out")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--mlps-output=~no-such-user/out: there is no home directory for ~no-such-user" in said(result)


def test_a_loop_of_links_among_the_paths_to_collect_is_no_concern_of_ours(pytester):
    pytester.path.joinpath("loop").symlink_to("loop")
    pytester.makepyfile("def test_one(): pass")
    result = pytester.runpytest("loop/test_x.py", ".")
    assert "INTERNALERROR" not in said(result)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--mlps-edition=3", ["--mlps-edition=3:", "1.0, 2.0, 3.0", "did you mean '3.0'"]),
        ("--mlps-edition=v2.0", ["did you mean '2.0'"]),
        ("--mlps-profile=v3.0-rond", ["--mlps-profile=v3.0-rond", "strict, v3.0-round", "did you mean 'v3.0-round'"]),
        ("--mlps-profile=", ["strict, v3.0-round"]),
    ],
)
def test_an_unknown_edition_or_profile_names_the_nearest_that_there_is(pytester, option, words, workers):
    (pytester.path / "closed" / "acme" / "results" / "fs" / "training" / "unet3d").mkdir(parents=True)
    result = pytester.runpytest(RULES, "--results-dir=.", option, workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [word for word in words if word not in said(result)] == [], said(result)


@pytest.mark.parametrize("option", ["--mlps-edition=3.0", "--mlps-profile=strict"])
def test_an_option_of_the_rules_without_a_tree_says_what_is_missing(pytester, option):
    result = pytester.runpytest(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "pytest rules/ --results-dir=DIR" in said(result)


def test_an_unknown_variable_of_ours_is_one_warning(pytester, monkeypatch):
    monkeypatch.setenv("MLPS_DATADIR", "/x")
    result = pytester.runpytest_subprocess(BENCHMARKS, "--mlps-config=quick.yaml", "--collect-only", "-q")
    assert result.ret == 0
    assert "MLPS_DATADIR" in said(result)
    assert "MLPS_DATA_DIR" in said(result)


def test_the_plugin_leaves_a_project_alone_that_uses_none_of_it(pytester):
    pytester.makepyfile("def test_x(case): pass\nimport pytest\n@pytest.fixture\ndef case(): return 1\n")
    pytester.runpytest("-n2", "--dist=loadfile").assert_outcomes(passed=1)


IMPOSSIBLE = {
    "in a file": "a-file/report",
    "a folder that takes nothing": "/proc/none/report",
    "a name too long": "n" * 300,
}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize("suite", ["benchmarks", "rules"])
def test_reports_that_cannot_be_written_are_one_usage_error_before_anything_is_run(pytester, suite, workers):
    (pytester.path / "a-file").touch()
    (pytester.path / "a-folder").mkdir()
    arguments = [BENCHMARKS, "--mlps-config=quick.yaml"] if suite == "benchmarks" else [RULES, "--results-dir=tree"]
    if suite == "rules":
        (pytester.path / "tree" / "closed" / "acme" / "results" / "box" / "training" / "unet3d" / "run" / "20250101_000000").mkdir(
            parents=True
        )
    result = pytester.runpytest_subprocess(
        *arguments, workers, "--html=a-folder", "--junitxml=a-file/report.xml", "--mlps-output=a-file", "-p", "no:cacheprovider"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = said(result).splitlines()
    assert [line.removeprefix("ERROR: ") for line in lines if "--" in line] == [
        f"[MLPS-E134] --html=a-folder: {pytester.path}/a-folder is a directory; needed a file",
        f"[MLPS-E134] --junitxml=a-file/report.xml: {pytester.path}/a-file is no directory",
        f"[MLPS-E134] --mlps-output=a-file: {pytester.path}/a-file is no directory",
    ]
    assert not (pytester.path / "mlps-data").exists()


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_report_that_cannot_be_written_is_told_beside_errors_of_the_configuration(pytester, name):
    (pytester.path / "a-file").touch()
    (pytester.path / "suite.yaml").write_text(HEAD.replace("whatif", "closd") + UNET)
    result = pytester.runpytest(BENCHMARKS, "--mlps-config=suite.yaml", f"--junitxml={IMPOSSIBLE[name]}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "suite.yaml:1:11: division" in said(result)
    assert f"--junitxml={IMPOSSIBLE[name]}: " in said(result)


def test_reports_may_go_where_nothing_is_yet_and_other_projects_are_not_asked(pytester):
    result = pytester.runpytest(
        BENCHMARKS, "--mlps-config=quick.yaml", "--collect-only", "-q", "--html=new/a.html", "--junitxml=new/b.xml", "--mlps-output=new/c"
    )
    assert result.ret == 0
    assert not (pytester.path / "new" / "c").exists()
    pytester.makepyfile("def test_x(): pass")
    result = pytester.runpytest_subprocess("--junitxml=.", "-p", "no:cacheprovider")
    assert "--junitxml=.: " not in said(result)


def test_a_launcher_in_the_home_of_nobody_is_told_as_one_that_is_not_there(pytester):
    setting = "--mlps-set=launch.launcher=~no-such-user/mpirun"
    result = pytester.runpytest(BENCHMARKS, "--mlps-config=quick.yaml", setting, "--mlps-dry-run", "-k", "test_preflight and llama3-8b")
    assert "launch.launcher: there is no program at ~no-such-user/mpirun" in said(result)
    assert "RuntimeError" not in said(result)
