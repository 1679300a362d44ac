"""Checkpointing configurations planned on pretend hosts."""

from __future__ import annotations

import pretend_session

from pytest_mlpstorage.workloads.checkpointing import WORKLOAD

TINY = (
    "model.num_layers: 4, model.transformer: {vocab_size: 4096, hidden_size: 256, ffn_hidden_size: 1024, "
    "num_attention_heads: 8, num_kv_heads: 2}, checkpoint.time_between_checkpoints: 0s"
)
"""The model of training.md §5 that DLIO itself was run with: 5900544 + 35418624 bytes on each of 2 ranks."""


def text(entry, *, division="closed", section="", hosts=""):
    """A YAML with one entry, written as the inside of a mapping."""
    cluster = f"cluster:\n  hosts: [{hosts}]\n" if hosts else ""
    return (
        f"division: {division}\nsubmitter: acme\nsystem: box\n{cluster}checkpointing:\n"
        + "".join(f"  {line}\n" for line in section.splitlines())
        + "  workloads:\n"
        + f"    - {{{entry}}}\n"
    )


def session_of(folder, content, *assignments, **hosts):
    return pretend_session.session_of(WORKLOAD, folder, content, *assignments, **hosts)


def plan_of(folder, entry, *assignments, division="closed", section="", names="", **hosts):
    """The plan of the only case, and its session's configuration below it."""
    made = session_of(folder, text(entry, division=division, section=section, hosts=names), *assignments, **hosts)
    (case,) = made.cases("checkpointing")
    return made.plan(case)
