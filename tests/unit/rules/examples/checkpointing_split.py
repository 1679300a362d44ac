"""Trees of two runs, one that wrote and one that read, which the rules on how they fit together pass and fail."""

import functools
import shutil

from checkpointing_tree import GAP_SECONDS, INVOCATION_SECONDS, MARGIN_SECONDS, SPLIT, CheckpointingTree

from pytest_mlpstorage.results.records import CheckpointingResult

SUBJECT = CheckpointingResult
write = functools.partial(CheckpointingTree.write, invocations=SPLIT)

# The longest time between the runs that 4.7.1 allows, less what lies between them already.
TO_LIMIT = 30 - GAP_SECONDS


def valid(tree):
    """Leave the tree as it is."""


def _look(tree, time):
    """The writing run's hosts were looked at once more, by the clock of the tree's site."""
    tree.edit_metadata(
        lambda m: m.update(
            cluster_snapshots={
                "start": {"collection_timestamp": "2026-07-21T00:04:20Z"},
                "end": {"hosts": [{"collection_timestamp": time}]},
            }
        ),
        run=0,
    )


def _longer(tree, seconds, gap):
    """The reading run takes as long as this and begins one second less than it after the writing one ended."""
    tree.edit_metadata(lambda m: m.update(invocation_end_time="2026-07-21T01:00:00"), run=1)
    tree.move(gap - GAP_SECONDS, run=1)
    assert seconds > gap


def _third(tree):
    leaf = tree.result_dir / "20260721_002044"
    shutil.copytree(tree.runs[1], leaf)
    (leaf / f"checkpointing_{tree.runs[1].name}_metadata.json").rename(leaf / f"checkpointing_{leaf.name}_metadata.json")
    tree.move(INVOCATION_SECONDS + 500, run=2)


PASSING = {
    "2.1.22": [valid],
    "2.1.23": [valid],
    "2.1.24": [
        valid,
        lambda t: t.move(INVOCATION_SECONDS - GAP_SECONDS - 0.001, run=1),
        lambda t: t.move(-100, run=1),
        lambda t: _longer(t, 2 * INVOCATION_SECONDS, INVOCATION_SECONDS),
        lambda t: (t.forget_clock(), t.move(INVOCATION_SECONDS - GAP_SECONDS - 4 * MARGIN_SECONDS - 1, run=1)),
    ],
    "4.3.6": [
        valid,
        lambda t: t.metric(run=1, save_checkpoint_io_mean_GB_per_second=None),
        lambda t: t.metric(run=1, save_checkpoint_io_mean_GB_per_second=0),
    ],
    "4.7.1": [
        valid,
        lambda t: t.move(TO_LIMIT, run=1),
        lambda t: t.move(-GAP_SECONDS, run=1),
        lambda t: (t.forget_clock(), t.move(TO_LIMIT - 2 * MARGIN_SECONDS, run=1)),
        lambda t: (t.forget_clock(run=0), _look(t, "2026-07-21T00:08:24Z"), t.move(TO_LIMIT, run=1)),
        # A look at the hosts before the measurement ended, and no time at all, say nothing of its end.
        lambda t: (t.forget_clock(run=0), _look(t, "2026-07-21T00:04:20Z"), t.move(TO_LIMIT - MARGIN_SECONDS, run=1)),
        lambda t: (t.forget_clock(run=0), _look(t, "soon"), t.move(TO_LIMIT - MARGIN_SECONDS, run=1)),
        lambda t: t.edit_metadata(lambda m: [m["args"].pop(f"num_checkpoints_{k}") for k in ("read", "write")]),
    ],
    "4.7.2": [valid],
    "4.7.3": [
        valid,
        lambda t: t.capability(remap_time_in_seconds=2 * (GAP_SECONDS + 2 * MARGIN_SECONDS)),
        lambda t: t.capability(remap_time_in_seconds="20"),
        lambda t: (t.capability(remap_time_in_seconds=-5), t.move(-100, run=1)),
        lambda t: (t.capability(remap_time_in_seconds=0), t.move(-100, run=1)),
    ],
    "4.7.4": [valid],
    "SUB-CKP-1": [valid],
    "GATE-CKP-10": [valid],
    "MLPS-METRIC-2": [valid],
}

FAILING = {
    "2.1.24": [
        (lambda t: t.move(INVOCATION_SECONDS - GAP_SECONDS, run=1), "not shorter than the longer of them; measured 240 s; required less than 240 s"),
        (lambda t: t.move(INVOCATION_SECONDS, run=1), ":invocation_start_time"),
        (lambda t: (t.forget_clock(), t.move(INVOCATION_SECONDS, run=1)), "(an upper bound: the summaries' times); measured 262 s; required less than 228 s"),
        (lambda t: (t.forget_clock(run=0), t.move(INVOCATION_SECONDS, run=1)), "an upper bound"),
        (lambda t: (t.forget_clock(run=1), t.move(INVOCATION_SECONDS, run=1)), "an upper bound"),
        (lambda t: (t.forget_clock(run=1, fields=["invocation_end_time"]), t.move(INVOCATION_SECONDS, run=1)), "of them; measured 250 s"),
        (lambda t: t.metadata(run=1, **{f"invocation_{k}_time": "2026-07-21T00:20:00" for k in ("start", "end")}), "measured 696 s"),
        (_third, "measured 500 s; required less than 240 s"),
    ],
    "4.3.6": [
        (lambda t: t.metric(run=0, save_checkpoint_io_mean_GB_per_second=None), "that wrote checkpoints is missing"),
        (lambda t: t.metric(run=1, load_checkpoint_duration_mean_seconds="fast"), "that read checkpoints is missing or no number"),
    ],
    "4.7.1": [
        (lambda t: t.move(TO_LIMIT + 0.001, run=1), "too much time passed between writing and reading; measured 30.001 s; required at most 30 s"),
        (lambda t: t.move(TO_LIMIT + 1, run=1), ":invocation_start_time"),
        (lambda t: (t.forget_clock(), t.move(TO_LIMIT, run=1)), "measured 42 s"),
        (lambda t: (t.forget_clock(run=0), t.move(TO_LIMIT, run=1)), "measured 36 s"),
        (lambda t: (t.forget_clock(run=0), _look(t, "2026-07-21T00:08:19Z"), t.move(TO_LIMIT, run=1)), "measured 35 s"),
        (lambda t: t.move(-GAP_SECONDS - 1, run=1), "by their clocks the reading run began before the writing one ended; measured -1 s"),
        (lambda t: t.move(-100, run=1), "read while they were still written"),
        (lambda t: (t.args(run=0, num_checkpoints_read=1)), "not those of a closed result"),
        (lambda t: (t.args(run=0, num_checkpoints_write=0, num_checkpoints_read=10), t.args(run=1, num_checkpoints_write=10, num_checkpoints_read=0)), "measured (0, 10), (10, 0)"),
        (lambda t: (t.forget_clock(run=1), t.edit_summary(lambda s: s.pop("start"), run=1)), "nothing says when the reading run began"),
        (lambda t: (t.forget_clock(run=0), t.edit_summary(lambda s: s.update(end="never"), run=0)), "nothing says when the writing run ended"),
        (lambda t: t.edit_summary(lambda s: s.pop("start"), run=1), "the summary has no usable start"),
        (lambda t: t.edit_summary(lambda s: s.pop("end"), run=0), "the summary has no usable end"),
    ],
    "4.7.2": [
        (lambda t: t.edit_summary(lambda s: s.pop("start"), run=0), "has no usable start"),
        (lambda t: t.edit_summary(lambda s: s.update(end="late"), run=1), "has no usable end"),
        (valid, "the time from the first write to the last read; measured 478 s"),
    ],
    "4.7.3": [
        (lambda t: t.capability(remap_time_in_seconds=45), "measured 22 s; required at least 0.5 × 45 s"),
        (lambda t: t.capability(remap_time_in_seconds="60"), "needs for remapping"),
        (lambda t: (t.capability(remap_time_in_seconds=1), t.move(-22, run=1)), "measured 0 s; required at least 0.5 × 1 s"),
    ],
    "SUB-CKP-1": [(lambda t: t.parameter("checkpoint.num_checkpoints_write", 10, run=1), "checkpoints written; measured 20; required 10")],
}  # fmt: skip
