"""The pages as Sphinx builds them: without a warning, and without anything that would be asked of a network."""

import html.parser
import re
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import pytest
from written import REPO

pytestmark = pytest.mark.full


class Page(html.parser.HTMLParser):
    """What a browser loads with a page, where its links lead, and the places that links may name."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in {"stylesheet", "preload", "icon", "shortcut icon"}:
            self.loads.append(given["href"])
        elif tag in {"script", "img", "iframe", "source", "video", "audio"} and given.get("src"):
            self.loads.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for module in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(module, reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "docs", str(folder)]
    built = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}, folder


def test_each_page_of_the_docs_is_a_page_of_the_site(site):
    made, folder = site
    wanted = {str(path.relative_to(REPO / "docs").with_suffix(".html")) for path in (REPO / "docs").rglob("*.md")}
    assert wanted <= {str(path.relative_to(folder)) for path in made}


def test_a_page_loads_nothing_from_elsewhere(site):
    made, folder = site
    assert {load for page in made.values() for load in page.loads if urlsplit(load).netloc} == set()
    styles = [path.read_text(encoding="utf-8") for path in folder.rglob("*.css")]
    assert {found for text in styles for found in re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\s\"')]+", text)} == set()
    assert [str(path) for path, page in made.items() for load in page.loads if not (path.parent / urlsplit(load).path).is_file()] == []


def test_a_link_leads_to_a_page_and_a_place_in_it(site):
    made, _ = site
    lost = []
    for path, page in made.items():
        for link in page.links:
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not parts.netloc and (not target.is_file() or (place and place not in made[target].ids)):
                lost.append(f"{path.name}: {link}")
    assert lost == []
