"""Trees whose tables say what the runs give, and trees whose tables do not; tables are written by the package's own writer."""

import csv
import json

from training_tree import TrainingTree

from pytest_mlpstorage.results.records import TrainingResult
from pytest_mlpstorage.results.tables import rollup_row, write_rollup, write_run_table

SUBJECT = TrainingResult
COLUMN = "Training - Read B/W (GiB/s)"
TRUE = 45.875
"""Read bandwidth of the valid tree in GiB/s, rounded to where it is exact enough for a test."""


def write(root, **written_as):
    tree = TrainingTree.write(root, **written_as)
    result = tree.read()
    write_run_table(result)
    write_rollup(tree.root, tree.division, tree.submitter, [rollup_row(result, warmup_runs=1)])
    return tree


def valid(tree):
    """Leave the tree as it is."""


def of_organisation(tree, **columns):
    """Change the table of the organisation, ``results.json``."""
    path = tree.root / "closed" / "acme" / "results" / "results.json"
    rows = json.loads(path.read_text())
    rows[0].update({key.replace("__", " "): value for key, value in columns.items()})
    path.write_text(json.dumps(rows))


def bandwidth(value):
    return lambda tree: of_organisation(tree, **{COLUMN: value})


def recomputed(tree):
    """The bandwidth as it is, unrounded."""
    from pytest_mlpstorage.rules import edition_of, metrics_of

    result = tree.read()
    return metrics_of(result, edition_of(result))["Read B/W (GiB/s)"]


def off_by(difference):
    return lambda tree: of_organisation(tree, **{COLUMN: recomputed(tree) + difference})


def of_run(tree, number=2, **metrics):
    path = tree.result_dir / "run" / "results.json"
    rows = json.loads(path.read_text())
    rows[number]["metrics"].update(metrics)
    path.write_text(json.dumps(rows))


def lost(tree, metric, number=2):
    """Take a figure away from the summary of a run whose table has it."""
    path = tree.runs[number] / "summary.json"
    summary = json.loads(path.read_text())
    del summary["metric"][metric]
    path.write_text(json.dumps(summary))


def in_summary(tree, metric, value, number=2):
    """Forge a figure in the summary of a run, whose table was honest."""
    path = tree.runs[number] / "summary.json"
    summary = json.loads(path.read_text())
    summary["metric"][metric] = value
    path.write_text(json.dumps(summary))


def table(tree, *rows, where="", name="results.json"):
    """Put a table of its own at a level of the tree."""
    path = tree.root / where / name
    if name.endswith(".json"):
        path.write_text(json.dumps(list(rows)))
        return
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def row(value, **changes):
    return {
        "Organization": "acme", "Division": "CLOSED", "Benchmark Type": "training", "Model": "Unet3D", "Name": "fastfs",
        "Training - Accelerator Type": "B200", COLUMN: value, **changes,
    }  # fmt: skip


PASSING = {
    "MLPS-TABLE-1": [
        valid,
        bandwidth(""),
        bandwidth(None),
        lambda t: (t.root / "closed" / "acme" / "results" / "results.json").unlink(),
        lambda t: (t.root / "closed" / "acme" / "results" / "results.json").write_text("{"),
        lambda t: (t.root / "closed" / "acme" / "results" / "results.json").write_text('{"a": 1}'),
        lambda t: bandwidth(round(recomputed(t), 2))(t),
        lambda t: bandwidth(f"{recomputed(t):,.2f}")(t),
        off_by(0.0049),
        off_by(-0.005),
        lambda t: table(t, row(1, Organization="other"), row(1, Name="slowfs"), row(1, Division="OPEN"), row(1, Model="RetinaNet")),
        lambda t: table(t, row(1, **{"Training - Accelerator Type": "MI355"}), row(1, **{"Benchmark Type": "kv_cache"}), {COLUMN: 1}, 7),
        lambda t: of_run(t, train_au_meet_expectation="?", note=3, epochs=None),
        lambda t: (lost(t, "train_io_mean_MB_per_second"), of_run(t, train_io_mean_MB_per_second=None)),
        lambda t: (lost(t, "train_io_mean_MB_per_second"), of_run(t, train_io_mean_MB_per_second="")),
        lambda t: (lost(t, "train_au_percentage"), of_run(t, train_au_percentage=[])),
        lambda t: table(t, {"run_id": "elsewhere", "metrics": {"train_au_mean_percentage": 1}}, where=f"{t.relpath}/run"),
        lambda t: table(t, {"run_id": t.runs[1].name, "metrics": [1]}, where=f"{t.relpath}/run"),
    ]
}

FAILING = {
    "MLPS-TABLE-1": [
        (off_by(0.0051), "a table and the runs disagree on a figure, and either may be wrong; measured"),
        (bandwidth(99.0), "measured 99.0 in the table, 45.8"),
        (bandwidth(99.0), " by the runs; required the same in both, but for rounding to two decimals; in closed/acme"),
        (lambda t: in_summary(t, "train_au_mean_percentage", 150.0), "either may be wrong; measured 97.2 in the table, 150.0 by the runs"),
        (off_by(-0.0051), f"closed/acme/results/results.json:row 1, {COLUMN}"),
        (bandwidth("fast"), "measured 'fast'"),
        (bandwidth(True), "measured True"),
        (bandwidth([45.87]), "measured [45.87]"),
        (lambda t: table(t, row(99.0)), "in results.json:row 1"),
        (lambda t: table(t, row(TRUE), row("99.0"), name="results.csv"), "in results.csv:row 2"),
        (lambda t: table(t, row(99.0, Model="", **{"Training - Accelerator Type": ""})), "measured 99.0"),
        (lambda t: table(t, row(99.0, Organization="?", Name="?", Division="?", Model="?"), where=t.relpath), "unet3d/results.json:row 1"),
        (lambda t: of_run(t, train_au_mean_percentage=99.0), "row 3, metrics.train_au_mean_percentage"),
        (lambda t: lost(t, "train_io_mean_MB_per_second"), "row 3, metrics.train_io_mean_MB_per_second"),
        (lambda t: lost(t, "train_io_mean_MB_per_second"), " in the table, none by the runs; required the same in both"),
        (lambda t: lost(t, "train_au_percentage"), "measured 5 values in the table, none by the runs"),
        (lambda t: of_run(t, train_au_percentage=[97.2] * 4), "measured 4 values in the table, 5 values by the runs"),
        (lambda t: of_run(t, train_au_percentage=[97.2] * 4 + [96.0]), "measured 96.0 in the table, 97"),
        (
            lambda t: table(
                t,
                {"run_id": f"/x/{t.runs[1].name}/", "metrics.train_au_mean_percentage": "1.5"},
                where=f"{t.relpath}/run",
                name="results.csv",
            ),
            "measured 1.5",
        ),
    ]
}
