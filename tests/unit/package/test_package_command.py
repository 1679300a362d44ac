"""From a results tree to a package: what goes in, what stays out, what happens to targets, and what the command says of it."""

import errno
import io
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
import yaml
from package_tree import IMAGE, OTHER

from pytest_mlpstorage.package import build
from pytest_mlpstorage.package.__main__ import main
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import judge_tree


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_valid_tree_is_packaged_whole_and_judged_as_it_was(tree, package, tmp_path):
    code, out, err = package()
    assert names(tmp_path / "out") == names(tree.root)
    assert err == ""
    before, after = (judge_tree(read_tree(root)) for root in (tree.root, tmp_path / "out"))
    assert {path: judged.verdict for path, judged in after.results.items()} == {
        path: judged.verdict for path, judged in before.results.items()
    }
    assert after.package == before.package
    for path, judged in after.results.items():
        assert f"{judged.headline()}  {path}\n" in out
    errors = [finding for judged in after.submissions.values() for finding in judged.findings if finding.severity.value == "error"]
    assert code == (1 if errors or any(j.verdict.value == "INVALID" for j in after.results.values()) else 0)


def test_nothing_is_left_beside_the_target(package, tmp_path):
    package()
    assert {path.name for path in tmp_path.iterdir()} == {"results", "out"}


NOISE = [
    ".mlps/failed/20260713_081000-run-unet3d-1/reason.json",
    ".mlps/staging/1/owner.json",
    "closed/acme/results/.DS_Store",
    "closed/acme/results/fastfs/training/._unet3d",
    "closed/acme/results/fastfs/training/unet3d/run/~$notes.docx",
    "closed/acme/results/fastfs/training/unet3d/run/.results.json.17.part",
    "closed/acme/results/fastfs/training/unet3d/__pycache__/a.pyc",
    "closed/acme/results/fastfs/.git/HEAD",
    "closed/acme/systems/.fastfs.yaml.swp",
    "closed/acme/scratch/file",
    f"code-images/{IMAGE}/src/__pycache__/main.pyc",
    f"code-images/{IMAGE}/.git/HEAD",
    "code-images/code-01234567/file",
    "mlps-report.html",
    "whatif/acme/results/fastfs/training/unet3d/run/20260713_081000/summary.json",
    "whatif/acme/results/fastfs/training/unet3d/run/20260713_081000/.mlps-code-image",
]


@pytest.mark.parametrize("name", NOISE)
def test_what_is_no_part_of_a_submission_stays_out(tree, package, tmp_path, name):
    wanted = names(tree.root)
    (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / name).write_text(f"md5-tree-v2:{OTHER}" if name.endswith("code-image") else "{}")
    package()
    assert names(tmp_path / "out") == wanted


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (NOISE[2], "1 leftovers of desktops and editors"),
        (NOISE[5], "1 caches and half-written files"),
        (NOISE[7], "1 hidden files and directories"),
        (NOISE[9], "1 directories that are no part of a submission"),
        (NOISE[12], "1 code images that no packaged leaf names"),
        (NOISE[14], "1 experiments (whatif), which are never submitted"),
    ],
)
def test_what_stays_out_is_said_with_the_reason(tree, package, name, said):
    (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / name).write_text("{}")
    assert f"  left out: {said}\n" in package()[1]


def test_a_symbolic_link_stays_out_and_is_said(tree, package, tmp_path):
    (tree.submission / "systems" / "notes.md").symlink_to("/etc/passwd")
    assert "  left out: 1 symbolic links" in package()[1]
    assert "closed/acme/systems/notes.md" not in names(tmp_path / "out")


@pytest.mark.parametrize("folder", ["results", "systems"])
def test_what_lies_behind_a_link_is_never_packed(tree, package, tmp_path, folder):
    (tree.submission / folder).rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "private").write_text("x")
    (tree.submission / folder).symlink_to(tmp_path / "elsewhere")
    assert "  left out: 1 symbolic links" in package()[1]
    assert not (tmp_path / "out/closed/acme" / folder).exists()


def test_what_lies_too_deep_to_be_judged_is_said(tree, package, tmp_path):
    deep = tree.submission.joinpath("results", *["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    assert "  left out: 1 directories that lie deeper than any rule looks\n" in package()[1]
    assert not [name for name in names(tmp_path / "out") if name.endswith("/file")]


def test_a_stream_that_cannot_take_every_letter_gets_the_rest_by_number(tree, package, tmp_path, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    assert package()[0] == 1
    sys.stdout.flush()
    assert b"packaged " in written.getvalue()
    assert b"\\xb1" in written.getvalue()


def test_an_image_of_the_submitters_own_pool_comes_into_the_pool_of_the_package(tree, package, tmp_path):
    (tree.root / "code-images").rename(tree.root / "acme")
    package()
    assert (tmp_path / "out/code-images" / IMAGE / ".code-hash.json").is_file()
    assert (tmp_path / "out/code-images/.mlps-image-pool").is_file()
    assert not (tmp_path / "out/acme").exists()


def test_an_image_is_taken_once_from_two_pools(tree, package, tmp_path):
    shutil.copytree(tree.root / "code-images", tree.root / "acme")
    package()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"closed", "code-images"}


def test_the_manifest_is_written_anew_from_what_is_in_the_package(tree, package, tmp_path):
    shutil.rmtree(tree.leaves("training")[0])
    package()
    manifest = yaml.safe_load((tmp_path / "out/closed/acme/submission.yaml").read_text())
    assert {f"closed/acme/{leaf['path']}" for leaf in manifest["leaves"]} == {
        path.parent.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*_metadata.json")
    }
    judged = judge_tree(read_tree(tmp_path / "out"))
    assert not [f for j in judged.submissions.values() for f in j.findings if f.rule == "PROV-02"]


def test_the_edition_that_the_manifest_declares_stays(tree, package, tmp_path):
    tree.edit_manifest(lambda m: m.update(rules_edition="9.9"))
    package()
    assert yaml.safe_load((tmp_path / "out/closed/acme/submission.yaml").read_text())["rules_edition"] == "9.9"


def test_closed_and_open_of_one_submitter_are_one_package(tree, package, tmp_path):
    shutil.copytree(tree.root / "closed", tree.root / "open")
    package()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"closed", "open", "code-images"}


def test_of_several_submitters_one_must_be_named(tree, package, tmp_path):
    shutil.copytree(tree.submission, tree.root / "closed/other")
    code, out, err = package()
    assert (code, out) == (4, "")
    assert "2 submitters" in err
    assert "--submitter acme or other" in err
    code, out, _ = package("--submitter", "other")
    assert code in (0, 1)
    assert [path.name for path in (tmp_path / "out/closed").iterdir()] == ["other"]
    assert "of other submitters\n" in out


def test_a_submitter_that_is_not_there_is_an_error_that_names_those_who_are(package):
    code, _, err = package("--submitter", "nobody")
    assert code == 4
    assert "no submission of 'nobody'" in err
    assert "acme" in err


def test_a_tree_of_experiments_is_never_packaged_and_that_is_said(tree, package, tmp_path):
    (tree.root / "closed").rename(tree.root / "whatif")
    code, _, err = package()
    assert code == 4
    assert "only experiments (whatif), which are never submitted" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_a_target_that_exists_is_refused_and_left_alone(tree, package, tmp_path, kind):
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    elif kind == "dangling link":
        out.symlink_to("nowhere")
    else:
        out.mkdir()
        if kind == "folder":
            (out / "mine").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = package()
    assert code == 4
    assert "exists already; nothing is overwritten" in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_target_in_the_results_tree_is_refused(tree, package):
    code, _, err = package(to="results/out")
    assert code == 4
    assert "lies in the results tree" in err


def test_a_target_without_a_directory_is_refused(package):
    code, _, err = package(to="no/where")
    assert code == 4
    assert "no directory for the target" in err


@pytest.mark.parametrize("name", ["loop/out", "x" * 300 + "/out"], ids=["loop", "too long"])
def test_a_target_that_leads_nowhere_is_refused(package, tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    code, _, err = package(to=name)
    assert code == 4
    assert "there is no directory for the target" in err


def test_a_results_tree_with_a_name_that_none_can_have_is_an_error(tmp_path, capsys):
    assert main([str(tmp_path / ("x" * 300)), "--to", str(tmp_path / "out")]) == 4
    assert "no such results directory" in capsys.readouterr().err


def test_a_results_tree_that_is_not_there_is_an_error(tmp_path, capsys):
    assert main([str(tmp_path / "gone"), "--to", str(tmp_path / "out")]) == 4
    assert "no such results directory" in capsys.readouterr().err


def test_wrong_use_ends_with_4(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--to", "x"])
    assert ended.value.code == 4
    assert "RESULTS" in capsys.readouterr().err


def test_an_archive_holds_the_package_below_the_submitters_name(tree, package, tmp_path):
    code, out, _ = package(to="out.tar.gz")
    assert code in (0, 1)
    assert f"into {tmp_path / 'out.tar.gz'}" in out
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        members = archive.getmembers()
        assert {m.name.partition("/")[0] for m in members} == {"acme"}
        assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    shutil.unpack_archive(tmp_path / "out.tar.gz", tmp_path / "unpacked")
    assert names(tmp_path / "unpacked/acme") == names(tree.root)
    assert {path.name for path in tmp_path.iterdir()} == {"results", "out.tar.gz", "unpacked"}


def test_an_invalid_package_is_made_and_ends_with_1(tree, package, tmp_path):
    (tree.submission / "systems/fastfs.pdf").unlink()
    code, out, _ = package()
    assert code == 1
    assert (tmp_path / "out/closed/acme/systems/fastfs.yaml").is_file()
    assert "[2.1.7]" in out
    assert "fastfs.pdf" in out


def test_a_full_disk_leaves_nothing_behind(tree, package, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(build.shutil, "copyfile", full)
    code, _, err = package()
    assert code == 4
    assert "free space" in err
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


def test_an_interrupt_leaves_nothing_behind(tree, package, tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_mlpstorage.package.__main__.judge_package", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        package()
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


def test_a_target_that_comes_to_exist_meanwhile_is_left_alone(tree, package, tmp_path, monkeypatch):
    real = build.fill

    def slow(selection, folder):
        (tmp_path / "out").mkdir()
        return real(selection, folder)

    monkeypatch.setattr("pytest_mlpstorage.package.__main__.fill", slow)
    code, _, err = package()
    assert code == 4
    assert "come to exist meanwhile" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_the_results_tree_is_only_read(tree, package):
    for path in [tree.root, *tree.root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.lstat().st_mtime_ns for path in tree.root.rglob("*")}
    try:
        assert package()[0] in (0, 1)
        assert {path: path.lstat().st_mtime_ns for path in tree.root.rglob("*")} == before
    finally:
        for path in [tree.root, *tree.root.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_package_judged_by_the_profile_of_the_round_says_what_that_finds(package):
    assert package("--profile", "v3.0-round")[0] in (0, 1)


def test_the_module_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mlpstorage.package", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "--to OUT[.tar.gz]" in done.stdout
