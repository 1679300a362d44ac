"""Whether DLIO can run with so many ranks on each host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mlpstorage.verdict import Finding

__all__ = ["uneven_ranks"]


def uneven_ranks(placement: Sequence[int], field: str) -> Iterator[Finding]:
    """Hosts with different numbers of ranks: DLIO then waits without end, before its first file (MLPS-DLIO-3).

    Its ranks sum up figures in arrays with one element a host, and each counts the hosts as all ranks divided by those beside it.
    Three ranks on two hosts think that there are one host and three, and their reduction never ends.
    """
    if len(set(placement)) > 1:
        yield Finding(
            "DLIO waits without end where hosts run different numbers of ranks",
            measured=f"{', '.join(map(str, placement[:8]))}{' …' if len(placement) > 8 else ''} ranks on {len(placement)} hosts",
            required=f"a multiple of {len(placement)} ranks, or slots that are alike",
            field=field,
            rule="MLPS-DLIO-3",
        )
