"""What is given as the root: a package, a division, a submission, its results, one system, or something else."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from round_v1_files import run, write

from pytest_mlpstorage.results.tree import read_tree

STAMP = "20250619_184550"
ROUND_2 = {"combined_params": {}}
ROUND_3 = {"parameters": {}}
KINDS = ["submission", "training", "system"]


def later(system, metadata):
    write(system / "training/unet3d/run" / STAMP / f"training_{STAMP}_metadata.json", metadata)


def round_1(system):
    for number in range(1, 6):
        run(system / f"unet3d-h100/run{number}")


ROUNDS = {
    "1.0": ("Open", round_1, "unet3d-h100"),
    "2.0": ("Open", lambda system: later(system, ROUND_2), "training/unet3d"),
    "3.0": ("open", lambda system: later(system, ROUND_3), "training/unet3d"),
}


@pytest.fixture(params=ROUNDS)
def package(request, tmp_path):
    """A root above a package of one round: (root, spelling of the division, edition, path of the result below its system)."""
    division, fill, below = ROUNDS[request.param]
    submission = tmp_path / "package" / division / "acme"
    fill(submission / "results" / "fastfs")
    write(submission / "systems" / ("fastfs.json" if request.param == "1.0" else "fastfs.yaml"), "{}")
    return tmp_path / "package", division, request.param, below


def told(root):
    read = read_tree(root)
    for place in read.places:
        read.load(place)
    assert read.ignored == ()
    return read, [(p.kind, p.relpath) for p in read.places]


def identity(read):
    (place,) = read.result_places
    return (place.edition, place.layout, place.division.value, place.submitter, place.system)


def test_a_package_is_its_submissions_and_theirs(package):
    root, division, edition, below = package
    read, places = told(root)
    assert places == [
        ("package", "."),
        ("submission", f"{division}/acme"),
        ("training", f"{division}/acme/results/fastfs/{below}"),
        ("system", f"{division}/acme/systems/fastfs.{'json' if edition == '1.0' else 'yaml'}"),
    ]
    assert identity(read) == (edition, edition, "open", "acme", "fastfs")
    assert {p.submission for p in read.places[1:]} == {f"{division}/acme"}


def test_a_division_is_read_as_part_of_a_package(package):
    root, division, edition, below = package
    read, places = told(root / division)
    assert [kind for kind, _ in places] == KINDS
    assert places[:2] == [("submission", "acme"), ("training", f"acme/results/fastfs/{below}")]
    assert identity(read) == (edition, edition, "open", "acme", "fastfs")
    assert {p.submission for p in read.places} == {"acme"}
    assert read.results[0].description is not None


def test_a_submission_is_read_with_its_systems(package):
    root, division, edition, below = package
    read, places = told(root / division / "acme")
    assert [kind for kind, _ in places] == KINDS
    assert places[:2] == [("submission", "."), ("training", f"results/fastfs/{below}")]
    assert identity(read) == (edition, edition, "open", "acme", "fastfs")
    assert {p.submission for p in read.places} == {"."}
    submission = read.load(read.places[0])
    assert (submission.relpath, submission.results) == (".", (f"results/fastfs/{below}",))
    assert [system.name for system in submission.systems] == ["fastfs"]
    assert read.results[0].description is not None


def test_results_are_read_without_their_submission(package):
    root, division, edition, below = package
    read, places = told(root / division / "acme" / "results")
    assert places == [("training", f"fastfs/{below}")]
    assert identity(read) == (edition, edition, "open", "acme", "fastfs")
    assert read.places[0].submission == ""


def test_one_system_is_read_by_its_benchmarks(package):
    root, division, edition, below = package
    read, places = told(root / division / "acme" / "results" / "fastfs")
    assert places == [("training", below)]
    # What stands in a system of round 1.0 is not to be told from results.
    if edition != "1.0":
        assert identity(read) == (edition, edition, "open", "acme", "fastfs")


def test_a_group_of_runs_is_read_alone(package):
    root, division, edition, below = package
    read = read_tree(root / division / "acme" / "results" / "fastfs" / below)
    if edition == "1.0":
        assert [(p.kind, p.relpath) for p in read.places] == [("training", ".")]
        assert [leaf.relpath for leaf in read.results[0].runs] == [f"run{n}" for n in range(1, 6)]
    else:
        assert read.places == ()


def test_a_root_above_packages_says_which_directories_are_packages(package):
    root, division, _, _ = package
    read = read_tree(root.parent)
    assert read.places == ()
    assert read.ignored == (("package", f"holds {division}, so it is a package: give it as the root"),)


@pytest.mark.parametrize(("metadata", "edition"), [(ROUND_2, "2.0"), (ROUND_3, "3.0"), ("{", "2.0")], ids=["2.0", "3.0", "damaged"])
def test_the_output_of_a_tool_belongs_to_nobody_and_counts_as_closed(metadata, edition, tmp_path):
    later(tmp_path, metadata)
    (tmp_path / "notes").mkdir()
    read = read_tree(tmp_path)
    assert identity(read) == (edition, edition, "closed", "", "")
    assert read.places[0].relpath == "training/unet3d"
    assert dict(read.ignored) == {"notes": "no benchmark directory (training, checkpointing, vector_database, kv_cache)"}


def test_the_output_of_a_tool_without_any_run_looks_nowhere_else(tmp_path):
    run(tmp_path / "other/unet3d-h100/run1")
    (tmp_path / "output/training/unet3d/run").mkdir(parents=True)
    read = read_tree(tmp_path / "output")
    assert [(p.relpath, p.edition) for p in read.places] == [("training/unet3d", "2.0")]


def test_the_output_of_a_tool_beside_a_division_belongs_to_no_submission(tmp_path):
    later(tmp_path, ROUND_2)
    later(tmp_path / "closed/acme/results/fastfs", ROUND_3)
    read = read_tree(tmp_path)
    assert [p.relpath for p in read.result_places] == ["closed/acme/results/fastfs/training/unet3d"]
    assert read.ignored == (
        ("training", "'training' at the top is the output of a tool; beside a division directory it belongs to no submission"),
    )


def test_results_under_any_name_are_read_where_systems_hold_benchmarks_or_runs_have_summaries(tmp_path):
    later(tmp_path / "mine" / "fastfs", ROUND_2)
    round_1(tmp_path / "yours" / "fastfs")
    assert [(p.relpath, p.system) for p in read_tree(tmp_path / "mine").places] == [("fastfs/training/unet3d", "fastfs")]
    assert [(p.relpath, p.system) for p in read_tree(tmp_path / "yours").places] == [("fastfs/unet3d-h100", "fastfs")]


@pytest.mark.parametrize("name", ["anything", "results"])
def test_folders_that_only_have_names_of_runs_are_results_only_in_a_root_of_that_name(name, tmp_path):
    (tmp_path / name / "thing" / "run1").mkdir(parents=True)
    assert len(read_tree(tmp_path / name).places) == (name == "results")


def test_a_directory_without_results_is_named_child_by_child(tmp_path):
    for name in ("docs/run/x", ".git", "raw/training/unet3d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "loop").symlink_to(".")
    read = read_tree(tmp_path)
    assert read.places == ()
    assert dict(read.ignored) == {
        ".git": "a dot entry, which rule 2.1.2 tolerates",
        "docs": "no division directory (closed, open, whatif)",
        "loop": "is a symbolic link to a directory; not followed",
        "raw": "holds training, so it is the output of a tool or the results of one system: give it as the root",
    }


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ("mlps-results/closed/acme/results/fastfs", "holds closed, so it is a package: give it as the root"),
        ("results/closed/acme/results/fastfs", "holds closed, so it is a package: give it as the root"),
        ("acme/results/fastfs", "holds results, so it is a submission: give it as the root"),
    ],
)
def test_a_root_above_one_that_could_be_judged_says_which(inside, words, tmp_path):
    later(tmp_path / inside, ROUND_3)
    if "closed" in inside:
        write((tmp_path / inside).parents[3] / "code-images" / ".mlps-image-pool")
    read = read_tree(tmp_path)
    assert read.places == ()
    assert read.ignored == ((inside.partition("/")[0], words),)


def test_what_was_looked_for_names_the_older_rounds_too(tmp_path):
    text = "\n".join(read_tree(tmp_path).looked_for)
    assert all(words in text for words in ("round 1.0", "round 2.0", "summary.json", "{closed,open,whatif}/<submitter>/results"))


def test_a_root_whose_division_is_a_symbolic_link_says_so(tmp_path):
    later(tmp_path / "elsewhere/closed/acme/results/fastfs", ROUND_3)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "closed").symlink_to(tmp_path / "elsewhere" / "closed")
    read = read_tree(tmp_path / "root")
    assert read.places == ()
    assert read.ignored == (("closed", "is a symbolic link to a directory; not followed"),)


@pytest.mark.parametrize(
    "below",
    ["closed/ac\udce9me/results/fastfs/training/unet3d", "closed/acme/results/caf\udce9/training/unet3d",
     "closed/acme/results/fastfs/training/unet\udce93d", "closed/acme/systems/caf\udce9.yaml"],
    ids=["submitter", "system", "model", "description"],
)  # fmt: skip
def test_a_name_that_is_not_utf_8_is_the_cause_that_is_told(below, tmp_path):
    """Read under the name that is shown, it would be a result without a single run."""
    write(tmp_path / "closed/acme/systems/fastfs.yaml", "{}")
    if below.endswith(".yaml"):
        write(tmp_path / below, "{}")
    else:
        write(tmp_path / below / "run" / STAMP / f"training_{STAMP}_metadata.json", ROUND_3)
    tree = read_tree(tmp_path)
    told = {path: reason for path, reason in tree.ignored if "UTF-8" in reason}
    shown = below.replace("\udce9", "\\xe9")
    (path,) = told
    assert shown == path or shown.startswith(f"{path}/")
    assert "rename it" in told[path]
    assert not [place.relpath for place in tree.places if "xe9" in place.relpath]
    problems = [problem for record in map(tree.load, tree.places) for problem in record.problems]
    assert {problem.message for problem in problems} <= {told[path]}, "what was left out is not missed a second time"
