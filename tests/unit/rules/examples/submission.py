"""Submissions that each rule on them passes and that it fails: the valid one, changed in one place."""

import json
import shutil

from package_tree import PackageTree

from pytest_mlpstorage.results.records import Submission

SUBJECT = Submission


def write(root, **written_as):
    return PackageTree.write(root, subject="submission", **written_as)


def valid(tree):
    """Leave the tree as it is."""


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def renamed(name):
    return lambda tree: tree.submission.rename(tree.submission.with_name(name))


def file(name, content="x"):
    """Write a file below the submission."""

    def bend(tree):
        path = tree.submission / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    return bend


def directory(name):
    return lambda tree: (tree.submission / name).mkdir(parents=True)


def move(old, new):
    return lambda tree: (tree.submission / old).rename(tree.submission / new)


def remove(name):
    def bend(tree):
        path = tree.submission / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return bend


def one_level_deeper(tree):
    (tree.submission / "acme").mkdir()
    for name in ("results", "systems"):
        (tree.submission / name).rename(tree.submission / "acme" / name)


def manifest(**values):
    return lambda tree: tree.edit_manifest(lambda m: m.update(values))


def without_manifest(tree):
    (tree.submission / "submission.yaml").unlink()


def runs(change):
    """Change the manifest's list of leaves."""
    return lambda tree: tree.edit_manifest(lambda m: m.update(runs=change(m["runs"])))


def stamped(**values):
    return lambda tree: tree.stamp(lambda r: r.update(values), tree.leaves("kv_cache")[0])


def paths(prefix):
    """Write the manifest's leaves as bare paths behind a prefix."""
    return lambda tree: tree.edit_manifest(
        lambda m: m.update(leaves=[prefix + tree.relpath(leaf) for leaf in tree.all_leaves], runs="see leaves")
    )


def by_parts(tree):
    """Write the manifest's leaves by system, benchmark, model, command and time, without a path."""
    entries = []
    for leaf in tree.all_leaves:
        benchmark, *model, time = leaf.relative_to(tree.system).parts
        command = model.pop() if benchmark != "checkpointing" else "run"
        entries.append({"system": "fastfs", "benchmark": benchmark, "model": "_".join(model), "command": command, "started": time})
    tree.edit_manifest(lambda m: m.update(runs=entries))


def table(name, *ids):
    return file(f"results/{name}", json.dumps([{"Public ID": i, "Organization": "acme"} for i in ids]))


PASSING = {
    "2.1.1": [valid, renamed("Acme-2.0_x"), renamed("3")],
    "2.1.5": [valid, file("notes.txt"), directory(".git"), directory("._results"), file("code"), file("submission.yaml", "{"), lambda t: (t.submission / ".latest").symlink_to("results")],
    "2.1.7": [
        valid,
        file("systems/notes.md"),
        file("systems/.DS_Store"),
        file("systems/._fastfs.yaml"),
        directory("systems/.git"),
        move("systems/fastfs.pdf", "systems/fastfs.PDF"),
        move("systems/fastfs.yaml", "systems/fastfs.YAML"),
        several(move("systems/fastfs.yaml", "systems/a-1.2.3.exa.yaml"), move("systems/fastfs.pdf", "systems/a-1.2.3.exa.pdf")),
    ],
    "2.1.8": [
        valid,
        file("results/table.csv"),
        directory("results/.mlps"),
        move("systems/fastfs.pdf", "systems/fastfs.PDF"),
        several(
            lambda t: t.describe("solution.submission_name", 3),
            move("systems/fastfs.yaml", "systems/3.yaml"),
            move("systems/fastfs.pdf", "systems/3.pdf"),
            move("results/fastfs", "results/3"),
        ),
    ],
    "2.1.10": [
        valid,
        file("results/fastfs/results.json", "[]"),
        directory("results/fastfs/.git"),
        *(several(*(remove(f"results/fastfs/{other}") for other in ("training", "checkpointing", "kv_cache", "vector_database") if other != kept)) for kept in ("training", "checkpointing", "kv_cache", "vector_database")),
    ],
    "EDN-04": [valid, without_manifest, manifest(rules_edition="v3.0"), manifest(rules_edition=3.0), manifest(rules_edition="9.9"), manifest(rules_edition=None)],
    "PROV-02": [
        valid,
        without_manifest,
        manifest(rules_edition="v3.0"),
        manifest(rules_edition=3.0),
        several(stamped(rules_edition="4.0"), without_manifest),
        stamped(rules_edition="unknown"),
        stamped(rules_edition="v3.0"),
        lambda t: t.unstamp(),
        lambda t: (t.run / "provenance.json").write_text("{"),
        runs(lambda leaves: [leaf for leaf in leaves if leaf["command"] not in ("datasize", "datagen")]),
        runs(lambda leaves: [{**leaf, "stamp": "/somewhere/results/closed/acme/results/" + leaf["stamp"].removeprefix("results/")} for leaf in leaves]),
        paths(""),
        paths("closed/acme/"),
        by_parts,
        lambda t: t.edit_manifest(lambda m: m.update(tree={"run_leaves": m.pop("runs")})),
        # Where nothing is recognised as a list of leaves, nothing is claimed to be missing.
        lambda t: t.edit_manifest(lambda m: m.pop("runs")),
        manifest(runs={"fastfs": "see the tree"}),
    ],
    "RPT-01": [
        valid,
        remove("results/results.json"),
        several(remove("results/results.json"), file("results/fastfs/kv_cache/results.json", "{")),
        several(table("fastfs/vector_database/milvus/DISKANN/run/results.json", "v3.0-0009"), table("results.json", "v3.0-0001", "v3.0-0002", "v3.0-0009")),
        several(table("fastfs/results.json", 7), table("results.json", "v3.0-0001", "v3.0-0002", "7")),
        several(table("fastfs/kv_cache/results.json", "", None, [], "  "), table("results.json", "v3.0-0002", "v3.0-0001", " ")),
        lambda t: (t.run / "results.json").write_text("{"),
        file("results/.old/results.json", "{"),
        file("results/fastfs/kv_cache/llama3.1-8b/run/20260721_102236/results.json", '[{"Public ID": "other"}]'),
    ],
}  # fmt: skip

FAILING = {
    "2.1.1": [
        (renamed("Acme Storage"), "[2.1.1] the directory of a submitter is named with characters other than letters, digits, '.', '_' and '-'; measured Acme Storage; required Acme-Storage; in closed/Acme Storage"),
        (renamed("Äcme"), "required -cme"),
        (renamed("acme\n"), "required acme-"),
        (renamed("a" * 100 + "!"), "characters other than"),
    ],
    "2.1.5": [
        (remove("systems"), '[2.1.5] the submission lacks a directory; required systems/; in closed/acme'),
        (remove("results"), "lacks a directory; required results/"),
        (several(remove("systems"), file("systems")), "lacks a directory; required systems/"),
        (directory("code"), '[2.1.5] the submission holds a directory that is no part of one; measured code/; required results/ and systems/; in closed/acme/code'),
        (move("results", "Results"), "measured Results/"),
        (one_level_deeper, '[2.1.5] the submission lacks a directory; acme/ holds them, so it is nested one level too deep; required results/; in closed/acme'),
        (several(remove("systems"), lambda t: (t.submission / "systems").symlink_to("results")), "required systems/"),
        (directory("results/caf\udce9"), '[2.1.5] a directory of the submission has a name that is not UTF-8, so no report could say where it stands: rename it, and it is judged; required a directory of files; in closed/acme/results/caf\\xe9'),
        (directory("results/fastfs/training/unet\udce9"), 'has a name that is not UTF-8, so no report could say where it stands: rename it, and it is judged; required a directory of files; in closed/acme/results/fastfs/training/unet\\xe9'),
        (lambda t: (t.submission / "more").symlink_to("results"), '[2.1.5] a directory of the submission is a symbolic link to a directory; not followed; required a directory of files; in closed/acme/more (×2)'),
        (lambda t: (t.submission / "results/other").symlink_to("fastfs"), "in closed/acme/results/other"),
        (lambda t: (t.submission / "systems/other").symlink_to("/tmp"), "in closed/acme/systems/other"),
    ],
    "2.1.7": [
        (directory("systems/old"), '[2.1.7] systems/ holds a directory; measured old/; required files only; in closed/acme/systems/old'),
        (file("systems/notes.txt"), '[2.1.7] systems/ holds a file that is no description, PDF or note; measured notes.txt; required *.yaml, *.pdf or *.md; in closed/acme/systems/notes.txt'),
        (file("systems/README"), "no description, PDF or note"),
        (file("systems/fastfs.yml"), "no description, PDF or note"),
        (file("systems/pdf"), "no description, PDF or note"),
        (file("systems/other.yaml"), '[2.1.7] a system description has no PDF beside it; required other.pdf; in closed/acme/systems/other.yaml'),
        (file("systems/other.pdf"), '[2.1.7] a PDF has no system description beside it; required other.yaml; in closed/acme/systems/other.pdf'),
        (file("systems/FASTFS.pdf"), "required FASTFS.yaml"),
        (remove("systems/fastfs.pdf"), "required fastfs.pdf"),
    ],
    "2.1.8": [
        (remove("results/fastfs"), '[2.1.8] results/ holds no system; required results/<system>/; in closed/acme/results'),
        (remove("results/fastfs"), '[2.1.8] a system is described that has no results; required results/fastfs/; in closed/acme/systems/fastfs.yaml'),
        (remove("systems/fastfs.yaml"), '[2.1.8] a system with results has no description; required systems/fastfs.yaml; in closed/acme/results/fastfs'),
        (remove("systems/fastfs.pdf"), '[2.1.8] a system with results has no PDF; required systems/fastfs.pdf; in closed/acme/results/fastfs'),
        (remove("systems"), "has no PDF"),
        (move("results/fastfs", "results/FastFS"), "required systems/FastFS.yaml"),
        (move("results/fastfs", "results/FastFS"), "required results/fastfs/"),
        (lambda t: t.describe("solution.submission_name", "FastFS"), '[2.1.8] the name in a system description is not that of its file and of its results; measured FastFS; required fastfs; in closed/acme/systems/fastfs.yaml:system_under_test.solution.submission_name'),
        (lambda t: t.describe("solution.submission_name", None), "is not that of its file and of its results; required fastfs"),
        (lambda t: t.describe("solution.submission_name", ["fastfs"]), "measured a list of 1 values"),
        (file("systems/fastfs.yaml", "[]"), "solution.submission_name"),
    ],
    "2.1.10": [
        (directory("results/fastfs/mlperf"), '[2.1.10] a system has a directory that is no benchmark; measured mlperf; required training or checkpointing or vector_database or kv_cache; in closed/acme/results/fastfs/mlperf'),
        (move("results/fastfs/training", "results/fastfs/Training"), "measured Training"),
        (directory("results/empty"), '[2.1.10] a system has no benchmark directory; required training or checkpointing or vector_database or kv_cache; in closed/acme/results/empty'),
        (directory("results/other/old"), "has no benchmark directory"),
        (file("results/other/training"), "has no benchmark directory"),
    ],
    "EDN-04": [
        (manifest(rules_edition="2.0"), '[EDN-04] the manifest declares an edition by which no package with a manifest is checked; measured 2.0; required 3.0; in closed/acme/submission.yaml:rules_edition'),
        (manifest(rules_edition="v1.0"), "measured 1.0"),
        (manifest(rules_edition=1.0), "measured 1.0"),
        (manifest(rules_edition="0.5"), "measured 0.5"),
    ],
    "PROV-02": [
        (file("submission.yaml", "{"), "[PROV-02] the manifest is no YAML: "),
        (file("submission.yaml", "a: 1\na: 2"), "[PROV-02] the manifest is no YAML: the key 'a' stands twice, the second time in line 2; in closed/acme/submission.yaml"),
        (file("submission.yaml", ""), '[PROV-02] the manifest holds no mapping; in closed/acme/submission.yaml'),
        (file("submission.yaml", "PRUNED BY STAFF"), "the manifest holds no mapping"),
        (several(without_manifest, directory("submission.yaml")), '[PROV-02] the manifest cannot be read; in closed/acme/submission.yaml'),
        (several(without_manifest, lambda t: (t.submission / "submission.yaml").symlink_to("/etc/hostname")), '[PROV-02] the manifest lies out of the tree; not read; in closed/acme/submission.yaml'),
        (manifest(rules_edition=None), '[PROV-02] the manifest declares no edition; required rules_edition; in closed/acme/submission.yaml:rules_edition'),
        (manifest(rules_edition=["3.0"]), "declares no edition; measured a list of 1 values"),
        (manifest(rules_edition=" "), "declares no edition"),
        (stamped(rules_edition="2.0"), '[PROV-02] a leaf is stamped with another edition than the manifest declares; measured 2.0; required 3.0; in closed/acme/results/fastfs/kv_cache/llama3.1-8b/run/20260721_102236/provenance.json:rules_edition'),
        (runs(lambda leaves: leaves[1:]), '[PROV-02] a leaf of the submission is not in its manifest; required submission.yaml; in closed/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424'),
        (runs(lambda _: []), "is not in its manifest"),
        (runs(lambda leaves: [leaf for leaf in leaves if leaf["command"] != "run"]), "(×8)"),
        (runs(lambda leaves: [leaf for leaf in leaves if leaf["command"] != "datagen"]), "training/unet3d/datagen/"),
        (runs(lambda leaves: [*leaves, {"stamp": "results/fastfs/training/unet3d/run/20200101_000000/provenance.json"}]), '[PROV-02] the manifest lists a leaf that is not in the submission; measured submission.yaml; in closed/acme/results/fastfs/training/unet3d/run/20200101_000000'),
        (runs(lambda leaves: [*leaves, {"command": "run"}, "x", 3]), '[PROV-02] the manifest lists leaves whose place in the tree it does not tell; measured 3; required 0; in closed/acme/submission.yaml'),
        (lambda t: shutil.rmtree(t.run), "not in the submission"),
        (lambda t: shutil.copytree(t.run, t.run.with_name("20300101_000000")), "run/20300101_000000"),
    ],
    "RPT-01": [
        (table("results.json", "v3.0-0001"), "[RPT-01] a Public ID of a system's table is missing from the submitter's table; required v3.0-0002; in closed/acme/results/results.json"),
        (table("results.json", "v3.0-0001", "v3.0-0002", "v3.0-0003"), "[RPT-01] a Public ID of the submitter's table is in no system's table; measured v3.0-0003; in closed/acme/results/results.json"),
        (table("fastfs/vector_database/milvus/DISKANN/run/results.json", "v3.0-0009"), "required v3.0-0009"),
        (table("fastfs/training/results.json", "v3.0-0009"), "required v3.0-0009"),
        (table("other/results.json", "v3.0-0009"), "required v3.0-0009"),
        (file("results/results.json", "{"), "[RPT-01] a table of results is no JSON: "),
        (file("results/results.json", '{"Public ID": "v3.0-0001"}'), '[RPT-01] a table of results holds no list of rows; in closed/acme/results/results.json'),
        (file("results/results.json", "null"), "holds no list of rows"),
        (file("results/results.json", "[1]"), '[RPT-01] a table of results holds rows that are no objects; in closed/acme/results/results.json'),
        (file("results/results.json", "PRUNED BY STAFF"), "holds no list of rows"),
        (file("results/fastfs/kv_cache/results.json", ""), '[RPT-01] a table of results is empty; in closed/acme/results/fastfs/kv_cache/results.json'),
    ],
}  # fmt: skip
