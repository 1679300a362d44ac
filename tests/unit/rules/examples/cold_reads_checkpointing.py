"""Checkpointing results with a record of the page cache before the read phase."""

import dataclasses

from checkpointing_tree import CheckpointingTree

from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache, PageCacheRecord, write_page_cache
from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult

HOST = HostPageCache("n1", "mincore", "drop_caches", 16, 16, 16 << 30, 9 << 30, 0, 2.0, filesystem="lustre")
RECORD = PageCacheRecord("read", True, (HOST,), (HostIoSince("n1", "lustre osc fs", 1 << 40, 60.0),), (), 1 << 40, 0)


def write(root, **arguments):
    """A valid tree whose runs have the record."""
    tree = CheckpointingTree.write(root, **arguments)
    record(tree)
    return tree


def record(tree, **changes):
    for run in tree.runs:
        write_page_cache(run, dataclasses.replace(RECORD, **changes))


PASSING = {
    "MLPS-COLD-1": [
        record,
        lambda t: [t.edit_metadata(lambda m: m.pop("mlps", None)), *((run / "page_cache.json").unlink() for run in t.runs)],
        lambda t: record(t, hosts=(dataclasses.replace(HOST, resident_bytes_after=(16 << 30) // 100),)),
    ]
}

FAILING = {
    "MLPS-COLD-1": [
        (lambda t: record(t, hosts=(dataclasses.replace(HOST, resident_bytes_after=9 << 30),)), "(56.2%) of 16 sampled files"),
        (lambda t: record(t, counters=(HostIoSince("n1", "lustre osc fs", 0, 60.0),)), "0 bytes by lustre osc fs, 0 by the counters"),
    ]
}
