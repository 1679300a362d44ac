"""One change for every rule that is asked of what stands around the results, and leaves and files that change their places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from submission_changes import (
    GENERATED,
    MANIFEST,
    METADATA,
    POOL,
    RESULTS,
    RUN,
    SUBMISSION,
    TABLE,
    TRAINING,
    Mutation,
    added,
    appended,
    called,
    change,
    described,
    exchanged,
    field,
    gone,
    replaced,
    text,
)
from submission_mutations import CHECKPOINTING_CHANGES, TRAINING_CHANGES
from submission_mutations_kv_cache import KV_CACHE_CHANGES

from pytest_mlpstorage.editions import edition

__all__ = ["ACCEPTED", "MOVES", "MUTATIONS"]

AROUND_CHANGES: Final[Mapping[tuple[str, str], Mutation]] = {
    # system description
    ("system", "MLPS-DRAFT-1"): change(
        "a field is still to be filled in", described("solution", "friendly_description", to="<fill in: a text>")
    ),
    ("system", "SYS-01"): change("there is a field that the schema does not have", described("color", to="blue")),
    ("system", "SYS-02"): change("the solution is not described", described("solution", "friendly_description", to="")),
    ("system", "SYS-03"): change(
        "the storage is at no known place", described("solution", "architecture", "storage_location", to="nearby")
    ),
    ("system", "SYS-04"): change(
        "only one of software and installation applies", described("solution", "architecture", "client_installation", to="n/a")
    ),
    ("system", "SYS-05"): change("whether several hosts may use it is not said", described("solution", "capabilities", "multi_host")),
    ("system", "SYS-06"): change("a remap takes time", described("solution", "capabilities", "remap_time_in_seconds", to=30)),
    ("system", "SYS-07"): change("there is no capacity", described("solution", "usable_capacity_tib", to=-1)),
    ("system", "SYS-08"): change("it can be had at no known time", described("solution", "availability", to="some day")),
    ("system", "SYS-09"): change("it is deployed nowhere", described("deployment", to="somewhere")),
    ("system", "SYS-10"): change("a node on premises has no rack units", described("product_nodes", 0, "chassis", "rack_units")),
    ("system", "SYS-11"): change("what has racks is in a cloud", described("deployment", to="cloud")),
    ("system", "SYS-12"): change("a rack unit too many", described("total_rack_units", to=lambda units: units + 1)),
    ("system", "SYS-13"): change(
        "two supplies must be active of one", described("clients", 0, "chassis", "power", "min_psus_active", to=2)
    ),
    ("system", "SYS-14"): change("a client has no network", described("clients", 0, "networking")),
    ("system", "SYS-15"): change(
        "storage in the clients has switches", described("solution", "architecture", "storage_location", to="local")
    ),
    ("system", "SYS-16"): change("remote storage has no node", described("product_nodes")),
    ("system", "SYS-17"): change("the clients are not counted", described("clients", 0, "quantity", to="some")),
    ("system", "SYS-18"): change("a port that is up has no speed", described("product_nodes", 0, "networking", 0, "speed")),
    ("system", "SYS-19"): change("a drive has no vendor", described("product_nodes", 0, "drives", 0, "vendor_name")),
    ("system", "SYS-20"): change("a switch has no vendor", described("product_switches", 0, "vendor_name")),
    ("system", "SYS-21"): change(
        "a supply is of no known class", described("clients", 0, "chassis", "power", "psus_configured", 0, "efficiency", to="Copper")
    ),
    # submission
    ("submission", "2.1.1"): change("the submitter's directory has a blank in its name", called(SUBMISSION, "north wind")),
    ("submission", "2.1.5"): change("there is a third directory", added(f"{SUBMISSION}/notes/readme.txt")),
    ("submission", "2.1.6"): change("a run does not name its code image", gone(f"{RUN}/.mlps-code-image", 2)),
    ("submission", "2.1.7"): change("the drawing of the system is lost", gone(f"{SUBMISSION}/systems/array-1.pdf")),
    ("submission", "2.1.8"): change("the results are of another system", called(RESULTS, "array-2")),
    ("submission", "2.1.10"): change("a benchmark is written in upper case", called(f"{RESULTS}/training", "Training")),
    ("submission", "EDN-04"): change("the manifest declares an older edition", field(MANIFEST, "rules_edition", to="2.0")),
    ("submission", "PROV-02"): change("a run is not in the manifest", field(MANIFEST, "leaves", 5)),
    ("submission", "RPT-01"): change("a result is published that no system has", field(TABLE, 0, "Public ID", to="3.0-0001")),
    # package
    ("package", "2.1.2"): change("a directory stands at the top that is no part of a package", added("notes/readme.txt")),
    ("package", "CHECK-01"): change(
        "a run names an image that is in no pool", text(f"{RUN}/.mlps-code-image", f"md5-tree-v2:{'0' * 32}\n", 2)
    ),
    ("package", "CHECK-02"): change(
        "a file of the code image has a line more", appended(f"{POOL}/code-*/dlio_benchmark/main.py", "# faster\n")
    ),
    ("package", "CHECK-03"): change("the code image has another name", called(f"{POOL}/code-*", "code-00000000")),
    ("package", "CHECK-04"): change("the mark of the pool is lost", gone(f"{POOL}/.mlps-image-pool")),
}
"""By kind of subject and id of rule."""

MOVES: Final[Mapping[str, tuple[Mutation, tuple[str, ...]]]] = {
    "exchanged runs": (change("two runs have exchanged their directories", exchanged(RUN, 1, 4)), ("MLPS-TABLE-1",)),
    "a copied run": (change("a run stands twice, once in the place of another", replaced(RUN, by=1, nth=4)), ("MLPS-TABLE-1",)),
    "a run among checkpoints": (
        change("a training run stands among checkpoints", called(RUN, "../../../checkpointing/llama3-8b/20990101_000000", 2)),
        ("RC-CKP-1", "2.1.17"),
    ),
    "a run among generations": (
        change("a training run stands among data generations", called(RUN, lambda name: f"../datagen/{name}", 2)),
        ("2.1.13", "2.1.17"),
    ),
    "a generation among runs": (
        change("the data generation stands among the runs", called(GENERATED, lambda name: f"../run/{name}")),
        ("2.1.13", "2.1.17", "2.1.19"),
    ),
    "a summary of another run": (
        change("a run has the summary of another", replaced(f"{RUN}/summary.json", by=1, nth=4)),
        ("MLPS-METRIC-1",),
    ),
    "a rank's file of another run": (
        change("a run has a rank's file of another", replaced(f"{RUN}/0_output.json", by=1, nth=4)),
        ("MLPS-METRIC-1",),
    ),
    "exchanged ranks' files": (
        change("two runs have exchanged a rank's file", exchanged(f"{RUN}/0_output.json", 1, 4)),
        ("MLPS-METRIC-1",),
    ),
}
"""Leaves and files that stand where others did, and rules that tell of it."""

MUTATIONS: Final[Mapping[tuple[str, str], Mutation]] = {**TRAINING_CHANGES, **CHECKPOINTING_CHANGES, **KV_CACHE_CHANGES, **AROUND_CHANGES}
"""By kind of subject and id of rule."""

_REVISION: Final = edition("3.0").dlio_revisions[0]

ACCEPTED: Final = change(
    "a DLIO of an accepted revision generated and read the data",
    *(
        field(f"{TRAINING}/*/*/{name}", *keys, to=value, nth=nth)
        # In order of their paths: the data generation, the record of the data size, which needs no DLIO, and the runs.
        for nth in (0, *range(2, 8))
        for name, keys, value in (
            (METADATA, ("mlps", "engine", "commit"), _REVISION.commit),
            (METADATA, ("mlps", "engine", "version"), _REVISION.version),
            ("provenance.json", ("dlio",), {"version": _REVISION.version, "source": "git", "commit": _REVISION.commit}),
        )
    ),
    field(MANIFEST, "dlio_commits", to=[_REVISION.commit]),
    several="every leaf and the manifest say which it was; how samples/s were counted stays what it was",
)
"""What alone keeps the training result from being CLOSED."""
