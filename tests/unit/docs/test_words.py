"""Options, keys, variables, modules and ids that a page names exist under that name."""

import importlib.util
import re

import pytest
from written import REPO, pages

from pytest_mlpstorage.config.environment import family_keys, variable_of
from pytest_mlpstorage.config.sources import suite_keys
from pytest_mlpstorage.error_codes import error_codes
from pytest_mlpstorage.options import add_options
from pytest_mlpstorage.reference.pages import pages as reference
from pytest_mlpstorage.results.cluster_facts import ClusterFacts
from pytest_mlpstorage.workloads.registry import load_workloads

PAGES = {str(page.relative_to(REPO)): page.read_text(encoding="utf-8") for page in pages()}
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in (REPO / "pytest_mlpstorage").rglob("*") if path.suffix in {".py", ".yaml"})
_SPAN = re.compile(r"`([^`\n]+)`")
_KEY = re.compile(r"((?:cluster|launch|training|checkpointing|kvcache|vectordb)(?:\.\w+)+)(?:: .*)?")

named = pytest.mark.parametrize("page", sorted(PAGES))


def keys():
    """Each key that the reference has, and the groups that they stand in."""
    rows = re.findall(r"^\| `([\w.\[\]]+)` \|", reference()["configuration.md"], re.MULTILINE)
    whole = [row.replace("[]", "") for row in rows]
    return {".".join(row.split(".")[:end]) for row in whole for end in range(1, row.count(".") + 2)}


KEYS = keys()


@pytest.fixture(scope="module")
def options():
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    return {name for option in parser.getgroup("mlpstorage").options for name in option.names()}


@named
def test_each_option_of_ours(page, options):
    assert set(re.findall(r"--(?:mlps-[a-z][a-z-]*[a-z]|results-dir)\b", PAGES[page])) - options == set()


@named
def test_each_key(page):
    found = {match[1] for span in _SPAN.findall(PAGES[page]) if (match := _KEY.fullmatch(span)) and not span.endswith((".py", ".yaml"))}
    attributes = {f"cluster.{name}" for name in dir(ClusterFacts)}  # of the fixture
    assert found - KEYS - attributes == set()


@named
def test_each_variable(page):
    known = {variable_of(key) for key in suite_keys()} | {
        variable_of(f"{family}.{key}") for family, workload in load_workloads().items() for key in family_keys(workload.schema())
    }
    found = {name for name in re.findall(r"\bMLPS_[A-Z][A-Z0-9_]*[A-Z0-9]\b", PAGES[page]) if name not in known}
    assert {name for name in found if f'"{name}"' not in SOURCES and name != "MLPS_PACKAGE"} == set()  # the last is one of the CI examples


@named
def test_each_module(page):
    found = set(re.findall(r"python3? -m (pytest_mlpstorage(?:\.\w+)*)", PAGES[page]))
    assert [name for name in found if importlib.util.find_spec(name) is None] == []


@named
def test_each_id_of_a_rule_or_an_error_of_ours(page):
    found = set(re.findall(r"\bMLPS-[A-Z]+-[A-Z0-9-]*\d\b|\bMLPS-E\d\d\d\b", PAGES[page]))
    assert [name for name in found if name not in SOURCES and name not in error_codes()] == []
