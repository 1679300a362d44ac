"""What a job of profile ``serving`` or ``replay`` may say, and the field that is named where it may not."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.serving_job import ServingJob, TraceJob

WRONG = {
    "an open load without a rate": ({"load": "open"}, "needs a rate"),
    "a closed load with a rate": ({"rate_per_second": 3}, "has no meaning"),
    "a trace without gaps": ({"load": "open", "trace": TraceJob("mooncake", "/t", speedup=0)}, "without gaps"),
    "a rate of a trace": ({"load": "open", "trace": TraceJob("mooncake", "/t"), "rate_per_second": 1}, "the arrivals of a trace"),
    "a load": ({"load": "flood"}, "load of"), "a layout": ({"layout": "extent"}, "layout of"), "an order": ({"order": "lfu"}, "order of"),
    "outstanding": ({"outstanding": 0}, "outstanding"), "requests": ({"requests": True}, "requests"),
    "chunk tokens": ({"chunk_tokens": 0}, "chunk_tokens"), "warm-up": ({"warmup_seconds": -1}, "warmup"),
    "rename": ({"rename": 1}, "rename"), "no trace": ({"trace": "t"}, "trace of"), "rate": ({"rate_per_second": 0, "load": "open"}, "rate"),
    "not finite": ({"rate_per_second": float("inf"), "load": "open"}, "finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_served_is_named(name):
    changes, words = WRONG[name]
    with pytest.raises(ConfigurationError, match=words):
        ServingJob(**changes)


@pytest.mark.parametrize(
    ("field", "value"), [("format", "azure"), ("path", ""), ("speedup", -1), ("passes", 0), ("speedup", float("nan")), ("passes", 1.5)]
)
def test_a_trace_that_cannot_be_is_named(field, value):
    with pytest.raises(ConfigurationError, match=f"trace.{field}"):
        TraceJob(**{"format": "mooncake", "path": "/t", field: value})


def test_the_profile_and_the_label_of_its_latencies_follow_from_the_load():
    trace = TraceJob("mooncake", "/t")
    jobs = [ServingJob(), ServingJob(load="open", rate_per_second=1), ServingJob(trace=trace), ServingJob(load="open", trace=trace)]
    assert [job.profile for job in jobs] == ["serving", "serving", "replay", "replay"]
    assert [job.latency_label for job in jobs] == ["service time, closed loop", "from the intended arrival"] * 2
