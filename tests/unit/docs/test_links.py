"""What the pages link is there, and the README is as short as a first look wants it."""

import re
from urllib.parse import unquote

import pytest
from written import REPO, pages

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def links(path):
    return [unquote(found) for found in _LINK.findall(_CODE.sub("", path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(REPO)))
def test_each_link_of_a_page_is_to_something_in_the_clone(page):
    """There is no link to the network: the pages are read where there is none."""
    targets = [(link, page.parent / link.partition("#")[0]) for link in links(page)]
    assert [link for link, target in targets if not target.exists() or not target.resolve().is_relative_to(REPO)] == []
    headings = {target: _anchors(target) for link, target in targets if "#" in link}
    assert [link for link, target in targets if "#" in link and link.partition("#")[2] not in headings[target]] == []


def _anchors(path):
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_each_page_of_the_docs_is_in_the_table_of_contents_or_an_error_code():
    docs = REPO / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    listed = {
        line.strip() for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", index, re.DOTALL | re.MULTILINE) for line in block.splitlines()
    }
    there = {str(path.relative_to(docs).with_suffix("")) for path in docs.rglob("*.md")}
    assert {name for name in there - listed if not re.fullmatch(r"errors/MLPS-E\d+", name)} == {"index"}
    assert {name for name in listed if name and not name.startswith(":")} <= there


def test_the_readme_fits_on_some_screens_and_shows_a_picture_that_is_small():
    readme = REPO / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 150
    pictures = [link for link in links(readme) if link.endswith(".png")]
    assert pictures == ["docs/images/report.png"]
    content = (REPO / pictures[0]).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) <= 300_000


def test_the_readme_has_what_a_newcomer_looks_for_in_its_order():
    text = (REPO / "README.md").read_text(encoding="utf-8")
    marks = [
        "# pytest-mlpstorage",
        "```text",
        "```bash",
        "bootstrap quick",
        "bootstrap test",
        "passed in",
        "report.png",
        "## On a laptop",
        "## On a cluster",
        "## In CI",
        "## What is checked",
        "## Where to go on",
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    for title in ("On a laptop", "On a cluster", "In CI"):
        block = text[text.index(f"## {title}") :].split("```")[1]
        assert len(block.strip().splitlines()) == 4, title  # the language, and three lines
