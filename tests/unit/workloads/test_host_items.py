"""An item of a host tells all that is wrong with it; what needs it waits with that reason, and nothing is told twice."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import checkpointing_cases
import pytest

from pytest_mlpstorage.cluster.facts import ClusterFacts
from pytest_mlpstorage.cluster.host_probe import probe_host
from pytest_mlpstorage.cluster.survey import Survey
from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.items import BenchmarkItem
from pytest_mlpstorage.report import records
from pytest_mlpstorage.workloads import checkpointing_preflight

TWO_CASES = "model: llama3-8b, accelerator: b200, accelerators: 2, " + checkpointing_cases.TINY
SILENT = "ssh cannot reach h1: the host refuses the connection"


@pytest.fixture(autouse=True)
def no_mpi(monkeypatch):
    monkeypatch.setattr(checkpointing_preflight, "mpi_findings", lambda *_: iter(()))


def session_of(tmp_path, *assignments, silent=None, broken=(), division="whatif", **fields):
    """A session of one case on h0 and h1, of which some are silent, or cannot write their results (``broken``)."""
    content = checkpointing_cases.text(TWO_CASES, division=division, hosts="h0, h1")
    made = checkpointing_cases.session_of(tmp_path, content, *assignments, hosts=(256, 256), **fields)
    paths = [*made.config.storage_dirs, made.config.results_dir]
    hosts, silent = made._cluster.hosts, silent or {}
    probe = probe_host(paths, write=False)
    bad = dataclasses.replace(probe, paths=tuple(dataclasses.replace(path, problem="it is read-only") for path in probe.paths))
    facts = tuple(dataclasses.replace(host, declared=host.name, interfaces=()) for host in hosts if host.name not in silent)
    probes = {host.name: bad if host.name in broken else probe for host in facts}
    cluster = ClusterFacts(facts, "test", unreachable=silent)
    made._survey = Survey(("h0", "h1"), cluster, probes, here=False, tried=True)
    made._cluster = None if silent else cluster
    return made


@dataclasses.dataclass
class Ended:
    outcome: str
    text: str
    lines: list
    facts: object


def run(session, work):
    """How an item ends, its message, its lines and what it told the reports."""
    node, lines = SimpleNamespace(user_properties=[], config=SimpleNamespace(get_verbosity=lambda: 0)), []
    item = BenchmarkItem(session, node, None, lines.append)
    outcome, text = "passed", ""
    try:
        work(item)
    except pytest.fail.Exception as error:
        outcome, text = "failed", str(error)
    except pytest.skip.Exception as error:
        outcome, text = "skipped", str(error)
    return Ended(outcome, text, lines, records.facts(node.user_properties))


def host(session, name):
    return run(session, lambda item: item.host(name))


def phase(session, name="preflight"):
    (case,) = session.cases("checkpointing")
    return run(session, lambda item: item.preflight(case) if name == "preflight" else item.step(case, name))


def test_a_sound_host_passes_and_says_what_it_is(tmp_path):
    session = session_of(tmp_path)
    ended = host(session, "h1")
    assert (ended.outcome, ended.facts.findings) == ("passed", ())
    (line,) = ended.lines
    assert line.startswith("h1: ")
    assert "256.00 GiB of memory, kernel " in line
    assert (host(session, "h0").outcome, phase(session).outcome) == ("passed", "passed")


def test_a_silent_host_fails_alone_and_everything_waits_for_it(tmp_path):
    session = session_of(tmp_path, silent={"h1": SILENT})
    assert host(session, "h0").outcome == "passed"
    ended = host(session, "h1")
    assert (ended.outcome, ended.text) == ("failed", f"[MLPS-HOST-1] h1 cannot be asked: {SILENT}; in cluster.hosts")
    assert (ended.facts.rule, ended.facts.result) == ("MLPS-HOST-1", "h1")
    for name in ("preflight", "both"):
        ended = phase(session, name)
        assert (ended.outcome, ended.text) == ("skipped", f"host h1 failed: h1 cannot be asked: {SILENT}")


def test_where_the_items_of_hosts_are_not_selected_a_silent_host_fails_the_preflight(tmp_path):
    ended = phase(session_of(tmp_path, silent={"h1": SILENT}))
    assert (ended.outcome, "1 of 2 hosts cannot be asked: h1" in ended.text, SILENT in ended.text) == ("failed", True, True)


def test_all_that_a_host_lacks_is_told_at_once_with_the_case_that_needs_it(tmp_path):
    session = session_of(tmp_path, broken=("h1",), available=0.01)
    ended = host(session, "h1")
    assert ended.outcome == "failed"
    told = ended.text.splitlines()
    assert [line.partition("]")[0] for line in told] == ["[MLPS-PATH-4", "[MLPS-PATH-4", "[MLPS-MEMORY-1"]
    assert all(line.endswith(" (for llama3-8b-b200)") for line in told)


def test_a_preflight_tells_what_else_is_wrong_nothing_twice_and_waits(tmp_path):
    session = session_of(tmp_path, available=0.01)
    assert [host(session, name).outcome for name in ("h0", "h1")] == ["failed", "failed"]
    ended = phase(session)
    assert (ended.outcome, ended.text.startswith("host h0 failed: h0 has too little free memory")) == ("skipped", True)
    assert "MLPS-MEMORY-1" not in [finding.rule for finding in ended.facts.findings]
    assert "4.3.1" in [finding.rule for finding in ended.facts.findings]
    ended = phase(session, "both")
    assert (ended.outcome, ended.text.startswith("host h0 failed")) == ("skipped", True)


def test_a_preflight_that_fails_itself_hides_no_host(tmp_path):
    session = session_of(tmp_path, broken=("h1",), fstype="tmpfs")
    host(session, "h1")
    ended = phase(session)
    assert (ended.outcome, "[MLPS-PATH-1]" in ended.text) == ("failed", True)
    assert phase(session, "both").text.startswith("host h1 failed: ")


def test_without_its_item_a_host_is_told_by_the_preflight(tmp_path):
    session = session_of(tmp_path, broken=("h1",))
    assert host(session, "h0").outcome == "passed"
    ended = phase(session)
    assert ended.outcome == "failed"
    assert ended.text.splitlines() == [line for line in ended.text.splitlines() if " on h1: it is read-only" in line] != []
    assert phase(session, "both").text == "preflight of llama3-8b-b200 failed"


def test_a_dry_run_tells_all_and_shows_the_rest(tmp_path):
    session = session_of(tmp_path, broken=("h1",))
    session.dry_run = True
    session._launcher = None
    assert host(session, "h1").outcome == "failed"
    assert phase(session).outcome == "passed"


def test_warnings_are_shown_and_fail_only_where_they_are_to(tmp_path):
    for strict in (False, True):
        session = session_of(tmp_path)
        session.strict = strict
        cluster = session._survey.cluster
        late = dataclasses.replace(cluster.hosts[1], clock_offset_seconds=9.0, clock_uncertainty_seconds=0.0)
        session._survey = dataclasses.replace(session._survey, cluster=dataclasses.replace(cluster, hosts=(cluster.hosts[0], late)))
        ended = host(session, "h1")
        assert ended.outcome == ("failed" if strict else "passed")
        assert any("h1: warning: [MLPS-HOSTS-1] the clock" in line for line in ended.lines)
        assert session.hosts.in_the_way(session.cases("checkpointing")[0]).startswith("host h1 failed") is strict


def test_hosts_that_do_not_answer_together_fail_all(tmp_path):
    session = session_of(tmp_path)
    session._survey = dataclasses.replace(session._survey, apart=MPIError("deadline of 2 min 00 s"))
    session._cluster = None
    assert "h0 answers alone, and not together with the other hosts: deadline" in host(session, "h0").text
    assert phase(session).text.startswith("host h0 failed: h0 answers alone")


def test_where_nobody_can_be_asked_the_item_says_why_without_a_traceback(tmp_path, monkeypatch):
    session = session_of(tmp_path)
    session._survey = None
    monkeypatch.setattr(session, "launcher", lambda: (_ for _ in ()).throw(MPIError("no MPI launcher was found", suggestion="install one")))
    assert host(session, "h0").text == "[MLPS-E300] no MPI launcher was found\n  next: install one"


def test_placeholders_without_which_no_host_can_be_asked_are_named(tmp_path):
    session = session_of(tmp_path, "data_dir=<storage>", "submitter=<you>", division="closed")
    session._survey = None
    ended = host(session, "h0")
    assert (ended.outcome, "data_dir = <storage>" in ended.text, "submitter" in ended.text) == ("failed", True, False)


def test_only_selected_cases_count(tmp_path):
    session = session_of(tmp_path, available=0.01)
    (case,) = session.cases("checkpointing")
    other = dataclasses.replace(case, id="another")
    session.hosts.select([case, case])
    assert [len(session.hosts._cases()), session.hosts.names] == [1, ("h0", "h1")]
    session.hosts.select([])
    assert session.hosts._cases() == (case,)
    assert host(session, "h0").outcome == "failed"
    assert session.hosts.in_the_way(case)
    assert not any(fault.concerns(other) for fault in session.hosts.faults("h0"))
