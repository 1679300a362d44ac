"""A workload of another package, whole in one file: every rank writes one file and says how fast."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pytest_mlpstorage.config import FamilySchema, KeySpec, Origin, Setting
from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.verdict import Finding, judge
from pytest_mlpstorage.workloads.base import Case, Collected, Judged, Step


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    model: str
    ranks: int


@dataclasses.dataclass(frozen=True)
class Plan:
    case: Case
    config: object
    bytes_per_rank: int

    def leaf_parent(self, step):
        c = self.config
        return c.results_dir / c.division.value / c.submitter / "results" / c.system / "scribble" / self.case.model / "run"

    def lines(self):
        return [f"{self.case.id}: {self.case.item.own.ranks} ranks write {self.bytes_per_rank} bytes each"]

    def metadata(self, step, leaf):
        return LeafMetadata(benchmark_type="scribble", model=self.case.model, command="run", result_dir=str(leaf))

    def expected_seconds(self, step):
        return 5.0

    def bytes_to_read(self, step):
        return 0

    def bytes_to_write(self, step):
        return self.bytes_per_rank * self.case.item.own.ranks


@dataclasses.dataclass(frozen=True)
class Scribble:
    family: str = "scribble"

    def schema(self):
        keys = {"write.bytes": KeySpec(type="int", help="bytes a rank")}
        return FamilySchema(family="scribble", model=Section, official_keys=keys, item_model=Entry)

    def cases(self, config):
        items = config.families["scribble"].items
        return [Case("scribble", item.own.model, item.own.model, item, (Step("once", "run"),)) for item in items]

    def defaults(self, config):
        return []

    def settings(self, case, config):
        return [Setting("write.bytes", self._bytes(case), Origin("computed", "scribble"))]

    def _bytes(self, case):
        given = case.item.parameters.get("write.bytes")
        return given.value if given else 1000

    def plan(self, case, config, cluster):
        return Plan(case, config, self._bytes(case))

    def preflight(self, plan):
        if plan.bytes_per_rank > 10**6:
            yield Finding("too much to scribble", measured=plan.bytes_per_rank, required=10**6, rule="SCRIBBLE-1")

    def found(self, plan, step):
        there = sorted(plan.leaf_parent(step).glob("*"))
        return str(there[-1]) if there else None

    def job(self, plan, step, *, staged, scratch, write):
        program = (str(Path(__file__)), str(staged), str(plan.bytes_per_rank))
        return Job(ranks=plan.case.item.own.ranks, program=program, hosts=plan.config.cluster.hosts)

    def require(self, plan, step):
        pass

    def prepare(self, plan, step, *, run_id):
        return ()

    def collect(self, plan, step, *, staged, scratch, outcome):
        sizes = [p.stat().st_size for p in staged.glob("rank*.bin")]
        if sizes != [plan.bytes_per_rank] * plan.case.item.own.ranks:
            raise BenchmarkExecutionError(f"the ranks wrote {sizes}")
        return Collected({"bytes_written": float(sum(sizes))})

    def finish(self, plan, step, *, leaf, run_id, collected):
        pass

    def judge(self, plan):
        leaves = sorted(plan.leaf_parent(plan.case.steps[0]).glob("*"))
        if not leaves:
            return None
        metrics = json.loads(next(leaves[-1].glob("*_metadata.json")).read_text())["mlps"]["metrics"]
        verdict = judge(plan.config.division, (), rules_verified=1, rules_total=1)
        return Judged(leaves[-1].relative_to(plan.config.results_dir).as_posix(), verdict, metrics)

    def diagnose(self, stderr_tail):
        return None


WORKLOAD = Scribble()

if __name__ == "__main__":
    from mpi4py import MPI

    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    (folder / f"rank{MPI.COMM_WORLD.rank}.bin").write_bytes(b"x" * count)
