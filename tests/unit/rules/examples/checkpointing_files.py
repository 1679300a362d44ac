"""Trees of one run whose figures are, and are not, those of its files."""

import datetime as dt
import json

from checkpointing_tree import CheckpointingTree

from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult
write = CheckpointingTree.write


def valid(tree):
    """Leave the tree as it is."""


def _end_later(tree, seconds):
    def change(epoch):
        end = dt.datetime.fromisoformat(epoch["save_ckpt3"]["end"])
        epoch["save_ckpt3"]["end"] = (end + dt.timedelta(seconds=seconds)).isoformat()

    tree.stats(change)


def _rename_stats(tree):
    (tree.runs[0] / "0_per_epoch_stats.json").rename(tree.runs[0] / "per_epoch_stats.json")


def _scaled(tree, key, factor):
    return json.loads((tree.runs[0] / "summary.json").read_text())["metric"][key] * factor


def _no_counts(tree):
    """A run that does not say what it was asked for and made three checkpoints fewer."""
    tree.edit_metadata(
        lambda m: [
            part.pop(key, None)
            for part in (m["args"], m["parameters"]["checkpoint"])
            for key in ("num_checkpoints_write", "num_checkpoints_read")
        ]
    )
    tree.edit_metadata(lambda m: [m["override_parameters"].pop(f"checkpoint.num_checkpoints_{key}") for key in ("write", "read")])


PASSING = {
    "MLPS-METRIC-2": [
        valid,
        _rename_stats,
        lambda t: t.metric(save_checkpoint_io_mean_GB_per_second=_scaled(t, "save_checkpoint_io_mean_GB_per_second", 1 + 1e-7)),
        lambda t: _end_later(t, 0.019),
        lambda t: t.stats(lambda e: e["load_ckpt3"].pop("throughput")),
        lambda t: t.stats(lambda e: e["load_ckpt3"].pop("duration")),
        lambda t: t.stats(lambda e: e["save_ckpt3"].update(end=None)),
        lambda t: t.stats(lambda e: e["save_ckpt1"].update(duration=99.0), rank=1),
        lambda t: t.edit_summary(lambda s: s["metric"].pop("save_checkpoint_io_mean_GB_per_second")),
        _no_counts,
        lambda t: t.override("model.parallelism.data", 4),
        lambda t: (t.override("checkpoint.mode", "subset"), t.override("model.parallelism.data", "8")),
    ],
}

FAILING = {
    "MLPS-METRIC-2": [
        (lambda t: t.metric(checkpoint_size_GB=105), "not that of the model on these ranks; measured 105.0; required 104.705"),
        (lambda t: t.parameter("model.num_layers", 31), "not that of the model"),
        (lambda t: t.metric(save_checkpoint_io_mean_GB_per_second=15.0), "a mean of a summary is not that of the checkpoints; measured 15.0; required 14.86"),
        (lambda t: t.metric(load_checkpoint_duration_mean_seconds=8.0), "measured 8.0; required 8.5625"),
        (lambda t: t.stats(lambda e: e["save_ckpt3"].update(throughput=20.0)), "not its size over its duration; measured 20.0; required 15.51"),
        (lambda t: t.stats(lambda e: e["save_ckpt3"].update(throughput=20.0)), "a mean of a summary"),
        (lambda t: t.stats(lambda e: (e["save_ckpt1"].pop("throughput"), e["save_ckpt3"].update(throughput=20.0))), ":1.save_ckpt3.throughput"),
        (lambda t: t.stats(lambda e: e["save_ckpt3"].update(duration=0.5, throughput=20.0)), "measured 20.0; required 209.40"),
        (lambda t: t.stats(lambda e: e["save_ckpt3"].update(duration=0.5, throughput=2 * 104.70452117919922)), "a mean of a summary"),
        (lambda t: t.stats(lambda e: (e["save_ckpt3"].pop("throughput"), e["save_ckpt3"].update(duration=0.5))), "a mean of a summary"),
        (lambda t: t.stats(lambda e: (e["save_ckpt3"].pop("throughput"), e["save_ckpt3"].update(duration=0))), "a mean of a summary"),
        (lambda t: t.stats(lambda e: e["save_ckpt3"].update(duration=0)), "not its size over its duration; measured 15.51"),
        (lambda t: t.stats(lambda e: e["load_ckpt2"].update(duration=8.0)), ":1.load_ckpt2.duration"),
        (lambda t: _end_later(t, 0.021), "from its start to its end; measured 6.75; required 6.771"),
        (lambda t: _end_later(t, -0.021), "from its start to its end; measured 6.75; required 6.729"),
        (lambda t: t.stats(lambda e: e["load_ckpt2"].update(duration=8.0)), "from its start to its end; measured 8.0; required 8.125"),
        (lambda t: t.stats(lambda e: e.pop("load_ckpt10")), "checkpoints read than the run was asked for; measured 9; required 10"),
        (lambda t: t.stats(lambda e: e.update(save_ckpt11=e["save_ckpt10"])), "checkpoints written than the run was asked for; measured 11; required 10"),
        (lambda t: (t.runs[0] / "0_per_epoch_stats.json").write_text("[]"), "a file holds a JSON list, not an object; in closed/"),
        (lambda t: (t.runs[0] / "0_per_epoch_stats.json").write_text(""), "0_per_epoch_stats.json"),
    ],
}  # fmt: skip
