"""Runs of round 1.0 as records: what they measured, what they were told, damage."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from round_v1_files import configs, crashed, run, write

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.read_v1 import read_run, read_training_v1, summary_names
from pytest_mlpstorage.results.records import ReadProblem
from pytest_mlpstorage.results.report_v1 import find_report, read_report
from pytest_mlpstorage.results.run_config_v1 import configs_of, read_config
from pytest_mlpstorage.verdict import Division

GROUP = "Closed/acme/results/fastfs/unet3d-h100"


def result(root, relpath=GROUP):
    return read_training_v1(SubjectPlace("training", relpath, Division.CLOSED, "1.0", "1.0", "acme", "fastfs", "a label"), root=root)


def config_of(folder, overrides=None, config=None):
    write(folder / "hydra.yaml")
    present = set()
    for name, text in (("overrides.yaml", overrides), ("config.yaml", config)):
        if text is not None:
            write(folder / name, text)
            present.add(name)
    files = TreeFiles(folder)
    return read_config(files, folder, frozenset(present)), files.problems


def test_a_run_is_a_leaf_with_what_it_measured_and_what_it_was_told(tmp_path):
    run(tmp_path / GROUP / "run1", num_accelerators="8")
    (leaf,) = result(tmp_path).runs
    assert (leaf.name, leaf.phase, leaf.relpath, leaf.config_folder) == ("run1", "run", f"{GROUP}/run1", "configs")
    assert (leaf.summary.num_accelerators, leaf.summary.path) == (8, f"{GROUP}/run1/summary.json")
    metadata = leaf.metadata
    assert (metadata.model, metadata.accelerator, metadata.benchmark_type, metadata.command) == ("unet3d", "h100", "training", "run")
    assert metadata.parameter("reader.batch_size") == 7
    assert metadata.override_parameters == {"workflow.generate_data": "False", "dataset.num_files_train": "7"}
    assert metadata.path == f"{GROUP}/run1/configs/overrides.yaml"
    assert leaf.files == {"summary.json", "per_epoch_stats.json", "configs/config.yaml", "configs/hydra.yaml", "configs/overrides.yaml"}
    assert leaf.problems == ()


def test_model_and_accelerator_are_those_of_the_first_run_that_tells(tmp_path):
    write(tmp_path / GROUP / "run1" / "summary.json", {})
    run(tmp_path / GROUP / "run2")
    read = result(tmp_path)
    assert (read.model, read.accelerator, read.layout, read.edition, read.submitter, read.system) == (
        "unet3d", "h100", "1.0", "1.0", "acme", "fastfs",
    )  # fmt: skip
    assert read.runs[0].metadata is None


def test_the_folders_name_the_model_only_where_no_run_tells(tmp_path):
    write(tmp_path / GROUP / "run1" / "summary.json", {})
    assert (result(tmp_path).model, result(tmp_path).accelerator) == ("a label", None)


def test_a_group_that_is_gone_has_no_runs(tmp_path):
    assert result(tmp_path).runs == ()


def test_a_crashed_run_is_a_leaf_without_a_summary(tmp_path):
    crashed(tmp_path / GROUP / "run1")
    (leaf,) = result(tmp_path).runs
    assert leaf.summary is None
    assert leaf.metadata.model == "unet3d"


def test_damage_is_a_problem_of_the_run(tmp_path):
    path = run(tmp_path / GROUP / "run1", num_accelerators=[8])
    write(path / "configs" / "overrides.yaml", "a: [")
    write(path / "configs" / "config.yaml", "workload: 1")
    (leaf,) = result(tmp_path).runs
    assert sorted(problem.file.rpartition("/")[2] for problem in leaf.problems) == ["config.yaml", "overrides.yaml", "summary.json"]
    assert leaf.metadata.model is None


def test_pruned_files_are_there_and_say_nothing(tmp_path):
    path = run(tmp_path / GROUP / "run1")
    for name in ("summary.json", "configs/overrides.yaml", "configs/config.yaml"):
        write(path / name, "PRUNED BY STAFF\n")
    leaf = read_run(path, root=tmp_path)
    assert leaf.pruned == {"summary.json", "configs/overrides.yaml", "configs/config.yaml"}
    assert (leaf.summary, leaf.problems) == (None, ())
    assert leaf.metadata.parameters == {}
    assert configs_of(leaf)[0].overrides is None


@pytest.mark.parametrize(
    ("present", "names"),
    [
        (["summary.json"], ("summary.json",)),
        (["c2/summary.json", "c1/summary.json", "summary.json"], ("summary.json", "c1/summary.json", "c2/summary.json")),
        (["Summary.JSON"], ("Summary.JSON",)),
        (["a/b/summary.json", "my_summary.json", "summary.json.bak"], ()),
    ],
)
def test_the_summary_of_a_run_stands_in_it_or_in_the_folder_of_a_client(present, names):
    assert summary_names(present) == names


def test_the_configuration_beside_the_summary_comes_first_and_equal_ones_once(tmp_path):
    path = tmp_path / "run1"
    for host in ("host1", "host2", "host3"):
        configs(path / host)
    write(path / "host3" / "configs" / "overrides.yaml", "- workload=unet3d_a100\n")
    write(path / "host2" / "summary.json", {})
    leaf = read_run(path, root=tmp_path)
    assert leaf.config_folder == "host2/configs"
    assert [(config.folder, config.accelerator) for config in configs_of(leaf)] == [
        ("run1/host2/configs", "h100"),
        ("run1/host3/configs", "a100"),
    ]
    assert leaf.metadata.accelerator == "h100"


def test_a_configuration_is_found_by_its_files_whatever_its_folder_is_called(tmp_path):
    write(tmp_path / "run1" / ".hydra" / "overrides.yaml", "- workload=unet3d_a100\n")
    leaf = read_run(tmp_path / "run1", root=tmp_path)
    assert (leaf.config_folder, leaf.metadata.accelerator) == (".hydra", "a100")


def test_a_run_without_configuration_has_the_usual_folder_for_it(tmp_path):
    write(tmp_path / "run1" / "summary.json", {})
    leaf = read_run(tmp_path / "run1", root=tmp_path)
    assert (leaf.config_folder, leaf.metadata, configs_of(leaf)) == ("configs", None, ())


@pytest.mark.parametrize(
    ("entry", "overrides"),
    [
        ("++workload.reader.read_threads=8", {"reader.read_threads": "8"}),
        ("+workload.a=b=c", {"a": "b=c"}),
        ("workload.a=", {"a": ""}),
        ("~workload.a", {"a": ""}),
        (" ++workload.a = 1 ", {"a": "1"}),
        ("++workload.a='x y'", {"a": "'x y'"}),
        ("hydra.run.dir=/x", {}),
    ],
)
def test_an_override_is_read_in_every_form_that_hydra_has(entry, overrides, tmp_path):
    config, problems = config_of(tmp_path / "configs", f'- "{entry}"\n')
    assert (config.overrides, config.foreign, problems) == (overrides, (), [])


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("- ++train.epochs=1\n", ("train.epochs",)),
        ("- {a: 1}\n", ("{'a': 1}",)),
        ("- 5\n", ("5",)),
        ("- ''\n", ("",)),
        ("-\n", ("None",)),
        ("[]", ()),
    ],
)
def test_an_entry_that_overrides_nothing_of_the_workload_is_kept_apart(text, foreign, tmp_path):
    config, _ = config_of(tmp_path / "configs", text)
    assert (config.overrides, config.foreign) == ({}, foreign)


@pytest.mark.parametrize(
    ("names", "workload", "model", "accelerator"),
    [
        (["unet3d_h100"], "unet3d_h100", "unet3d", "h100"),
        (["unet3d_h100", "unet3d_h100"], "unet3d_h100", "unet3d", "h100"),
        (["unet3d_h100", "unet3d_a100"], None, None, None),
        ([], None, None, None),
        (["unet3d"], "unet3d", None, None),
        (["_h100"], "_h100", None, None),
        (["unet3d_"], "unet3d_", "unet3d", None),
        (["a_b_c"], "a_b_c", "a_b", "c"),
    ],
)
def test_a_workload_is_a_model_and_an_accelerator(names, workload, model, accelerator, tmp_path):
    config, _ = config_of(tmp_path / "configs", "".join(f"- workload={name}\n" for name in names) or "[]")
    assert (config.workload, config.model, config.accelerator) == (workload, model, accelerator)


@pytest.mark.parametrize(
    ("overrides", "config", "message"),
    [
        ("a: 1", None, "holds no list of overrides"),
        ("text", None, "holds no list of overrides"),
        (None, "- 1", "holds no mapping 'workload'"),
        (None, "workload: [1]", "holds no mapping 'workload'"),
        (None, "work: {}", "holds no mapping 'workload'"),
    ],
)
def test_a_configuration_of_another_shape_is_a_problem(overrides, config, message, tmp_path):
    read, problems = config_of(tmp_path / "configs", overrides, config)
    assert (read.overrides, read.parameters) == (None, None)
    name = "overrides.yaml" if overrides else "config.yaml"
    assert problems == [ReadProblem(name, message)]


def test_an_empty_configuration_says_nothing(tmp_path):
    read, problems = config_of(tmp_path / "configs", "", "")
    assert (read.overrides, read.parameters, problems) == (None, None, [])


# -- the report -----------------------------------------------------------------------------------------------------------

REPORT = "mlperf_storage_report.json"


@pytest.mark.parametrize(
    ("group", "place", "found"),
    [
        (GROUP, f"{GROUP}/{REPORT}", True),
        (GROUP, f"{GROUP}/report/{REPORT}", True),
        (GROUP, f"{GROUP}/MLPERF_storage_report.JSON", True),
        (GROUP, f"{GROUP}/mlperf_storage_report_unet3d.json", True),
        (GROUP, f"{GROUP}/run1/{REPORT}", False),
        (GROUP, f"{GROUP}/._{REPORT}", False),
        (GROUP, f"{GROUP}/report.json", False),
        (GROUP, f"Closed/acme/results/fastfs/{REPORT}", True),
        (GROUP, f"Closed/acme/results/{REPORT}", False),
        (GROUP, f"Closed/acme/{REPORT}", False),
        (f"{GROUP}/4hosts/runs", f"{GROUP}/4hosts/{REPORT}", True),
        (f"{GROUP}/4hosts/runs", f"{GROUP}/{REPORT}", True),
        (f"{GROUP}/4hosts/runs", f"{GROUP}/4hosts/notes/{REPORT}", True),
        ("unet3d-h100", REPORT, False),
        (".", REPORT, True),
    ],
)
def test_a_report_is_looked_for_beside_the_runs_and_above_them(group, place, found, tmp_path):
    run(tmp_path / group / "run1")
    write(tmp_path / place, {})
    assert find_report(result(tmp_path, group)) == (tmp_path / place if found else None)


def test_a_report_above_several_groups_is_that_of_none(tmp_path):
    run(tmp_path / GROUP / "h100" / "run1")
    run(tmp_path / GROUP / "a100" / "run1")
    write(tmp_path / GROUP / REPORT, {})
    assert find_report(result(tmp_path, f"{GROUP}/h100")) is None


def test_the_nearest_report_is_taken_and_the_usual_name_before_a_longer_one(tmp_path):
    run(tmp_path / GROUP / "run1")
    for place in (
        f"{GROUP}/mlperf_storage_report.2.json",
        f"{GROUP}/{REPORT}",
        f"{GROUP}/a/{REPORT}",
        f"Closed/acme/results/fastfs/{REPORT}",
    ):
        write(tmp_path / place, {})
    assert find_report(result(tmp_path)) == tmp_path / GROUP / REPORT


@pytest.mark.parametrize(
    ("content", "overall", "runs"),
    [
        ({"overall": {"model": "x"}, "runs": {"run1": {"a": 1}, "run2": 5}}, {"model": "x"}, {"run1": {"a": 1}, "run2": {}}),
        ({"overall": [], "runs": []}, {}, {}),
        ({}, {}, {}),
    ],
)
def test_a_report_of_another_shape_is_empty(content, overall, runs, tmp_path):
    report, problems = read_report(write(tmp_path / REPORT, content), root=tmp_path)
    assert (report.path, report.overall, report.runs, problems) == (REPORT, overall, runs, ())


def test_a_damaged_report_is_a_problem_and_a_pruned_one_is_none(tmp_path):
    assert read_report(write(tmp_path / REPORT, "{"), root=tmp_path)[1][0].message.startswith("is no JSON")
    assert read_report(write(tmp_path / REPORT, "PRUNED BY STAFF"), root=tmp_path) == (None, ())
