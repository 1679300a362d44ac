"""Results of kv_cache that the rules on origin and edition pass and that they fail."""

from package_tree import LEAF_FAILING, LEAF_PASSING, OTHER, PackageTree

from pytest_mlpstorage.results.records import KVCacheResult

SUBJECT = KVCacheResult


def write(root, **written_as):
    return PackageTree.write(root, subject="kv_cache", **written_as)


def second_metadata(tree):
    (tree.run / "old_metadata.json").write_text("{}")


def no_metadata(tree):
    next(tree.run.glob("*_metadata.json")).unlink()


def valid(tree):
    """Leave the tree as it is."""


PASSING = {
    "PROV-01": [valid, lambda t: t.unstamp()],
    "EDN-01": [valid],
    # How the hash of this family is made was never published: whatever it is, nobody fails for it.
    "EDN-02": [valid, lambda t: t.stamp(lambda r: r["core_config"].update(hash="0" * 16)), lambda t: t.unstamp()],
    "EDN-03": [lambda t: t.stamp(lambda r: r["dlio"].update(commit="0" * 40))],
    "LEAF-01": [
        valid,
        lambda t: (t.run / "._more_metadata.json").write_text("x"),
        lambda t: (t.run / "more").mkdir() or (t.run / "more" / "a_metadata.json").write_text("{}"),
        lambda t: next(t.run.glob("*_metadata.json")).write_text("PRUNED BY STAFF"),
    ],
    "MLPS-LEAF-1": LEAF_PASSING,
    "MLPS-NAME-1": [valid],
}

FAILING = {
    "MLPS-LEAF-1": LEAF_FAILING,
    "PROV-01": [
        (
            lambda t: t.stamp(lambda r: r["tool"].update(code_image=OTHER)),
            "[PROV-01] a provenance record names another code image than the leaf's pointer; measured 0123456789abcdef0123456789abcdef; required md5-tree-v2:6a657f89b2fd42697f74fca3edced82f; in closed/acme/results/fastfs/kv_cache/llama3.1-8b/run/20260721_102236/provenance.json:tool.code_image",
        )
    ],
    "EDN-01": [
        (
            lambda t: t.stamp(lambda r: r.update(rules_edition="x")),
            "[EDN-01] a leaf declares an edition that does not exist; measured x; required 0.5 or 1.0 or 2.0 or 3.0; in closed/acme/results/fastfs/kv_cache/llama3.1-8b/run/20260721_102236/provenance.json:rules_edition",
        )
    ],
    "EDN-02": [
        (
            valid,
            "[EDN-02] the comparability class of kv_cache llama3.1-8b on any accelerator cannot be told: only the newest editions table holds it; its serialisation is not published; measured unknown; in closed/acme/results/fastfs/kv_cache/llama3.1-8b/run/20260721_102236/provenance.json:core_config.hash",
        )
    ],
    "LEAF-01": [
        (
            second_metadata,
            "[LEAF-01] a run does not hold exactly one metadata file; measured 2; required 1 file *_metadata.json; in closed/acme/results/fastfs/kv_cache/llama3.1-8b/run/20260721_102236",
        ),
        (no_metadata, "measured 0"),
        (lambda t: next(t.run.glob("*_metadata.json")).rename(t.run / "metadata.json"), "measured 0"),
        (lambda t: (t.run / "provenance.json").rename(t.run / "x_metadata.json"), "measured 2"),
    ],
    "MLPS-NAME-1": [
        (
            lambda t: t.system.rename(t.system.with_name("system_name")),
            "[MLPS-NAME-1] the system looks like a placeholder; measured system_name; required the name of the system; in closed/acme/results/system_name/kv_cache/llama3.1-8b",
        )
    ],
}
