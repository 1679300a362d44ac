"""Trees for the rules on the client hosts of training: the valid tree, changed in one place."""

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _hosts(tree, *hosts, run=None, issues=None, key="system_info"):
    """Let the metadata describe hosts of (memory, cores)."""
    described = [{"hostname": f"h{n}", "memory": {"total": m}, "cpu": {"num_cores": c}} for n, (m, c) in enumerate(hosts)]
    tree.edit_metadata(lambda m: m.pop("system_info", None), run=run)
    tree.edit_metadata(lambda m: m.update({key: {"hosts": described, "host_consistency_issues": issues or []}}), run=run)


PASSING = {
    "3.3.3": [
        valid,
        lambda t: t.edit_summary(lambda s: s.update(num_accelerators=4)),
        lambda t: t.edit_summary(lambda s: s.update(num_accelerators=3, num_hosts=2)),
    ],
    "3.3.4": [
        valid,
        lambda t: t.edit_metadata(lambda m: m["args"].update(hosts="127.0.0.1:8")),
        lambda t: t.edit_metadata(lambda m: m["args"].update(hosts=["a, "])),
        lambda t: (t.edit_metadata(lambda m: m["args"].update(hosts=["a", "b"])), t.edit_summary(lambda s: s.update(num_hosts=2))),
        # A run that used several hosts may have been started for as many.
        lambda t: (t.edit_metadata(lambda m: m["args"].pop("hosts")), t.edit_summary(lambda s: s.update(num_hosts=2))),
    ],
    "3.3.6": [
        valid,
        lambda t: t.edit_summary(lambda s: s.update(num_hosts=4)),
        lambda t: t.edit_summary(lambda s: s.update(num_hosts="8")),
        lambda t: t.edit_summary(lambda s: s.update(num_accelerators=1)),
    ],
    "3.3.7": [
        valid,
        lambda t: _hosts(t, (100, 10)),
        lambda t: _hosts(t, (100, 10), (150, 15)),
        lambda t: _hosts(t, ("100", "10"), (150, 15), key="cluster_information"),
        lambda t: _hosts(t, (None, 0), (150, 15)),
        lambda t: _hosts(t, (100, 10), issues=["alone, and yet it differs"]),
        # The first run of several hosts speaks for all.
        lambda t: (_hosts(t, (1, 1), run=0), _hosts(t, (1, 1), (1, 1), run=1), _hosts(t, (1, 1), (9, 9), run=2)),
        lambda t: t.edit_metadata(lambda m: m.update(system_info={"hosts": {"a": 1}})),
        lambda t: t.edit_metadata(lambda m: m.update(system_info={"hosts": ["a", "b"]})),
        *(
            lambda t, nothing=nothing: t.edit_metadata(
                lambda m: m.update(system_info={"hosts": [{"memory": 1}, {"cpu": None}], "host_consistency_issues": nothing})
            )
            for nothing in (None, [], "", {})
        ),
    ],
}

FAILING = {
    "3.3.3": [(lambda t: t.edit_summary(lambda s: s.update(num_accelerators=3)), "few accelerators; measured 3; required at least 4")],
    "3.3.4": [
        (lambda t: t.edit_metadata(lambda m: m["args"].update(hosts=["a", "b"])), "named more; measured 2 hosts"),
        (lambda t: t.edit_metadata(lambda m: m["args"].update(hosts="a:4,b:4")), "named more"),
    ],
    "3.3.6": [
        (lambda t: t.edit_summary(lambda s: s.update(num_hosts=3)), "evenly"),
        (lambda t: t.edit_summary(lambda s: s.update(num_accelerators=9, num_hosts=8)), "required a multiple of 8"),
        (
            lambda t: t.edit_summary(lambda s: s.update(num_hosts=0)),
            "without a host or without an accelerator measured nothing; measured 8",
        ),
        (lambda t: t.edit_summary(lambda s: s.update(num_hosts=0)), "summary.json:num_hosts"),
        (lambda t: t.edit_summary(lambda s: s.update(num_accelerators=0)), "summary.json:num_accelerators"),
    ],
    "3.3.7": [
        (lambda t: _hosts(t, (100, 10), (151, 10)), "differ in their memory; measured 100 to 151 bytes of memory"),
        (
            lambda t: _hosts(t, (100, 10), (100, 10), (100, 16)),
            "number of cores; measured 10 to 16 cores; required the largest at most 1.5",
        ),
        (lambda t: _hosts(t, (100, "16"), (100, 10), key="cluster_information"), "number of cores"),
        (lambda t: _hosts(t, (100, 10), (100, 10), issues=["kernel differs"]), "not alike: kernel differs; measured 1 differences"),
        (lambda t: _hosts(t, (100, 10), (100, 10), issues=[{"kernel": 1}]), "not alike: an object of 1 keys"),
        (lambda t: _hosts(t, (100, 10), (151, 10), run=5), "bytes of memory"),
        (lambda t: _hosts(t, (1, 1), (1, 2)), "measured 1 to 2 cores"),
        # Differences that are no list are differences all the same.
        (lambda t: _hosts(t, (100, 10), (100, 10), issues="kernel differs"), "not alike: kernel differs; measured 1 differences"),
        (lambda t: _hosts(t, (100, 10), (100, 10), issues={"kernel": ["5", "6"]}), "not alike: an object of 1 keys"),
        (lambda t: _hosts(t, (100, 10), (100, 10), issues=True), "not alike: True"),
        (lambda t: _hosts(t, (100, 10), (100, 10), issues=2), "not alike: 2; measured 1 differences; required none"),
    ],
}
