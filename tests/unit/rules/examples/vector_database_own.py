"""Trees for the own limits of vector databases: the valid tree with what this suite records of a measurement, changed in one place."""

import copy

from vector_database_tree import VECTORS, VectorDatabaseTree

from pytest_mlpstorage.results.records import VectorDatabaseResult

SUBJECT = VectorDatabaseResult

PHASE = {
    "queries": 10_000, "failed": 0, "failures": {}, "errors": {}, "recall": 0.9,
    "read_4kib_per_query": 1.0, "device_reads_per_query": 1.0,
}  # fmt: skip
PARAMETERS = {"params_requested": {"max_degree": 64, "pq": 0}, "params_effective": {"max_degree": 64, "pq": None}}
RUN = {
    "scored_phase": "steady",
    "engine": {"residence": "disk", **PARAMETERS},
    "phases": [{**PHASE, "name": "cold", "queries": 500}, {**PHASE, "name": "steady"}],
    "cold_proof": {"verified": True, "root": False, "statement": "cold: verified"},
    "memory": {"index_bytes": 2 * 2**30, "host_bytes": 2**30, "limit": None},
    "thresholds": {},
}
LOAD = {"engine": PARAMETERS, "dataset": {"contrast": 1.5}, "load": {"rows": VECTORS, "distinct_ids": VECTORS}, "thresholds": {}}


def write(root, **written_as):
    """A result of ours."""
    tree = VectorDatabaseTree.write(root, **written_as)
    tree.edit("summary.json", lambda s: s.update(mlps=copy.deepcopy(RUN)))
    tree.edit_load(lambda s: s.update(mlps=copy.deepcopy(LOAD)))
    return tree


def valid(tree):
    """Leave the tree as it is."""


def _set(block, dotted, value):
    *keys, last = dotted.split(".")
    for key in keys:
        block = block[int(key)] if isinstance(block, list) else block[key]
    block[last] = value


def run(dotted, value, which=None, **limits):
    """One value of the block of the runs (or of one), and limits that were measured with."""

    def bend(tree):
        tree.edit("summary.json", lambda s: (s["mlps"]["thresholds"].update(limits), _set(s["mlps"], dotted, value)), run=which)

    return bend


def load(dotted, value, **limits):
    """The same of the load."""
    return lambda tree: tree.edit_load(lambda s: (s["mlps"]["thresholds"].update(limits), _set(s["mlps"], dotted, value)))


def steady(key, value, which=None, **limits):
    return run(f"phases.1.{key}", value, which, **limits)


def cold(key, value, which=None, **limits):
    return run(f"phases.0.{key}", value, which, **limits)


def limit(value, severity="error"):
    """A limit as a run records it."""
    return {"value": value, "severity": severity}


def foreign(bend):
    """The same, but of another tool, which has no such block."""

    def bent(tree):
        bend(tree)
        tree.edit("summary.json", lambda s: s.pop("mlps"))
        tree.edit_load(lambda s: s.pop("mlps"))

    return bent


def residence(word, *bends):
    def bend(tree):
        run("engine.residence", word)(tree)
        for each in bends:
            each(tree)

    return bend


def rates(*values):
    return lambda tree: [tree.summary(run=number, throughput_qps=rate) for number, rate in enumerate(values)]


def whatif(*bends):
    """The same in a result that claims nothing."""

    def bend(tree):
        for each in bends:
            each(tree)
        (tree.root / "closed").rename(tree.root / "whatif")

    return bend


def both(*bends):
    return lambda tree: [bend(tree) for bend in bends]


UNPROVED = {"verified": False, "root": False, "statement": "cold: not verified, its server ran all the time"}

PASSING = {
    "MLPS-VDB-01": [
        valid,
        foreign(steady("recall", 0.1)),
        cold("recall", 0.1),
        steady("recall", 0.95, recall_min=limit(0.95)),
        steady("recall", "0.9"),
        run("thresholds", {"recall_min": {"value": "high", "severity": 3}}),
        run("thresholds", []),
    ],
    "MLPS-VDB-02": [valid, foreign(steady("queries", 1)), cold("queries", 1), steady("queries", 10_000.0)],
    "MLPS-VDB-03": [
        valid,
        foreign(cold("read_4kib_per_query", 0.0)),
        residence("page-cache", steady("read_4kib_per_query", 0.0)),
        residence("memory", steady("read_4kib_per_query", 0.0), cold("read_4kib_per_query", None)),
    ],
    "MLPS-VDB-04": [
        valid,
        foreign(steady("failed", 3)),
        steady("failures", []),
        both(steady("failed", 3, failed_max=limit(3)), whatif()),
        steady("failed", "0"),
    ],
    "MLPS-VDB-05": [valid, foreign(load("dataset.contrast", 1.0)), load("dataset.contrast", None), load("dataset", [])],
    "MLPS-VDB-06": [
        valid,
        run("memory.index_bytes", 1),
        residence("page-cache"),
        residence("page-cache", run("memory.host_bytes", None), run("memory.limit", 2**40)),
        residence("page-cache", run("memory.host_bytes", 0)),
        residence("page-cache", run("memory.index_bytes", "?")),
        residence("page-cache", run("memory.limit", 2**40)),
        foreign(residence("page-cache", run("memory.index_bytes", 1))),
    ],
    "MLPS-VDB-07": [valid, rates(100, 100, 100, 100, 120), foreign(rates(1, 2, 3, 4, 5)), rates(*[1e308] * 5), rates(*[5e-324] * 5)],
    "MLPS-VDB-08": [
        valid,
        foreign(run("cold_proof", UNPROVED)),
        residence("memory", run("cold_proof", UNPROVED)),
        run("phases", [RUN["phases"][1]]),
        both(run("cold_proof", UNPROVED, cold_proof=limit("no", "warning")), whatif()),
        both(run("cold_proof", UNPROVED, cold_proof=limit("if-root", "warning")), whatif()),
    ],
    "MLPS-VDB-09": [valid, foreign(load("load.rows", 1)), load("load.distinct_ids", None), load("load.rows", str(VECTORS))],
    "MLPS-VDB-10": [
        valid,
        foreign(run("engine.params_effective", {"max_degree": 32})),
        run("engine.params_effective", None),
        run("engine.params_effective", {"more": 1}),
        load("engine.params_requested", "all"),
    ],
}

FAILING = {
    "MLPS-VDB-01": [
        (steady("recall", 0.8999, 4), "own threshold: the steady phase found too few of the exact neighbours; measured 0.8999; required 0.9"),
        (steady("recall", None), "nothing is known of the recall"),
        (steady("recall", "most"), "nothing is known of the recall"),
        (both(run("scored_phase", "cold"), cold("recall", 0.5)), "the cold phase found too few"),
        (run("scored_phase", "last"), "nothing is known of the recall"),
        (run("phases", "none"), "nothing is known of the recall"),
        (steady("recall", 0.94, recall_min=limit(0.95)), "required 0.95"),
        (steady("recall", 0.5, recall_min=limit(0.4)), "required 0.9"),
        (steady("recall", 0.5, recall_min=limit(0.4)), "(it was measured with recall_min 0.4)"),
        (steady("recall", 0.5, recall_min=limit(0.9, "info")), "measured 0.5"),
    ],
    "MLPS-VDB-02": [
        (steady("queries", 9_999), "own threshold: the steady phase made too few searches; measured 9999; required 10000"),
        (steady("queries", None), "made too few searches; required 10000"),
        (both(steady("queries", 200, min_queries=limit(200)), whatif()), "(it was measured with min_queries 200)"),
    ],
    "MLPS-VDB-03": [
        (steady("read_4kib_per_query", 0.99), "searches of the steady phase read less from storage than 1 × 4 KiB each; measured 0.99 (device: 1.00"),
        (both(cold("read_4kib_per_query", 0.0), cold("device_reads_per_query", None)), "measured 0.00 (device: unknown)"),
        (both(cold("read_4kib_per_query", None), cold("process_not_applicable", "elsewhere")), "phase read (elsewhere)"),
        (cold("read_4kib_per_query", None), "read (nobody counted them)"),
        (residence("page-cache", cold("read_4kib_per_query", 0.5)), "the cold phase read less"),
        (residence("page-cache", steady("read_4kib_per_query", 0.5)), "the operating system's memory answered them"),
        (residence("memory"), "whatever searches of the cold phase read: the index is memory-resident, and its figures are no verdict on storage"),
        (residence("memory", cold("read_4kib_per_query", 0.0)), "read less from storage than 1 × 4 KiB each: the index is memory-resident"),
        (residence(["disk"], steady("read_4kib_per_query", 0.0)), "the steady phase read less"),
        (run("phases", []), "nothing is known of what searches read (no phase is recorded); required 1.0"),
        (run("phases", "none", 2), "mlps.phases"),
        (run("phases", ["cold", None]), "nothing is known of what searches read (no phase is recorded)"),
        (residence("memory", run("phases", [])), "no phase is recorded): the index is memory-resident"),
        (residence("page-cache", run("phases", [])), "nothing is known of what searches read (no phase is recorded)"),
    ],
    "MLPS-VDB-04": [
        (both(steady("failed", 1, 2), steady("failures", {"short": 1}, 2)), "failed or came back short (1 short); measured 1; required at most 0"),
        (both(cold("failed", 2), cold("errors", {"it raised": 2})), "of the cold phase failed or came back short (): it raised"),
        (steady("failed", 3, failed_max=limit(5)), "(it was measured with failed_max 5)"),
        (run("phases", []), "nothing is known of failed searches (no phase is recorded); required at most 0"),
        (run("phases", None, 2), "nothing is known of failed searches (no phase is recorded)"),
        (steady("failed", None, 2), "nothing is known of failed searches of the steady phase; required at most 0"),
        (cold("failed", "many"), "nothing is known of failed searches of the cold phase; measured many; required at most 0"),
        (steady("failed", -1), "nothing is known of failed searches of the steady phase; measured -1"),
        (steady("failed", 0.5), "nothing is known of failed searches of the steady phase; measured 0.5"),
    ],
    "MLPS-VDB-05": [
        (load("dataset.contrast", 1.499), "hardly differ from other vectors, so recall tells little; measured 1.499; required 1.5"),
        (load("dataset.contrast", 1.6, contrast_min=limit(2, "warning")), "required 2"),
    ],
    "MLPS-VDB-06": [
        (residence("page-cache", run("memory.index_bytes", 2 * 2**30 - 1)), "the index fits into memory"),
        (residence("page-cache", run("memory.index_bytes", 2**29), run("memory.limit", 2**29)), "measured 1.000 (512.00 MiB of 512.00 MiB)"),
    ],
    "MLPS-VDB-07": [
        (rates(100, 100, 100, 100, 150), "the rates of the runs lie far apart (coefficient of variation); measured 0.182; required at most 0.1"),
        (rates(100, 150, None, None, None), "measured 0.2;"),
        # Sums and squares of such rates are beyond what a float holds, or below; how far they lie apart is not.
        (rates(1e308, 1e308, 1e308, 1e308, 1e307), "lie far apart (coefficient of variation); measured 0.439; required at most 0.1"),
        (rates(1e-200, 1e-200, 1e-200, 1e-200, 3e-200), "measured 0.571"),
        (rates(0, 0, 0, 0, 0), "the rates of the runs are not above 0 on average, so that nothing tells how far they lie apart; measured 0.0"),
        (rates(-100, -100, -100, -100, 100), "not above 0 on average, so that nothing tells how far they lie apart; measured -60.0"),
    ],
    "MLPS-VDB-08": [
        (run("cold_proof", UNPROVED), "the cold phase is not verified: cold: not verified, its server ran all the time"),
        (run("cold_proof", {}), "nothing says whether the cold phase was cold"),
        (run("cold_proof", UNPROVED, cold_proof=limit("no", "warning")), "(it was measured with cold_proof no)"),
        (run("cold_proof", {**UNPROVED, "root": True}, cold_proof=limit("if-root", "warning")), "the cold phase is not verified"),
    ],
    "MLPS-VDB-09": [
        (load("load.rows", VECTORS - 1), f"the collection does not hold every vector once; measured {VECTORS - 1} rows"),
        (load("load.distinct_ids", 5), f"measured {VECTORS} rows, 5 distinct ids; required {VECTORS}"),
        (load("load.rows", None), "measured None rows"),
        (lambda t: t.edit_load(lambda s: (s.pop("num_vectors"), s["mlps"].pop("load"))), "does not hold every vector once"),
    ],
    "MLPS-VDB-10": [
        (
            run("engine.params_effective", {"max_degree": 32, "pq": 0}, 3),
            "the engine uses other parameters than were asked for; measured max_degree 32; required max_degree 64",
        ),
        (load("engine.params_effective", {"pq": [1]}), "measured pq a list of 1 values; required pq 0"),
    ],
}  # fmt: skip
