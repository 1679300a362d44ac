"""One version: that of the tag is that of the code, of the changelog and of what is installed."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from pytest_mlpstorage import __version__

ROOT = Path(__file__).parents[3]
RELEASE = ROOT / ".ci" / "release"


def git(folder, *arguments):
    """What git says; the test is skipped where there is none, or where this is no clone of one's own."""
    try:
        done = subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no git")
    return done


def tags(folder, *options):
    if not (folder / ".git").exists():
        pytest.skip("the source was not cloned")
    done = git(folder, "tag", *options)
    if done.returncode != 0:
        pytest.skip(f"git tells no tags: {done.stderr.strip()}")
    return [name for name in done.stdout.split() if re.fullmatch(r"v\d+\.\d+.*", name)]


def test_the_version_has_a_dated_entry_in_the_changelog():
    entries = re.findall(r"^## \[(.*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert __version__ in entries
    assert entries == sorted(entries, key=Version, reverse=True)


def test_the_version_is_written_as_indexes_write_it():
    assert str(Version(__version__)) == __version__


def test_the_tag_of_a_commit_is_its_version():
    here = tags(ROOT, "--points-at", "HEAD")
    if not here:
        pytest.skip("no version tag stands at this commit")
    assert here == [f"v{__version__}"]


def test_no_earlier_commit_was_tagged_with_a_later_version():
    assert [tag for tag in tags(ROOT, "--merged", "HEAD") if Version(tag[1:]) > Version(__version__)] == []


def test_what_is_installed_says_the_same_version():
    assert importlib.metadata.version("pytest-mlpstorage") == __version__


@pytest.fixture
def clone(tmp_path):
    """A clone with what a release looks at."""
    folder = tmp_path / "clone"
    (folder / ".ci").mkdir(parents=True)
    (folder / "pytest_mlpstorage").mkdir()
    shutil.copy(RELEASE, folder / ".ci" / "release")
    shutil.copy(ROOT / "CHANGELOG.md", folder)
    shutil.copy(ROOT / "pytest_mlpstorage/__init__.py", folder / "pytest_mlpstorage")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def commit(folder):
    git(folder, "add", "--all")
    assert git(folder, "commit", "--quiet", "-m", "a").returncode == 0


def release(clone, *arguments):
    done = subprocess.run([sys.executable, ".ci/release", *arguments], cwd=clone, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_nothing_is_released_without_its_tag(clone):
    code, said = release(clone, f"v{__version__}")
    assert code == 1
    assert "rev-parse" in said


def test_a_tag_of_another_version_is_refused_with_both(clone):
    git(clone, "tag", "v9.9.9")
    code, said = release(clone, "v9.9.9")
    assert code == 1
    assert said == f"the tag is v9.9.9, and __version__ in pytest_mlpstorage/__init__.py is {__version__}, whose tag is v{__version__}\n"


@pytest.mark.parametrize("heading", [None, "", "## [9.9.9]\n", "## [9.9.9] - soon\n"])
def test_a_version_without_a_dated_entry_is_refused(clone, heading):
    (clone / "pytest_mlpstorage/__init__.py").write_text('__version__ = "9.9.9"\n')
    (clone / "CHANGELOG.md").unlink()
    if heading is not None:
        (clone / "CHANGELOG.md").write_text(heading)
    commit(clone)
    git(clone, "tag", "v9.9.9")
    assert release(clone, "v9.9.9") == (1, "CHANGELOG.md has no line: ## [9.9.9] - YYYY-MM-DD\n")


def test_what_is_only_in_the_folder_is_no_part_of_a_release(clone):
    git(clone, "tag", f"v{__version__}")
    (clone / "pytest_mlpstorage/__init__.py").write_text("nothing")
    (clone / "dist").mkdir()
    (clone / "dist" / "old").write_text("")
    # The tag itself was looked at, and found right: what stops it is the folder.
    assert release(clone, f"v{__version__}") == (1, f"{clone / 'dist'} is not empty\n")


# --- a version made from its tag ------------------------------------------------------------------------------------


TOLD = "# Changelog\n\n## [Unreleased]\n{}\n## [0.9.0] - 2026-01-02\n\nOld.\n"


@pytest.fixture
def next_clone(clone):
    """A clone of version 0.9.0, tagged, with something to release; whoever commits is known to git there."""
    shutil.copy(ROOT / ".ci" / "tag", clone / ".ci" / "tag")
    for name, value in (("user.name", "a"), ("user.email", "a@b")):
        git(clone, "config", name, value)
    (clone / "pytest_mlpstorage/__init__.py").write_text('"""Code."""\n\n__version__ = "0.9.0"\n')
    (clone / "CHANGELOG.md").write_text(TOLD.format("\n### Added\n\n- A thing.\n"))
    commit(clone)
    git(clone, "tag", "v0.9.0")
    git(clone, "tag", "nightly")
    return clone


def tag(clone, *arguments):
    before = git(clone, "rev-parse", "HEAD").stdout, git(clone, "tag").stdout
    done = subprocess.run([sys.executable, ".ci/tag", *arguments], cwd=clone, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert (git(clone, "rev-parse", "HEAD").stdout, git(clone, "tag").stdout) == before
    return done.returncode, done.stderr or done.stdout


@pytest.mark.parametrize("version", ["0.10.0", "0.9.1", "1.0.0"])
def test_a_tag_says_the_version_of_code_and_changelog(next_clone, version):
    code, said = tag(next_clone, f"v{version}")
    assert code == 0, said
    assert said.endswith(f"next: .ci/release v{version}\n")
    assert (next_clone / "pytest_mlpstorage/__init__.py").read_text() == f'"""Code."""\n\n__version__ = "{version}"\n'
    told = (next_clone / "CHANGELOG.md").read_text()
    assert re.fullmatch(
        rf"# Changelog\n\n## \[Unreleased\]\n\n## \[{version}\] - \d{{4}}-\d\d-\d\d\n\n### Added\n\n- A thing.\n\n## \[0.9.0\] - 2026-01-02\n\nOld.\n",
        told,
    )
    assert git(next_clone, "tag", "--points-at", "HEAD").stdout.split() == [f"v{version}"]
    assert git(next_clone, "status", "--porcelain").stdout == ""
    # What builds what is published takes it.
    (next_clone / "dist").mkdir()
    (next_clone / "dist" / "old").write_text("")
    assert release(next_clone, f"v{version}") == (1, f"{next_clone / 'dist'} is not empty\n")


def test_what_it_says_undoes_a_version_and_no_commit_of_anybody_else(next_clone):
    before = git(next_clone, "rev-parse", "HEAD").stdout
    for told in (None, TOLD.format("")):
        if told is not None:
            (next_clone / "CHANGELOG.md").write_text(told.replace("[0.9.0]", "[0.10.0]"))
            (next_clone / "pytest_mlpstorage/__init__.py").write_text('__version__ = "0.10.0"\n')
            commit(next_clone)
            before = git(next_clone, "rev-parse", "HEAD").stdout
        _, said = tag(next_clone, "v0.10.0")
        undo = re.search("; undone by: (.*?); next", said)[1]
        assert subprocess.run(undo, shell=True, cwd=next_clone, capture_output=True).returncode == 0
        assert git(next_clone, "rev-parse", "HEAD").stdout == before
        assert "v0.10.0" not in git(next_clone, "tag").stdout.split()
        assert git(next_clone, "status", "--porcelain").stdout == ""


def test_a_clone_without_branch_or_history_makes_no_version(next_clone, tmp_path):
    git(next_clone, "checkout", "--quiet", "--detach")
    assert tag(next_clone, "v0.10.0") == (1, "no branch is checked out, and the commit of a version would be on none: git switch one\n")
    git(next_clone, "checkout", "--quiet", "-b", "main2")
    (next_clone / "more").write_text("")
    commit(next_clone)
    git(tmp_path, "clone", "--quiet", "--depth", "1", next_clone.as_uri(), "shallow")
    code, said = tag(tmp_path / "shallow", "v0.8.0")
    assert (code, "git fetch --unshallow --tags" in said) == (1, True), said


def test_what_says_a_version_already_is_only_tagged(next_clone):
    (next_clone / "CHANGELOG.md").write_text(TOLD.format(""))
    commit(next_clone)
    git(next_clone, "tag", "-d", "v0.9.0")
    here = git(next_clone, "rev-parse", "HEAD").stdout
    assert tag(next_clone, "v0.9.0")[0] == 0
    assert git(next_clone, "rev-parse", "v0.9.0^{commit}").stdout == git(next_clone, "rev-parse", "HEAD").stdout == here


@pytest.mark.parametrize(
    ("name", "told", "words"),
    [
        ("0.10.0", None, "0.10.0 is no version's tag; allowed: v0.2.0"),
        ("v0.010.0", None, "v0.010.0 is no version's tag"),
        ("v\u0660.10.0", None, "is no version's tag"),
        ("v0.10", None, "v0.10 is no version's tag"),
        ("v0.9.0", None, "v0.9.0 is not later than v0.9.0"),
        ("v0.8.7", None, "v0.8.7 is not later than v0.9.0"),
        ("v0.10.0", "", "CHANGELOG.md has nothing under ## [Unreleased]"),
        ("v0.10.0", "\nText.\n\n## [0.10.0] - 2026-01-03\n", "text under ## [Unreleased] beside the entry of 0.10.0"),
    ],
)
def test_a_tag_that_cannot_stand_changes_nothing(next_clone, name, told, words):
    if told is not None:
        (next_clone / "CHANGELOG.md").write_text(TOLD.format(told))
        commit(next_clone)
    code, said = tag(next_clone, name)
    assert (code, words in said) == (1, True), said
    assert git(next_clone, "status", "--porcelain").stdout == ""


def test_what_is_not_committed_is_named_and_no_version(next_clone):
    (next_clone / "new.py").write_text("")
    assert tag(next_clone, "v0.10.0") == (1, "commit or put away first what is changed here: new.py\n")


@pytest.mark.parametrize("hook", ["pre-commit", "reference-transaction"])
def test_a_clone_that_takes_no_commit_or_no_tag_is_left_as_it_was(next_clone, hook):
    refuses = '#!/bin/sh\ncase "$(cat)$0" in *refs/tags/v0.10.0*|*pre-commit) echo no, not here >&2; exit 1;; esac\n'
    path = next_clone / ".git" / "hooks" / hook
    path.parent.mkdir(exist_ok=True)
    path.write_text(refuses)
    path.chmod(0o755)
    code, said = tag(next_clone, "v0.10.0")
    assert (code, "no, not here" in said) == (1, True), said
    assert git(next_clone, "status", "--porcelain").stdout == ""


def test_an_interrupt_leaves_the_clone_as_it_was(next_clone):
    hook = next_clone / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nkill -INT $PPID $(ps -o ppid= -p $PPID); sleep 1; exit 1\n")
    hook.chmod(0o755)
    subprocess.run([sys.executable, ".ci/tag", "v0.10.0"], cwd=next_clone, capture_output=True)
    assert git(next_clone, "status", "--porcelain").stdout == ""
    assert "v0.10.0" not in git(next_clone, "tag").stdout.split()


def test_code_with_two_versions_is_refused(next_clone):
    (next_clone / "pytest_mlpstorage/__init__.py").write_text('__version__ = "0.9.0"\n__version__ = "0.9.1"\n')
    commit(next_clone)
    code, said = tag(next_clone, "v0.10.0")
    assert (code, "has not one line" in said) == (1, True)
