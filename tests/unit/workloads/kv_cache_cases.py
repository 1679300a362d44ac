"""KV cache configurations planned on pretend hosts, and passes whose ranks are pretended too: their files are those of small logs."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

import pretend_session

from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.rank_file import write_rank_file
from pytest_mlpstorage.launch.supervisor import Outcome
from pytest_mlpstorage.workloads import execute as execution
from pytest_mlpstorage.workloads import stamping
from pytest_mlpstorage.workloads.execute import Voice, execute
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD

sys.path.append(str(Path(__file__).parents[1] / "kvcache"))
from kv_ranks import rank_content, sound_evidence

CLOSED = "  options:\n    - option: 1\n    - option: 2\n    - option: 3\n"
SMALL = """  clients_per_host: 2
  trials: 2
  duration: 5s
  start_delay: 0s
  end_delay: 0s
  inter_option_delay: 0s
  num_users: 4
  options:
    - option: 1
    - option: 2
      cpu_mem: 256MiB
"""


def text(section, *, division="closed", hosts="", top=""):
    """A YAML with a section ``kvcache:``."""
    cluster = f"cluster:\n  hosts: [{hosts}]\n" if hosts else ""
    return f"division: {division}\nsubmitter: acme\nsystem: box\n{top}{cluster}kvcache:\n{section}"


def load(folder, content, *assignments):
    return pretend_session.load(WORKLOAD, folder, content, *assignments)


def session_of(folder, content, *assignments, **hosts):
    return pretend_session.session_of(WORKLOAD, folder, content, *assignments, **hosts)


def plan_of(folder, section=CLOSED, *assignments, division="closed", names="", top="", **hosts):
    """The plan of the only case."""
    made = session_of(folder, text(section, division=division, hosts=names, top=top), *assignments, **hosts)
    (case,) = made.cases("kvcache")
    return made.plan(case)


class Ranks:
    """Stands for the launch: every rank of the job leaves the file of a small pass, bent by ``change(job, rank, content)``.

    ``prove(job, rank, evidence)`` bends what proves it; where it returns False there is none.
    """

    def __init__(self, monkeypatch):
        self.jobs = []
        self.change = lambda _job, _rank, _content: None
        self.prove = lambda _job, _rank, _evidence: None
        self.lose = ()
        monkeypatch.setattr(execution, "run_job", self)
        # The image of the whole package takes a second; a module is code as well.
        monkeypatch.setattr(stamping, "running_code", lambda _workload: (Path(__file__),))

    def __call__(self, _launcher, job, *, stdout, stderr, run_id, **_options):
        asked = KVCacheJob.load(Path(job.program[-1]))
        self.jobs.append(asked)
        stdout.write_text(f"option {asked.option} trial {asked.trial}\n")
        stderr.write_text("")
        for rank in range(asked.processes):
            if rank in self.lose:
                continue
            content = json.loads(json.dumps(rank_content(rank, slower=0.25 * asked.trial)))
            self.change(asked, rank, content)
            block = content.pop("mlps")
            write_rank_file(asked.rank_file(rank), content, block)
            evidence = sound_evidence()
            if self.prove(asked, rank, evidence) is not False:
                asked.evidence_file(rank).write_text(json.dumps(evidence))
        now = dt.datetime.now().astimezone()
        return Outcome(0, None, 1.0, None, None, "", (), ("mpirun", "x"), run_id, (), now, now)


def do(plan, *names):
    """Carry out steps by name, all of them without one; returns what was done."""
    steps = [step for step in plan.case.steps if step.name in names or not names]
    return [execute(WORKLOAD, plan, step, config=plan.config, launcher=None, voice=Voice()) for step in steps]
