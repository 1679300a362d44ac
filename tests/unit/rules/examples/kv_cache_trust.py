"""Trees for the rule on what the clients of a KV cache run recorded of themselves: the valid tree with sound records, changed in one place."""

import json

from kv_cache_tree import KVCacheTree

from pytest_mlpstorage.results.records import KVCacheResult

SUBJECT = KVCacheResult

SOUND = {"target": {"storage": "storage"}, "direct": {"direct": "proved"}, "window_overlap": 1.0, "notes": []}
WARM = "93.0% of what was read lay in this host's memory before it was read: those reads were not of storage"
UNPROVED = "that the page cache was bypassed is not proved: /proc/self/io may not count what beegfs moves"
RECORDS = "of 36 records of clients"


def write(root, *, division="closed", engine="native"):
    """A result of ours: each client's record of itself beside its file."""
    tree = KVCacheTree.write(root, division=division, mlps={"engine": {"name": engine}})
    for folder in tree.leaf.glob("option_*/trial_*/rank_*"):
        (folder / "evidence.json").write_text(json.dumps(SOUND))
    return tree


def record(tree, option=1, trial=0, rank=0):
    return tree.leaf / f"option_{option}" / f"trial_{trial}" / f"rank_{rank}" / "evidence.json"


def valid(tree):
    """Leave the tree as it is."""


def says(*notes, places=((1, 0, 0),), **more):
    """Have some clients record notes, as (check, level, message), and other facts."""

    def bend(tree):
        for place in places:
            told = [{"check": check, "level": level, "message": message} for check, level, message in notes]
            record(tree, *place).write_text(json.dumps({**SOUND, "notes": told, **more}))

    return bend


def foreign(tree):
    """A run of another tool: no record of any client, and nothing of ours in the metadata."""
    tree.edit_metadata(lambda m: m.pop("mlps"))
    for path in tree.leaf.rglob("evidence.json"):
        path.unlink()


PASSING = {
    "MLPS-TRUST-1": [
        valid,
        foreign,
        says(
            ("kernel_bytes", "info", "this rank says nothing of storage: nothing was asked of the storage"), direct={"direct": "unproved"}
        ),
        says(direct={"direct": "refuted"}),
        says(direct=None, target=[], window_overlap="1"),
    ],
}

FAILING = {
    "MLPS-TRUST-1": [
        (says(("residency", "error", WARM)), f"[MLPS-TRUST-1] {WARM}; measured 1 {RECORDS}; in closed/acme/results/fastfs/kv_cache"),
        (says(("residency", "error", WARM)), "option_1/trial_0/rank_0/evidence.json:notes"),
        (says(("residency", "error", WARM), places=[(2, 1, 3), (3, 0, 1)]), f"measured 2 {RECORDS}"),
        (says(("residency", "error", WARM), places=[(2, 1, 3), (3, 0, 1)]), "option_2/trial_1/rank_3/evidence.json"),
        (says(("interposers", "warning", "/x.so answers fsync in place of the C library")), "/x.so answers fsync"),
        (says(("kernel_bytes", "warning", UNPROVED), direct={"direct": "unproved"}), UNPROVED),
        (says(target={"storage": "memory"}), "the cache lay in memory: nothing here was measured of storage"),
        (
            says(("memory", "warning", "/dev/shm is tmpfs"), ("kernel_bytes", "warning", UNPROVED), direct={"direct": "unproved"}),
            "/dev/shm is tmpfs",
        ),
    ],
}
