"""One version: that of the code is that of the changelog, of the tag and of what is installed."""

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
