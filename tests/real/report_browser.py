"""A page of ours in headless Chromium: what a script that is added to a copy of it saw, and what the browser complained of."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["NAMES", "Seen", "look", "printed"]

NAMES = ("chromium", "chromium-browser", "google-chrome")

_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'\">"
)
"""Whatever the page asks for from anywhere is refused, and the refusal is a complaint on the console."""

_TOOLS = """
const every = (selector) => [...document.querySelectorAll(selector)]
const visible = (node) => node.getClientRects().length > 0
const shown = (selector) => every(selector).filter(visible)
const form = document.getElementById('mlps-filter')
const filter = (wanted) => {
  ['verdict', 'family', 'section', 'outcome', 'words'].forEach((name) => { form.elements[name].value = wanted[name] || '' })
  form.dispatchEvent(new Event('input', { bubbles: true }))
}
const cards = () => shown('.mlps-card[data-path]').map((card) => card.dataset.path)
const tests = () => shown('#results-table td.col-testId').map((cell) => cell.textContent)
const settled = () => new Promise((done) => setTimeout(done, 50))
"""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the script returned, lines on the console, and what was loaded besides the page itself."""

    value: Any
    console: tuple[str, ...]
    loaded: tuple[str, ...]


def look(page: Path, script: str, folder: Path, *, dark: bool = False, fragment: str = "", width: int = 1400) -> Seen:
    """Open a copy of the page, run the body of an async function in it, and give what it returned.

    ``every``, ``shown``, ``filter``, ``cards``, ``tests`` and ``settled`` are there for it. Raises FileNotFoundError without a browser.
    """
    ending = f"""<script>window.addEventListener('load', async () => {{{_TOOLS}
const seen = {{}}
try {{ seen.value = await (async () => {{{script}}})() }} catch (error) {{ seen.error = String(error) }}
seen.loaded = performance.getEntriesByType('resource').map((entry) => entry.name)
const told = document.createElement('pre')
told.id = 'mlps-seen'
told.textContent = JSON.stringify(seen)
document.body.appendChild(told)
}})</script></body>"""
    text = page.read_text(encoding="utf-8")
    assert text.count("</body>") == 1
    copy = folder / "copy.html"
    copy.write_text(text.replace("<head>", f"<head>{_POLICY}", 1).replace("</body>", ending), encoding="utf-8")
    options = [f"--window-size={width},2000", f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--enable-logging=stderr"]
    ended = _run(folder, [*options, "--dump-dom", f"file://{copy}{fragment}"])
    found = re.search(r'<pre id="mlps-seen">(.*?)</pre>', ended.stdout, re.DOTALL)
    assert found is not None, f"the script did not end: {ended.stderr[-2000:]}"
    seen = json.loads(html.unescape(found[1]))
    assert "error" not in seen, seen["error"]
    console = tuple(line for line in ended.stderr.splitlines() if ":CONSOLE" in line)
    return Seen(seen.get("value"), console, tuple(seen["loaded"]))


def printed(page: Path, folder: Path) -> Path:
    """The page as the browser prints it, a PDF. Raises FileNotFoundError without a browser."""
    made = folder / "page.pdf"
    _run(folder, ["--no-pdf-header-footer", f"--print-to-pdf={made}", f"file://{page}"])
    return made


def _run(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        raise FileNotFoundError(f"none of {', '.join(NAMES)} is on the PATH")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    options += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'browser'}", "--virtual-time-budget=20000"]
    return subprocess.run([browser, *options, *arguments], capture_output=True, text=True, timeout=180, check=True)
