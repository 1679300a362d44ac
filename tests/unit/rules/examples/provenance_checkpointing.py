"""Checkpointing results that the rules on origin, edition, system and engine pass and that they fail."""

from package_tree import LEAF_FAILING, LEAF_PASSING, OTHER, PackageTree

from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult


def write(root, **written_as):
    return PackageTree.write(root, subject="checkpointing", **written_as)


def described_memory(tree):
    tree.describe("clients.0.chassis.memory_capacity", 24)


def engine(**values):
    return lambda tree: tree.edit_metadata(lambda m: m["mlps"]["engine"].update(values))


def valid(tree):
    """Leave the tree as it is."""


PASSING = {
    "PROV-01": [valid],
    "EDN-01": [valid],
    "EDN-02": [valid, lambda t: t.edit_metadata(lambda m: m.update(accelerator=None))],
    "EDN-03": [valid],
    "2.1.9": [described_memory],
    "MLPS-ENGINE-1": [valid],
    "MLPS-LEAF-1": LEAF_PASSING,
    "MLPS-NAME-1": [valid],
}

FAILING = {
    "MLPS-LEAF-1": LEAF_FAILING,
    "PROV-01": [
        (
            lambda t: t.stamp(lambda r: r["tool"].update(code_image=OTHER)),
            "[PROV-01] a provenance record names another code image than the leaf's pointer; measured 0123456789abcdef0123456789abcdef; required md5-tree-v2:6a657f89b2fd42697f74fca3edced82f; in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/provenance.json:tool.code_image",
        )
    ],
    "EDN-01": [
        (
            lambda t: t.stamp(lambda r: r.update(rules_edition="x")),
            "[EDN-01] a leaf declares an edition that does not exist; measured x; required 0.5 or 1.0 or 2.0 or 3.0; in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/provenance.json:rules_edition",
        )
    ],
    "EDN-02": [
        (
            lambda t: t.stamp(lambda r: r["core_config"].update(hash="0" * 16)),
            "[EDN-02] the work is that of no comparability class of checkpointing llama3-8b on b200; measured 0000000000000000; required 68df04b7240e3fb0; in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/provenance.json:core_config.hash",
        )
    ],
    "EDN-03": [
        (
            lambda t: t.stamp(lambda r: r["dlio"].update(commit="0" * 40)),
            "[EDN-03] the DLIO that measured is no accepted revision; measured 0000000000000000000000000000000000000000; required one of 10 accepted revisions (3.0.2, 3.0.4); in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/provenance.json:dlio.commit",
        )
    ],
    "2.1.9": [
        (
            lambda t: t.describe("clients.0.quantity", 3),
            "[2.1.9] a run did not use the clients that the system description names; measured 1 hosts; required 3 clients in the description; in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/summary.json:num_hosts",
        ),
        (
            valid,
            "[2.1.9] the hosts of a run do not have the memory that closed/acme/systems/fastfs.yaml states; measured 24.00 GiB a host; required 256 GiB ± 10%; in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/summary.json:host_memory_GB",
        ),
    ],
    "MLPS-ENGINE-1": [
        (
            engine(commit="", version="2.0.0"),
            "[MLPS-ENGINE-1] the DLIO that measured is no accepted revision; measured DLIO 2.0.0, from a package registry or a folder; required one of 10 accepted revisions (3.0.2, 3.0.4); in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/checkpointing_20260721_000424_metadata.json:mlps.engine.commit",
        ),
        (
            engine(name="mlps-checkpoint"),
            "[MLPS-ENGINE-1] what measured is not DLIO; measured mlps-checkpoint; required dlio; in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424/checkpointing_20260721_000424_metadata.json:mlps.engine.name",
        ),
    ],
    "MLPS-NAME-1": [
        (
            lambda t: t.submission.rename(t.submission.with_name("my-company")),
            "[MLPS-NAME-1] the submitter looks like a placeholder; measured my-company; required the name of the submitter; in closed/my-company/results/fastfs/checkpointing/llama3-8b",
        )
    ],
}
