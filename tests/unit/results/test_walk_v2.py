"""Trees of round 2.0 and the output of its tool; how they are told from those of round 3.0."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from round_v1_files import run, write

from pytest_mlpstorage.results.layout import is_timestamp
from pytest_mlpstorage.results.tree import read_tree

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"
STAMPS = ("20250619_184550", "20250619_184556")
ROUND_2 = {"combined_params": {}, "cluster_information": "<object at 0x7f>", "args": {}}
ROUND_3 = {"parameters": {}, "system_info": None}
PLACE = "Closed/acme/results/fastfs"


def leaf(folder, metadata=ROUND_2, family="training"):
    if metadata is not None:
        write(folder / f"{family}_{folder.name}_metadata.json", metadata)
    write(folder / "dlio.log")
    return folder


def places(root, **kwargs):
    return [(p.relpath, p.edition, p.layout) for p in read_tree(root, **kwargs).result_places]


def ignored(root):
    return dict(read_tree(root).ignored)


@pytest.mark.parametrize("division", ["Closed", "closed", "Open", "open", "CLOSED"])
@pytest.mark.parametrize(("metadata", "edition"), [(ROUND_2, "2.0"), (ROUND_3, "3.0")], ids=["2.0", "3.0"])
def test_the_round_is_told_by_the_metadata_of_a_run_in_a_division_of_any_spelling(division, metadata, edition, tmp_path):
    leaf(tmp_path / division / "acme/results/fastfs/training/unet3d/run" / STAMPS[0], metadata)
    assert places(tmp_path) == [(f"{division}/acme/results/fastfs/training/unet3d", edition, edition)]
    assert read_tree(tmp_path).places[1].division.value == division.lower()


@pytest.mark.parametrize(
    ("metadata", "edition"),
    [
        ({"params_dict": {}}, "2.0"),
        ({"cluster_information": "<object>"}, "2.0"),
        ({"cluster_information": {}, "parameters": {}}, "3.0"),
        ({"combined_params": {}, "system_info": {}}, "3.0"),
        ({}, None),
        ([], None),
        ("{", None),
        ("", None),
        (None, None),
    ],
    ids=repr,
)
def test_metadata_that_tell_nothing_leave_it_to_the_option_and_then_to_the_spelling(metadata, edition, tmp_path):
    for division in ("Closed", "closed"):
        leaf(tmp_path / division / "acme/results/fastfs/training/unet3d/run" / STAMPS[0], metadata)
    told = [(edition, edition)] * 2
    assert [place[1:] for place in places(tmp_path)] == (told if edition else [("2.0", "2.0"), ("3.0", "3.0")])
    assert [place[1:] for place in places(tmp_path, edition="2.0")] == (told if edition else [("2.0", "2.0")] * 2)
    assert [place[1:] for place in places(tmp_path, edition="3.0")] == (told if edition else [("3.0", "3.0")] * 2)


def test_a_later_run_tells_where_the_first_does_not(tmp_path):
    model = tmp_path / "closed/acme/results/fastfs/training/unet3d"
    leaf(model / "run" / STAMPS[0], None)
    leaf(model / "run" / STAMPS[1], ROUND_2)
    assert places(tmp_path)[0][1:] == ("2.0", "2.0")


def test_a_pointer_to_a_code_image_shows_round_3(tmp_path):
    path = leaf(tmp_path / "Closed/acme/results/fastfs/training/unet3d/run" / STAMPS[0], ROUND_2)
    write(path / ".mlps-code-image", "x")
    assert places(tmp_path)[0][1:] == ("3.0", "3.0")


@pytest.mark.parametrize(("declared", "edition"), [("2.0", "2.0"), ("v2.0", "2.0"), ("unknown", "3.0"), ("", "3.0"), (3, "3.0")])
def test_provenance_declares_the_edition_before_the_layout_does(declared, edition, tmp_path):
    path = leaf(tmp_path / "closed/acme/results/fastfs/training/unet3d/run" / STAMPS[0], ROUND_3)
    write(path / "provenance.json", {"rules_edition": declared})
    assert places(tmp_path) == [("closed/acme/results/fastfs/training/unet3d", edition, "3.0")]
    write(tmp_path / "closed/acme/submission.yaml", "rules_edition: '1.0'\n")
    assert places(tmp_path)[0][1] == "1.0"


def test_the_results_of_round_2_may_be_spelled_otherwise_and_its_systems_be_json(tmp_path):
    leaf(tmp_path / "Closed/acme/Result/fastfs/Training/unet3d/run" / STAMPS[0])
    leaf(tmp_path / "Closed/acme/Result/fastfs/CHECKPOINTING/llama3-8b" / STAMPS[1], family="checkpointing")
    for name in ("fastfs.JSON", "other.yml", "third.yaml", "fastfs.pdf"):
        write(tmp_path / "Closed/acme/System" / name, "{}")
    tree = read_tree(tmp_path)
    assert [(p.kind, p.relpath.removeprefix("Closed/acme/"), p.system) for p in tree.places[2:]] == [
        ("checkpointing", "Result/fastfs/CHECKPOINTING/llama3-8b", "fastfs"),
        ("training", "Result/fastfs/Training/unet3d", "fastfs"),
        ("system", "System/fastfs.JSON", "fastfs"),
        ("system", "System/other.yml", "other"),
        ("system", "System/third.yaml", "third"),
    ]
    assert [len(result.runs) for result in tree.results] == [1, 1]
    assert tree.results[0].description.relpath == "Closed/acme/System/fastfs.JSON"
    assert tree.ignored == ()


def test_round_3_is_read_only_as_it_must_be_spelled(tmp_path):
    leaf(tmp_path / "closed/acme/Results/fastfs/training/unet3d/run" / STAMPS[0], ROUND_3)
    leaf(tmp_path / "closed/other/results/fastfs/Training/unet3d/run" / STAMPS[0], ROUND_3)
    assert places(tmp_path) == []
    assert ignored(tmp_path) == {
        "closed/acme/Results": "is not named 'results', the name that round 3.0 demands",
        "closed/other/results/fastfs": "has no benchmark directory (training, checkpointing, vector_database, kv_cache)",
    }


def test_runs_that_stand_where_no_reader_looks_are_named(tmp_path):
    system = tmp_path / PLACE
    leaf(system / "training/unet3d/run" / STAMPS[0])
    leaf(system / "training/unet3d" / STAMPS[0])
    leaf(system / "training/unet3d/runs" / STAMPS[0])
    leaf(system / "training/unet3d/run/20250619-184550")
    leaf(system / "checkpointing/llama3-8b" / STAMPS[0], family="checkpointing")
    leaf(system / "checkpointing/llama3-8b/run" / STAMPS[0], family="checkpointing")
    (system / "checkpointing/llama3-8b/notes").mkdir()
    assert ignored(tmp_path) == {
        f"{PLACE}/training/unet3d/{STAMPS[0]}": "stands beside the phases (datasize, datagen, run), not in one",
        f"{PLACE}/training/unet3d/runs": "holds runs and is no phase (datasize, datagen, run)",
        f"{PLACE}/training/unet3d/run/20250619-184550": "is not named as a timestamp, so it is no run",
        f"{PLACE}/checkpointing/llama3-8b/run": "holds runs and is no phase (checkpointing has none)",
    }


@pytest.mark.parametrize(("division", "metadata"), [("Closed", ROUND_2), ("closed", ROUND_3)], ids=["2.0", "3.0"])
def test_runs_are_named_however_deep_they_stand_out_of_place(division, metadata, tmp_path):
    system = tmp_path / division / "acme/results/fastfs"
    leaf(system / "training/unet3d/run" / STAMPS[0], metadata)
    leaf(system / "training/unet3d/old/first/attempt/run" / STAMPS[0], metadata)
    write(system / "checkpointing/llama3-8b/spare/host1/summary.json", "{}")
    leaf(system / "training/unet3d/run" / STAMPS[0] / STAMPS[1], metadata)
    leaf(system / "checkpointing/llama3-8b" / STAMPS[0] / STAMPS[0], metadata, family="checkpointing")
    (system / "training/unet3d/empty/deep").mkdir(parents=True)
    assert {path.removeprefix(f"{division}/acme/results/fastfs/"): reason for path, reason in ignored(tmp_path).items()} == {
        "training/unet3d/old": "holds runs and is no phase (datasize, datagen, run)",
        "checkpointing/llama3-8b/spare": "holds runs and is no phase (checkpointing has none)",
        f"training/unet3d/run/{STAMPS[0]}/{STAMPS[1]}": "stands inside another run, where no reader looks",
        f"checkpointing/llama3-8b/{STAMPS[0]}/{STAMPS[0]}": "stands inside another run, where no reader looks",
    }


def test_a_directory_too_wide_to_be_searched_for_runs_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("pytest_mlpstorage.results.walk_benchmarks._SEARCHED", 3)
    system = tmp_path / "closed/acme/results/fastfs"
    leaf(system / "training/unet3d/run" / STAMPS[0], ROUND_3)
    for number in range(4):
        (system / "training/unet3d/wide" / str(number)).mkdir(parents=True)
    for number in range(2):
        (system / "training/unet3d/narrow" / str(number)).mkdir(parents=True)
    assert ignored(tmp_path) == {"closed/acme/results/fastfs/training/unet3d/wide": "holds runs and is no phase (datasize, datagen, run)"}


def test_an_index_without_the_level_of_its_engine_keeps_its_runs_whatever_stands_beside_them(tmp_path):
    vectors = tmp_path / "closed/acme/results/fastfs/vector_database"
    leaf(vectors / "DISKANN/run" / STAMPS[0], ROUND_3, family="vector_database")
    (vectors / "DISKANN/notes").mkdir()
    leaf(vectors / "DISKANN/old/run" / STAMPS[0], ROUND_3, family="vector_database")
    leaf(vectors / "milvus/HNSW/datagen" / STAMPS[0], ROUND_3, family="vector_database")
    (vectors / "milvus/AISAQ").mkdir()
    below = [place[0].removeprefix("closed/acme/results/fastfs/vector_database/") for place in places(tmp_path)]
    assert below == ["DISKANN", "DISKANN/old", "milvus/AISAQ", "milvus/HNSW"]
    assert ignored(tmp_path) == {}


@pytest.mark.parametrize("name", ["fastfs~", "._fastfs", "fastfs.swp"])
def test_a_directory_with_the_name_of_a_leftover_is_named(name, tmp_path):
    leaf(tmp_path / "closed/acme/results/fastfs/training/unet3d/run" / STAMPS[0], ROUND_3)
    leaf(tmp_path / "closed/acme/results" / name / "training/unet3d/run" / STAMPS[0], ROUND_3)
    assert ignored(tmp_path) == {f"closed/acme/results/{name}": "is named like what a desktop or an editor leaves behind"}


@pytest.mark.parametrize(
    ("description", "spelling", "metadata", "code", "edition"),
    [
        ("System:\n  a: 1\n", "closed", None, False, "2.0"),
        ("# ours\nPowerRequirements: []\nSystem: {}\n", "open", "{", False, "2.0"),
        ("\ufeffSystem: {}\n", "closed", "{", False, "2.0"),
        ("\ufeffsystem_under_test: {}\n", "Closed", "{", False, "3.0"),
        ('{"System":{},"Nodes":[]}', "closed", "{", False, "2.0"),
        ('\ufeff {"system_under_test":{"System":1}}', "Closed", "{", False, "3.0"),
        ('{\n  "System": {}\n}\n', "closed", None, False, "2.0"),
        ("system_under_test:\n  System: 1\n", "Closed", None, False, "3.0"),
        ("other: 1\n", "Closed", None, False, "2.0"),
        ("other:\n    System: 1\n", "closed", None, False, "3.0"),
        ("System: {}\n", "closed", ROUND_3, True, "2.0"),
        ("System: {}\n", "closed", ROUND_3, False, "3.0"),
        ("system_under_test: {}\n", "Closed", ROUND_3, True, "3.0"),
        ("system_under_test: {}\n", "closed", ROUND_2, True, "2.0"),
    ],
)
def test_where_metadata_leave_a_doubt_the_description_of_the_system_tells_the_round(
    description, spelling, metadata, code, edition, tmp_path
):
    submission = tmp_path / spelling / "acme"
    path = leaf(submission / "results/fastfs/training/unet3d/run" / STAMPS[0], metadata)
    write(submission / "systems/fastfs.yaml", description)
    if code:
        (submission / "code").mkdir()
    assert places(tmp_path)[0][1:] == (edition, edition)
    write(path / ".mlps-code-image", "x")
    assert places(tmp_path)[0][1:] == ("3.0", "3.0")


@pytest.mark.parametrize(
    ("division", "metadata", "description"),
    [("closed", ROUND_3, "System: {}\n"), ("closed", "{", "System: {}\n"), ("Closed", "{", "system_under_test: {}\n")],
)
def test_a_submission_that_declares_round_3_is_not_taken_for_an_older_one(division, metadata, description, tmp_path):
    submission = tmp_path / division / "acme"
    leaf(submission / "results/fastfs/training/unet3d/run" / STAMPS[0], metadata)
    write(submission / "systems/fastfs.yaml", description)
    write(submission / "submission.yaml", "rules_edition: '3.0'\n")
    (submission / "code").mkdir()
    assert places(tmp_path)[0][1:] == ("3.0", "3.0")


@pytest.mark.parametrize(
    ("family", "directory", "recorded", "model"),
    [
        ("training", "UNet3D", ["unet3d"], "unet3d"),
        ("training", "unet3d-h100", ["unet3d", "Unet3D "], "unet3d"),
        ("training", "unet3d", ["resnet50"], "unet3d"),
        ("training", "unet3d-resnet50", ["resnet50", "unet3d"], "unet3d-resnet50"),
        ("training", "unet3d-h100", [None], "unet3d-h100"),
        ("training", "unet3d-h100", ["-"], "unet3d-h100"),
        ("checkpointing", "llama3_8b", ["llama3-8b"], "llama3-8b"),
        ("checkpointing", "Llama3-70B_8gpu", ["llama3-70b"], "llama3-70b"),
    ],
)
def test_round_2_judged_the_model_that_its_runs_recorded_where_the_directory_spells_it_otherwise(
    family, directory, recorded, model, tmp_path
):
    for edition, written in (("Closed", ROUND_2), ("closed", ROUND_3)):
        phase = tmp_path / edition / "acme/results/fastfs" / family / directory / ("run" if family == "training" else "")
        for stamp, name in zip(STAMPS, recorded, strict=False):
            leaf(phase / stamp, {**written, "args": {"model": name}}, family=family)
    second, third = read_tree(tmp_path).results
    assert (second.model, third.model) == (model, directory)


def test_in_round_3_a_rule_speaks_of_the_names_in_a_phase(tmp_path):
    leaf(tmp_path / "closed/acme/results/fastfs/training/unet3d/run" / STAMPS[0], ROUND_3)
    leaf(tmp_path / "closed/acme/results/fastfs/training/unet3d/run/old", ROUND_3)
    leaf(tmp_path / "closed/acme/results/fastfs/kv_cache/llama3.1-8b" / STAMPS[0], ROUND_3)
    (tmp_path / "closed/acme/notes").mkdir()
    assert ignored(tmp_path) == {
        f"closed/acme/results/fastfs/kv_cache/llama3.1-8b/{STAMPS[0]}": "stands beside the phases (run), not in one"
    }


def test_runs_of_round_1_in_a_submission_of_a_later_round_are_named(tmp_path):
    leaf(tmp_path / PLACE / "training/unet3d/run" / STAMPS[0])
    run(tmp_path / "Closed/acme/results/older/unet3d-h100/run1")
    (tmp_path / "Closed/acme/code").mkdir()
    assert ignored(tmp_path) == {
        "Closed/acme/results/older": "holds runs as round 1.0 laid them out, in a submission of round 2.0",
        "Closed/acme/code": "a folder of code",
    }


@pytest.mark.parametrize(("division", "edition"), [("Closed", "2.0"), ("closed", "3.0")])
def test_a_submission_without_any_run_is_of_the_round_that_its_spelling_shows(division, edition, tmp_path):
    (tmp_path / division / "acme").mkdir(parents=True)
    read = read_tree(tmp_path)
    assert [(p.kind, p.edition) for p in read.places] == [("package", edition), ("submission", edition)]
    assert dict(read.ignored) == {f"{division}/acme": "has no results directory"}
    assert {p.edition for p in read_tree(tmp_path, edition="1.0").places} == {"1.0"}


def test_what_recognition_could_not_read_is_told_once_by_who_reads_it(tmp_path):
    path = tmp_path / "closed/acme/results/fastfs/training/unet3d/run" / STAMPS[0]
    leaf(path, "{")
    read = read_tree(tmp_path)
    assert read.problems == ()
    assert len(read.results[0].runs[0].problems) == 1


def test_the_output_of_the_tool_of_round_2_is_judged_as_closed_and_every_run_of_it_is_in_a_result():
    root = CORPORA / "v2.0"
    if not root.is_dir():
        pytest.skip("the published round 2.0 is not beside this checkout")
    tree = read_tree(root)
    assert tree.ignored == ()
    assert [p.kind for p in tree.places] == ["checkpointing"] * 4 + ["training"] * 3
    assert {(p.edition, p.layout, p.division.value, p.submitter, p.system, p.submission) for p in tree.places} == {
        ("2.0", "2.0", "closed", "", "", "")
    }
    leaves = {leaf.relpath for result in tree.results for leaf in result.leaves}
    assert leaves == {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_dir() and is_timestamp(p.name)}
    assert len(leaves) == 43
