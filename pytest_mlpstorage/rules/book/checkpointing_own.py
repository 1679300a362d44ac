"""Our own rule on checkpointing: whether the figures are what the run's files give."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.rules.checkpoint_files import check_checkpoint_files
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import runs_of
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


@rule("MLPS-METRIC-2", "checkpointMetricsAgreeWithRawFiles", subject=CheckpointingResult, editions=("2.0", "3.0"))
def metrics_agree(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Size, bandwidth and duration of every summary are what the model and the first rank's own times give.

    The size follows from the model's parameters and the ranks; the means are those of the checkpoints that rank 0 timed, as
    many as the run was asked for: none of it involves a clock, and it must agree. The rate and duration of each checkpoint
    must agree with its start and end as far as clocks do; there a difference is a warning. Times that are not there are no
    evidence.
    """
    for run in runs_of(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            yield from check_checkpoint_files(run, root=result.root)
