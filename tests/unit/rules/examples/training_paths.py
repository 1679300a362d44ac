"""Trees for the rules on where data and results of training lie: the valid tree, changed in one place."""

import json

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult
write = TrainingTree.write
HEADER = "Filesystem     1K-blocks  Used Available Use% Mounted on\n"


def valid(tree):
    """Leave the tree as it is."""


def _probe(tree, content, *, run=0):
    text = content if isinstance(content, str) else json.dumps(content)
    (tree.runs[run] / "fs_separation.json").write_text(text)


def _listing(tree, rows, *, run=0):
    """Take away the record of the probe and let the log hold a listing of df."""
    (tree.runs[run] / "fs_separation.json").unlink()
    (tree.runs[run] / "training_run.stdout.log").write_text(f"started\n{HEADER}{rows}\nfinished\n")


def _log(tree, text, *, run=0):
    (tree.runs[run] / "fs_separation.json").unlink()
    (tree.runs[run] / "training_run.stdout.log").write_text(text)


PASSING = {
    "3.4.1": [valid, lambda t: t.edit_metadata(lambda m: m["args"].update(data_dir="s3://bucket/data"))],
    "3.4.2": [
        valid,
        lambda t: _probe(t, {"same_filesystem": "False"}),
        lambda t: _listing(t, "/dev/a 9 1 8 10% /\n/dev/b 9 1 8 10% /data\n"),
        lambda t: _listing(t, "/dev/a 9 1 8 10% /\n//nas/a share 9 1 8 - /results\n"),
        lambda t: _listing(t, "/dev/a-very-long-name\n   9 1 8 10% /\n/dev/b 9 1 8 10% /data/\n"),
        # A path below no mount point of the listing is let pass, with a note.
        lambda t: _listing(t, "/dev/b 9 1 8 10% /data\n"),
        lambda t: _listing(t, "/dev/b 9 1 8 10% /dat\n/dev/b 9 1 8 10% /results\n"),
        # A pruned or damaged record of a probe leaves the log to look into.
        lambda t: (_listing(t, "/dev/a 9 1 8 10% /\n/dev/b 9 1 8 10% /data\n"), _probe(t, "{")),
        lambda t: (_listing(t, "/dev/a 9 1 8 10% /\n/dev/b 9 1 8 10% /data\n"), _probe(t, "PRUNED BY STAFF\n")),
        lambda t: (t.describe(benchmark_API="object"), _probe(t, {"same_filesystem": True})),
        lambda t: (t.describe(benchmark_API=" Object"), (t.runs[0] / "fs_separation.json").unlink()),
    ],
}

FAILING = {
    "3.4.1": [
        (lambda t: t.edit_metadata(lambda m: m["args"].update(results_dir="/data/")), "one directory"),
        (lambda t: t.edit_metadata(lambda m: m["args"].update(data_dir=None)), "gave no data_dir"),
        (lambda t: t.edit_metadata(lambda m: m["args"].pop("results_dir")), "gave no results_dir; required args.results_dir"),
        (lambda t: t.edit_metadata(lambda m: m["args"].update(data_dir=["/data"])), "gave no data_dir"),
    ],
    "3.4.2": [
        (lambda t: _probe(t, {"same_filesystem": True}), "lie on one filesystem; required two filesystems"),
        (lambda t: _probe(t, {"same_filesystem": "true"}, run=5), "fs_separation.json:same_filesystem"),
        (lambda t: _probe(t, {"same_filesystem": 0}), "fs_separation.json does not say whether same_filesystem is true or false"),
        (lambda t: _probe(t, {}), "does not say whether"),
        (lambda t: _probe(t, "{"), "different filesystems: fs_separation.json is no JSON"),
        (lambda t: _probe(t, "[]"), "fs_separation.json holds a JSON list, not an object"),
        (
            lambda t: (t.runs[0] / "fs_separation.json").unlink(),
            "nothing shows that data and results lie on different filesystems; required",
        ),
        (lambda t: (t.describe(benchmark_API="file"), (t.runs[0] / "fs_separation.json").unlink()), "nothing shows"),
        (lambda t: (t.describe(benchmark_API=["object"]), (t.runs[0] / "fs_separation.json").unlink()), "nothing shows"),
        (lambda t: _listing(t, "/dev/a 9 1 8 10% /\n"), "lie on one filesystem; required two filesystems"),
        (lambda t: _listing(t, "/dev/a 9 1 8 10% /\n/dev/b 9 1 8 10% /dat\n"), "training_run.stdout.log:Mounted on"),
        (lambda t: _listing(t, "/dev/a 9 1 8 10% /\n\n/dev/b 9 1 8 10% /data\n"), "lie on one filesystem"),
        (lambda t: _listing(t, "no row\n"), "nothing shows"),
        (lambda t: _log(t, "The Filesystem is Mounted on\n/dev/a 9 1 8 10% /\n"), "nothing shows"),
        (lambda t: (_log(t, "x"), (t.runs[0] / "training_run.stdout.log").unlink()), "nothing shows"),
    ],
}
