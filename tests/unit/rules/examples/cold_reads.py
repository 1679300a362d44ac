"""Training results with a record of the page cache, for the rule that reads come from the storage."""

import dataclasses

from training_tree import TrainingTree

from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache, PageCacheRecord, write_page_cache
from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult

HOST = HostPageCache("n1", "cachestat", "fadvise", 28_000, 500, 1_000_000, 400_000, 0, 0.5, filesystem="xfs", files_dropped=28_000)
RECORD = PageCacheRecord(
    "run",
    True,
    hosts=(HOST, dataclasses.replace(HOST, host="n2")),
    counters=(HostIoSince("n1", "diskstats sda", 5_000_000, 60.0), HostIoSince("n2", "diskstats sda", 5_000_000, 60.0)),
    asked_bytes=10_000_000,
    rank_read_bytes=10_000_000,
)


def write(root, **arguments):
    """A valid tree whose runs have the record; ``warm`` changes it."""
    tree = TrainingTree.write(root, **arguments)
    record(tree)
    return tree


def record(tree, **changes):
    for run in tree.runs:
        write_page_cache(run, dataclasses.replace(RECORD, **changes))


def host(tree, **changes):
    record(tree, hosts=(HOST, dataclasses.replace(HOST, **{"host": "n2", **changes})))


def delivered(tree, device, ranks, asked=10_000_000):
    record(tree, counters=(HostIoSince("n1", "diskstats sda", device, 60.0),), rank_read_bytes=ranks, asked_bytes=asked)


def without(tree):
    """Runs of another tool, which makes no such record."""
    tree.edit_metadata(lambda m: m.pop("mlps", None))
    for run in tree.runs:
        (run / "page_cache.json").unlink()


PASSING = {
    "MLPS-COLD-1": [
        record,
        without,
        lambda t: host(t, resident_bytes_after=10_000),
        lambda t: host(t, resident_bytes_before=1_000_000, drop_method="none"),
        lambda t: delivered(t, 8_000_000, 0),
        lambda t: delivered(t, 0, 8_000_000),
        lambda t: delivered(t, None, 8_000_000),
        lambda t: delivered(t, 50_000_000, None),
    ]
}

FAILING = {
    "MLPS-COLD-1": [
        (lambda t: host(t, resident_bytes_after=10_001), "10001 of 1000000 bytes (1.0%) of 500 sampled files on 1 of 2 host(s)"),
        (lambda t: host(t, resident_bytes_after=1_000_000), "1000000 of 1000000 bytes (100.0%)"),
        (lambda t: host(t, resident_bytes_after=10_001), "required at most 1%"),
        (lambda t: host(t, resident_bytes_after=10_001), "page_cache.json:resident_bytes_after (×6)"),
        (lambda t: record(t, drop=False, hosts=(dataclasses.replace(HOST, resident_bytes_after=20_000),)), "switched off"),
        (lambda t: delivered(t, 7_999_999, 7_999_999), "measured 7999999 bytes by diskstats sda, 7999999 by the counters of the ranks"),
        (lambda t: delivered(t, 0, None), "measured 0 bytes by diskstats sda; required at least 80% of 10000000"),
        (lambda t: delivered(t, 0, 0), "page_cache.json:device_read_bytes (×6)"),
    ]
}
