"""Jobs of one rank that take seconds."""

from __future__ import annotations

import dataclasses
import json

from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.population import TEMPLATES, scaled_contexts
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig

SMALL = WorkloadConfig(templates=scaled_contexts(TEMPLATES, 16))


def a_job(folder, **changes):
    output = folder / "trial_0"
    output.mkdir(exist_ok=True)
    plain = KVCacheJob(
        1, 0, "tiny-1b", 3, str(folder / "cache"), str(output), "20261126_010203", duration_seconds=1.5, start_delay_seconds=0,
        end_delay_seconds=0, workload=SMALL,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


def result(job):
    return json.loads(job.rank_file(0).read_text())
