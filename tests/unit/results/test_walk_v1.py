"""Trees of round 1.0, each laid out in another way: every group of runs is found, and every other folder is named."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from round_v1_files import configs, crashed, generation, run, write

from pytest_mlpstorage.results.files import NO_TEXT, TreeFiles
from pytest_mlpstorage.results.run_folders import MAX_DEPTH, Held, RunFolders, is_generation_name, is_run_name
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.verdict import Division

SUB = "Closed/acme"
NO_RUN = "holds no run: nothing named run1, run2 … and no summary.json"
GENERATED = "the output of data generation, no run"


def found(root):
    """Groups as (path below the results, system), and what was left out, as paths below the submission."""
    tree = read_tree(root)
    assert {(p.edition, p.layout) for p in tree.places} <= {("1.0", "1.0")}
    groups = [(p.relpath.removeprefix(f"{SUB}/results/"), p.system) for p in tree.result_places]
    return groups, {path.removeprefix(f"{SUB}/"): reason for path, reason in tree.ignored}


def five(folder, form="run{}"):
    for number in range(1, 6):
        run(folder / form.format(number))


@pytest.mark.parametrize(
    "form",
    ["run{}", "run-{}", "run_{}", "Run {}", "RUN0{}", "unet3d_a100_run_{}", "h100-run{}", "run{}-retry", "2024-08-29-14-19-0{}", "{}"],
)
def test_runs_are_found_whatever_form_their_names_have(form, tmp_path):
    five(tmp_path / SUB / "results/fastfs/unet3d-h100", form)
    assert found(tmp_path) == ([("fastfs/unet3d-h100", "fastfs")], {})
    (result,) = read_tree(tmp_path).results
    assert len(result.runs) == 5


@pytest.mark.parametrize(
    ("group", "system"),
    [
        ("fastfs/unet3d/h100", "fastfs"),
        ("fastfs/unet3d_12acc", "fastfs"),
        ("fastfs/cosmoflow-a100/1host@37GPUs/runs", "fastfs"),
        ("fastfs_unet3d_5Client_A100", "fastfs_unet3d_5Client_A100"),  # no level of the workload
        ("resnet-h100/runs", "resnet-h100"),  # no level of the system
        ("fast fs ~ 2.0/a b", "fast fs ~ 2.0"),
        ("fastfs/training/unet3d-h100", "fastfs"),  # a level that round 2.0 gave a meaning to
        ("erasure_code_8+2/unet3d-h100", "erasure_code_8+2"),
        ("next_generation/unet3d-h100", "next_generation"),
    ],
)
def test_a_group_is_the_folder_whose_children_are_runs_at_any_depth(group, system, tmp_path):
    five(tmp_path / SUB / "results" / group)
    assert found(tmp_path) == ([(group, system)], {})


def test_runs_directly_in_the_results_have_no_system(tmp_path):
    five(tmp_path / SUB / "results")
    assert found(tmp_path) == ([("Closed/acme/results", "")], {})


@pytest.mark.parametrize("summary_in", ["run", "client"])
def test_the_level_of_clients_belongs_to_its_run(summary_in, tmp_path):
    group = tmp_path / SUB / "results/fastfs/unet3d-h100"
    for number in range(1, 6):
        for host in range(3):
            configs(group / f"run{number}" / f"host{host}")
        write(group / f"run{number}" / ("" if summary_in == "run" else "host1") / "summary.json", {"num_hosts": 3})
    assert found(tmp_path) == ([("fastfs/unet3d-h100", "fastfs")], {})
    (result,) = read_tree(tmp_path).results
    assert [leaf.summary.num_hosts for leaf in result.runs] == [3] * 5
    assert result.runs[0].config_folder == ("host0/configs" if summary_in == "run" else "host1/configs")


def test_a_run_that_crashed_is_a_run_by_its_name_or_by_what_it_was_told(tmp_path):
    group = tmp_path / SUB / "results/fastfs/unet3d-h100"
    run(group / "2024-08-29-14-19-01")
    crashed(group / "2024-08-29-14-19-02")
    write(group / "2024-08-29-14-19-03" / "per_epoch_stats.json", {})
    write(group / "2024-08-29-14-19-04" / "0_output.json", {})
    (group / "run5").mkdir()
    (result,) = read_tree(tmp_path).results
    assert [(leaf.name[-1], leaf.summary is None) for leaf in result.runs] == [
        ("1", False),
        ("2", True),
        ("3", True),
        ("4", True),
        ("5", True),
    ]


def test_the_output_of_data_generation_beside_runs_is_named_and_is_no_run(tmp_path):
    group = tmp_path / SUB / "results/fastfs/unet3d-h100"
    five(group)
    generation(group / "2024-08-29-14-19-04")
    generation(group / "datagen")
    run(group / "data_gen")
    generation(group / "runs_gen" / "2024-08-30-14-19-04")
    generation(group / "logs" / "2024-08-30-14-19-04")
    generation(tmp_path / SUB / "generation_logs" / "unet3d" / "2024-08-15-18-59-20")
    generation(tmp_path / SUB / "unet3d-gen")
    place = "results/fastfs/unet3d-h100"
    assert found(tmp_path) == (
        [("fastfs/unet3d-h100", "fastfs")],
        {
            f"{place}/2024-08-29-14-19-04": GENERATED,
            f"{place}/datagen": GENERATED,
            f"{place}/data_gen": GENERATED,
            f"{place}/runs_gen": GENERATED,
            f"{place}/logs/2024-08-30-14-19-04": GENERATED,
            "generation_logs": GENERATED,
            "unet3d-gen": GENERATED,
        },
    )


def test_every_other_folder_is_named_with_a_reason(tmp_path):
    results = tmp_path / SUB / "results"
    five(results / "fastfs" / "unet3d-h100")
    for folder in ("fastfs/notes/of/mine", "fastfs/code", "fastfs/.git", "empty", "fastfs/unet3d-h100/plots"):
        (results / folder).mkdir(parents=True)
    write(results / "fastfs/old/2024-01-01-00-00-00/configs/hydra.yaml")
    for folder in ("code", "v1.0.0_code", "notes", ".github"):
        (tmp_path / SUB / folder).mkdir()
    five(tmp_path / SUB / "backup" / "unet3d-h100")
    groups, ignored = found(tmp_path)
    assert groups == [("fastfs/unet3d-h100", "fastfs")]
    assert ignored == {
        "results/fastfs/notes": NO_RUN,
        "results/fastfs/code": "a folder of code",
        "results/fastfs/.git": "a dot entry",
        "results/fastfs/old": NO_RUN,
        "results/fastfs/unet3d-h100/plots": NO_RUN,
        "results/empty": NO_RUN,
        "code": "a folder of code",
        "v1.0.0_code": "a folder of code",
        "notes": "no part of a submission (code, results, systems)",
        ".github": "a dot entry",
        "backup": "holds runs, but not below results/",
    }


def test_code_and_systems_may_stand_with_the_results_of_a_system(tmp_path):
    system = tmp_path / "Open" / "acme" / "results" / "fastfs"
    five(system / "unet3d-h100")
    write(system / "systems" / "fastfs.JSON", {"networks": []})
    write(system / "systems" / "fastfs.pdf")
    write(system / "systems" / "._fastfs.json")
    write(system / "code" / "run1" / "summary.json", {})
    tree = read_tree(tmp_path)
    assert [(p.kind, p.relpath.rpartition("fastfs/")[2]) for p in tree.places[2:]] == [
        ("system", "systems/fastfs.JSON"),
        ("training", "unet3d-h100"),
    ]
    assert tree.ignored == (("Open/acme/results/fastfs/code", "a folder of code"),)
    (result,) = tree.results
    assert result.division is Division.OPEN
    assert result.description is not None
    assert result.description.document == {"networks": []}


def test_descriptions_of_systems_are_found_whatever_the_case_of_their_suffix(tmp_path):
    five(tmp_path / SUB / "results/fastfs/unet3d-h100")
    for name in ("fastfs.JSON", "other.json", "Schema.json", "~$A800 slow.pptx", "._fastfs.json", "fastfs.pdf", "fastfs.yaml", ".x.json"):
        write(tmp_path / SUB / "systems" / name, "{}")
    tree = read_tree(tmp_path)
    assert [(p.system, p.relpath) for p in tree.places if p.kind == "system"] == [
        ("Schema", f"{SUB}/systems/Schema.json"),
        ("fastfs", f"{SUB}/systems/fastfs.JSON"),
        ("other", f"{SUB}/systems/other.json"),
    ]
    assert tree.results[0].description.name == "fastfs"


def test_what_desktops_and_editors_leave_behind_is_neither_a_run_nor_named(tmp_path):
    group = tmp_path / SUB / "results/fastfs/unet3d-h100"
    five(group)
    write(group / "._run6" / "summary.json", {})
    for name in (".DS_Store", "run1/._summary.json", "run1/.dlio.log.swp", "._mlperf_storage_report.json"):
        write(group / name, "\0\5")
    assert found(tmp_path) == ([("fastfs/unet3d-h100", "fastfs")], {})
    (result,) = read_tree(tmp_path).results
    assert result.all_problems == ()
    assert "._summary.json" not in result.runs[0].files


def test_a_summary_above_runs_makes_no_run_of_their_folder(tmp_path):
    group = tmp_path / SUB / "results/fastfs/unet3d-h100"
    five(group)
    write(group / "summary.json", {})
    write(group / "per_epoch_stats.json", {})
    five(tmp_path / SUB / "results/fastfs/run1")
    five(tmp_path / SUB / "results/fastfs/run_2/runs")
    assert [group for group, _ in found(tmp_path)[0]] == ["fastfs/run1", "fastfs/run_2/runs", "fastfs/unet3d-h100"]


def test_groups_inside_groups_are_judged_too(tmp_path):
    five(tmp_path / SUB / "results/fastfs/unet3d-h100")
    five(tmp_path / SUB / "results/fastfs/unet3d-h100/first try")
    assert [group for group, _ in found(tmp_path)[0]] == ["fastfs/unet3d-h100", "fastfs/unet3d-h100/first try"]


def test_a_leaf_of_a_later_round_among_runs_is_named(tmp_path):
    group = tmp_path / SUB / "results/fastfs/unet3d-h100"
    five(group)
    run(group / "20250619_184550")
    write(group / "20250619_184550" / "training_20250619_184550_metadata.json", {})
    assert found(tmp_path)[1] == {"results/fastfs/unet3d-h100/20250619_184550": "a run of a later round, out of its place"}


@pytest.mark.parametrize(("levels", "groups"), [(MAX_DEPTH, 1), (MAX_DEPTH + 1, 0)])
def test_folders_are_searched_to_a_bounded_depth_and_what_lies_deeper_is_named(levels, groups, tmp_path):
    five(tmp_path / SUB / "results/fastfs/unet3d-h100")
    deep = Path(*(f"level{n}" for n in range(levels - 1)))
    five(tmp_path / SUB / "results" / deep)
    found_groups, ignored = found(tmp_path)
    assert len(found_groups) == 1 + groups
    assert list(ignored.values()) == [f"lies more than {MAX_DEPTH} levels deep and was not searched for runs"] * (1 - groups)


def test_links_are_not_followed_and_are_problems(tmp_path):
    group = tmp_path / SUB / "results/fastfs/unet3d-h100"
    five(group)
    (group / "run6").symlink_to("run1")
    (tmp_path / SUB / "results/again").symlink_to("fastfs")
    tree = read_tree(tmp_path)
    assert len(tree.result_places) == 1
    assert {problem.file.removeprefix(f"{SUB}/results/") for problem in tree.problems} == {"again", "fastfs/unet3d-h100/run6"}
    assert len(tree.results[0].runs) == 5


@pytest.mark.parametrize("division", ["Closed", "closed", "Open", "CLOSED"])
def test_round_1_is_recognised_by_its_runs_in_a_division_of_any_spelling(division, tmp_path):
    five(tmp_path / division / "acme/results/fastfs/unet3d-h100")
    (place,) = read_tree(tmp_path, edition="3.0").result_places
    assert (place.edition, place.layout, place.division.value) == ("1.0", "1.0", division.lower())


def test_what_a_submission_declares_goes_before_what_its_layout_shows(tmp_path):
    five(tmp_path / "closed/acme/results/fastfs/unet3d-h100")
    write(tmp_path / "closed/acme/submission.yaml", "rules_edition: v2.0\n")
    (place,) = read_tree(tmp_path).result_places
    assert (place.edition, place.layout) == ("2.0", "1.0")
    assert len(read_tree(tmp_path).results[0].runs) == 5


@pytest.mark.parametrize("name", ["Results", "result", "RESULT", "final_results"])
def test_the_results_of_round_1_may_be_spelled_otherwise(name, tmp_path):
    five(tmp_path / SUB / name / "fastfs/unet3d-h100")
    (place,) = read_tree(tmp_path).result_places
    assert (place.relpath, place.system, place.model) == (f"{SUB}/{name}/fastfs/unet3d-h100", "fastfs", "unet3d-h100")


@pytest.mark.parametrize("group", ["fast\udcff/unet3d", "fastfs/unet3d\udcff"])
def test_names_that_are_no_text_are_told_and_not_taken_for_an_empty_result(group, tmp_path):
    five(tmp_path / SUB / "results" / group)
    groups, left = found(tmp_path)
    assert groups == []
    ((path, reason),) = left.items()
    assert path.endswith("\\xff")
    assert reason.startswith("has a name that is not UTF-8")


@pytest.mark.parametrize("runs", [False, True])
def test_descriptions_of_systems_below_a_name_that_is_no_text_are_no_places_and_the_name_is_told(runs, tmp_path):
    five(tmp_path / SUB / "results/fastfs/unet3d")
    strange = tmp_path / SUB / "results/slow\udcff"
    write(strange / "systems/slow.json", "{}")
    if runs:
        five(strange / "unet3d")
    tree = read_tree(tmp_path)
    assert [place.relpath for place in tree.places if place.kind in ("system", "training")] == [f"{SUB}/results/fastfs/unet3d"]
    assert [(path, reason) for path, reason in tree.ignored if "slow" in path] == [(f"{SUB}/results/slow\\xff", NO_TEXT)]


RUN_NAMES = ["run1", "run-1", "run_1", "Run 1", "run.1", "run#1", "unet3d_a100_run_1", "RUN000001", "run1_2024-08-29", "x/run1"]
OTHER_NAMES = ["run", "runs", "prun1", "rerun1", "run1host", "1run", "run_a", "trun-1", "run1234567", ""]


@pytest.mark.parametrize("name", RUN_NAMES)
def test_a_name_has_the_form_of_a_run(name):
    assert is_run_name(name)


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_a_name_has_not_the_form_of_a_run(name):
    assert not is_run_name(name)


@pytest.mark.parametrize(
    "name", ["datagen", "DataGen", "data_gen", "data-generation", "generation_logs", "unet3d-gen", "gen", "generated", "my generate"]
)
def test_a_name_says_that_data_were_generated(name):
    assert is_generation_name(name)


@pytest.mark.parametrize("name", ["gen5_nvme", "PCIe-Gen4", "next-gen-array", "generator", "regent", "run1", ""])
def test_a_name_does_not_say_that_data_were_generated(name):
    assert not is_generation_name(name)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("- ++workload.workflow.generate_data=True", Held.GENERATION),
        ("- ++workload.workflow.generate_data=true", Held.GENERATION),
        ("- ++workload.workflow.generate_data=False", Held.RUN),
        ("- workload=unet3d_h100", Held.OTHER),
        ("", Held.OTHER),
    ],
)
def test_overrides_tell_what_a_folder_without_name_and_summary_is(text, held, tmp_path):
    write(tmp_path / "2024" / "configs" / "overrides.yaml", text)
    assert RunFolders(TreeFiles(tmp_path)).held(tmp_path / "2024") is held


def test_the_workload_tells_where_the_overrides_do_not(tmp_path):
    write(tmp_path / "2024" / ".hydra" / "overrides.yaml", "- workload=unet3d_h100")
    write(tmp_path / "2024" / ".hydra" / "config.yaml", "workload:\n  workflow:\n    generate_data: true\n")
    assert RunFolders(TreeFiles(tmp_path)).held(tmp_path / "2024") is Held.GENERATION


def test_a_search_ends_where_it_was_told_to(tmp_path):
    five(tmp_path / "a")
    five(tmp_path / "b")
    assert len(RunFolders(TreeFiles(tmp_path)).groups(tmp_path, [])) == 2
    assert RunFolders(TreeFiles(tmp_path), most=1).groups(tmp_path, []) == []
