"""What sdist and wheel hold, built here by the build backend itself, and what their metadata say."""

from __future__ import annotations

import email.policy
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

import pytest_mlpstorage

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

pytest.importorskip("hatchling", reason="the build backend is not installed: pip install -r pytest_mlpstorage/dlio/locks/build.txt")

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
SUITES = {"benchmarks": "suites/benchmarks", "rules": "suites/rules", "configs": "suites/configs"}


def built(source, folder, kind):
    """Build one distribution of a source folder as a pip without build isolation does."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The sdist, unpacked."""
    path = built(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")
    shutil.unpack_archive(path, path.parent / "unpacked", filter="data")
    (folder,) = (path.parent / "unpacked").iterdir()
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Content of the wheel that the checkout gives, by name."""
    return content(built(ROOT, tmp_path_factory.mktemp("wheel"), "wheel"))


def content(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel):
    (name,) = (name for name in wheel if name.endswith(".dist-info/METADATA"))
    return BytesParser(policy=email.policy.compat32).parsebytes(wheel[name])


def sources():
    """Files of the package and of the suites in this checkout, as they are named in a wheel."""
    named = {"pytest_mlpstorage": "", **{folder: f"{place}/" for folder, place in SUITES.items()}}
    for folder, place in named.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"pytest_mlpstorage/{place}{path.relative_to(ROOT / folder).as_posix()}"


def test_the_wheel_holds_the_package_the_suites_and_nothing_else(wheel):
    of_package = {name for name in wheel if ".dist-info/" not in name}
    assert of_package == set(sources())
    assert {name.split("/")[1] for name in wheel if ".dist-info/" in name} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses",
    }


@pytest.mark.parametrize(
    "name",
    ["py.typed", "error_codes.yaml", "editions/v3.0.yaml", "rules/catalogue/v3.0.yaml", "suites/configs/quick.yaml", "suites/configs/schema.json",
     "suites/rules/test_other.py", "suites/benchmarks/test_training.py", "dlio/locks/build.txt"],
)  # fmt: skip
def test_what_an_installed_package_cannot_do_without_is_in_the_wheel(wheel, name):
    assert f"pytest_mlpstorage/{name}" in wheel


def test_the_sdist_gives_the_wheel_that_the_checkout_gives(sdist, wheel, tmp_path):
    assert content(built(sdist, tmp_path, "wheel")) == wheel


def test_the_sdist_holds_what_is_listed_and_neither_tests_nor_leftovers(sdist):
    held = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    assert {name.partition("/")[0] for name in held} == {
        ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "PKG-INFO", "README.md", "benchmarks", "configs", "conftest.py", "docs",
        "pyproject.toml", "pytest_mlpstorage", "rules",
    }  # fmt: skip
    assert [name for name in held if name.endswith((".pyc", ".pyo")) or "__pycache__" in name] == []


def test_the_metadata_say_what_the_project_says(wheel):
    said = metadata(wheel)
    assert (said["Name"], said["Version"]) == ("pytest-mlpstorage", pytest_mlpstorage.__version__)
    assert (said["License-Expression"], said["License-File"], said["Requires-Python"]) == ("Apache-2.0", "LICENSE", ">=3.10")
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload(decode=True).decode() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert said.get_all("Provides-Extra") == sorted(EXTRAS)
    assert set(said.get_all("Classifier")) == set(PROJECT["classifiers"])
    assert "pytest" in said["Keywords"].split(",")


def test_each_python_that_is_claimed_has_locks_and_each_lock_is_claimed():
    claimed = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)}
    locked = {f"3.{path.stem.removeprefix('dlio-py3')}" for path in (ROOT / "pytest_mlpstorage/dlio/locks").glob("dlio-py*.txt")}
    assert claimed == locked


def test_all_is_every_extra_that_a_user_may_want():
    (everything,) = EXTRAS["all"]
    assert set(re.fullmatch(r"pytest-mlpstorage\[(.*)\]", everything)[1].split(",")) == set(EXTRAS) - {"all", "test", "docs"}


def test_each_extra_has_its_line_in_the_docs():
    lines = (ROOT / "docs/how-to/install.md").read_text(encoding="utf-8").splitlines()
    told = {match[1] for line in lines if (match := re.match(r"\| `\[(\w+)\]` \|", line))}
    assert told == set(EXTRAS)


def commands():
    """Every command in a message of the package that names an extra: the extra, and what is named instead of it."""
    pattern = re.compile(r"""-m pip install \\?'pytest-mlpstorage\[(\w+)\]\\?'(?: \(or: python -m pip install ([^)]*)\))?""")
    for path in (ROOT / "pytest_mlpstorage").rglob("*.py"):
        yield from ((path.name, *match) for match in pattern.findall(path.read_text(encoding="utf-8")))


def test_each_message_names_an_extra_that_brings_what_it_says():
    found = list(commands())
    assert {extra for _, extra, _ in found} == set(EXTRAS) - {"all", "completion", "docs", "test"}
    for file, extra, instead in found:
        wanted = {re.split(r"[><=\[]", name)[0] for name in re.findall(r"[\w-]+[^\s']*", instead)}
        brought = {re.split(r"[><=\[;]", line)[0].strip() for line in EXTRAS[extra]}
        assert wanted <= brought, f"{file}: {instead} is not what [{extra}] brings"
