"""What a storage engineer reads: on a target of a known rate the report says that rate, and what the official formula makes of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from scaled_edition import copy_of_package
from small_suite import finish

from pytest_mlpstorage.kvcache.events import NEVER, read_events

pytestmark = [pytest.mark.real]

MIB, GIB = 1024**2, 1024**3
RATE, USERS, SECONDS, CLIENTS = 100 * MIB, 16, 20, 2
CONFIG = f"""division: whatif
submitter: test
system: slow
kvcache:
  clients_per_host: {CLIENTS}
  trials: 1
  duration: {SECONDS}s
  start_delay: 0s
  end_delay: 0s
  num_users: {USERS}
  workload_config: w.yaml
  options:
    - option: 1
"""
CONTEXTS = {"chatbot": (32, 256), "coding": (256, 1562), "document": (256, 1024)}
"""A sixteenth of the edition's."""

SLOW = f"""

class _SlowDisk:
    \"\"\"The real calls, each followed by the time that its bytes take on a disk of a known rate.\"\"\"

    def __init__(self, real):
        from pytest_mlpstorage.kvcache.rate_limit import TokenBucket

        self._real, self._bucket = real, TokenBucket({RATE // CLIENTS}, {MIB})

    def __getattr__(self, name):
        return getattr(self._real, name)

    def preadv(self, *asked):
        moved = self._real.preadv(*asked)
        self._bucket.pass_through(moved)
        return moved

    def pwritev(self, *asked):
        moved = self._real.pwritev(*asked)
        self._bucket.pass_through(moved)
        return moved


os = _SlowDisk(os)
"""


@pytest.fixture
def slow(suite):
    """The small suite with a copy of the package whose storage is no faster than ``RATE``; the real files are written and read."""
    environment = copy_of_package(suite.folder / "slow")
    target = suite.folder / "slow/pytest_mlpstorage/kvcache/io_threads.py"
    target.write_text(target.read_text() + SLOW)
    (suite.folder / "suite.yaml").write_text(CONFIG)
    templates = "".join(f"  {name}: {{context_range: [{least}, {most}]}}\n" for name, (least, most) in CONTEXTS.items())
    (suite.folder / "w.yaml").write_text(f"user_templates:\n{templates}")
    command = [sys.executable, "-m", "pytest", "slow/benchmarks", "--mlps-config=suite.yaml", "-p", "no:cacheprovider", "-v"]
    command += ["--html=report.html", "--junitxml=junit.xml"]
    process = subprocess.Popen(
        command, cwd=suite.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    ended = finish(process, 240)
    assert ended.code == 0, ended.text
    return suite, " ".join(ended.text.split())  # without the breaks at the width of a terminal


def said(text: str, words: str) -> float:
    """The figure that follows some words."""
    found = re.search(rf"{re.escape(words)} ([\d.]+)", text)
    assert found, (words, text)
    return float(found[1])


@pytest.mark.full
def test_the_report_of_a_storage_of_known_rate_says_it_and_what_the_official_formula_would_have_said(slow, record_property):
    suite, text = slow
    (leaf,) = suite.results.glob("whatif/test/results/slow/kv_cache/llama3.1-8b/run/2*")
    option = json.loads((leaf / "summary.json").read_text())["options"]["1"]
    block = option["mlps"]
    begun = []
    for log in leaf.glob("option_1/trial_0/rank_*/operations.log"):
        submitted = read_events(log)["t_submit"]
        begun.append(int(submitted[submitted > NEVER].min()) / 10**9)
    assert len(begun) == CLIENTS
    # Nobody asks for anything before the first user has thought.
    busy = SECONDS - sum(begun) / CLIENTS
    moved = sum(block[f"storage_{word}_bandwidth_window_gibps"] for word in ("read", "write")) * SECONDS * GIB
    true = (moved + block["write_not_durable_bytes"]) / busy
    told = (said(text, "True rate: read") + said(text, "GiB/s, write")) * SECONDS + said(text, "Besides,")
    official = said(text, "would have said read") + said(text.split("would have said", 1)[1], "write")
    factor = official * GIB / (moved / SECONDS)
    record_property("rates", f"limit {RATE / MIB:g}, true {true / MIB:.2f}, told {told * GIB / MIB / busy:.2f} MiB/s, factor {factor:.2f}")
    assert true == pytest.approx(RATE, rel=0.02)
    assert told * GIB / busy == pytest.approx(RATE, rel=0.02)
    assert factor > 1.5
    assert official == pytest.approx(option["aggregated_read_bandwidth_gbps"] + option["aggregated_write_bandwidth_gbps"], rel=0.01)
    for word in ("read", "write"):
        assert (
            f"{word} {option[f'aggregated_{word}_bandwidth_gbps']:.3g} GiB/s ({block[f'official_over_window_{word}']:.2f} × the true"
            in text
        )
    assert "it counts work that ended after the window" in text
    # Every second of it is as fast as the limit, within what one chunk of each client is off.
    for series in zip(*(block["series_1s"][0][word]["bytes"] for word in ("read", "write")), strict=True):
        assert sum(series) < 1.1 * RATE

    page = (suite.folder / "report.html").read_text()
    assert page.index("True rate: read") < page.index("<svg role=")
    assert page.count("<svg role=") == 3  # rates and times of the option, and the pass over time
    assert f"{leaf.relative_to(suite.results)}/option_1/trial_0" in page
    assert ".mlps/series" not in text + page[page.index("<h2>Runs</h2>") : page.index("results-table-head")], "that is where it waited"
    properties = {p.get("name"): p.get("value") for p in ElementTree.parse(suite.folder / "junit.xml").iter("property")}  # noqa: S314
    metrics = json.loads(properties["mlps_judgement"])["metrics"]
    assert metrics["option 1 official_over_window_read"] == block["official_over_window_read"]
    assert metrics["option 1 read_gib_per_second"] == block["storage_read_bandwidth_window_gibps"]
    assert "(official × " in properties["mlps_measured"]
