"""Where the hosts come from: a list in the YAML, a file, or the allocation that this process runs in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.config.allocation import NoHosts, find_allocation
from pytest_mlpstorage.config.host_file import Unreadable, read_host_file
from pytest_mlpstorage.config.problems import Problems, given
from pytest_mlpstorage.config.sections import PLACEHOLDER
from pytest_mlpstorage.config.tree import Entry, Fields, Items, Origin, Scalar

__all__ = ["ALLOCATION", "settle_hosts"]

ALLOCATION: Final = "allocation"
_FORMS: Final = "allowed one host a line: NAME, NAME slots=4 (Open MPI) or NAME:4 (MPICH)"


def settle_hosts(merged: Fields, environ: Mapping[str, str], base: Path, problems: Problems) -> Fields:
    """The settings with a list in ``cluster.hosts`` where ``allocation`` or a ``cluster.host_file`` stands for one.

    A relative file is taken from ``base``. What is wrong is noted, and then no ``cluster.hosts`` stands there.
    """
    cluster = merged.entries["cluster"].node if "cluster" in merged.entries else None
    if not isinstance(cluster, Fields):
        return merged
    hosts = cluster.entries["hosts"].node if "hosts" in cluster.entries else None
    file = cluster.entries["host_file"].node if "host_file" in cluster.entries else None
    if isinstance(file, Scalar) and isinstance(file.value, str) and file.text and not PLACEHOLDER.search(file.text):
        if hosts is not None:
            what = f"given {given(file)}, and {given(hosts)} for cluster.hosts by {hosts.origin.where}; allowed one of them"
            problems.add(file.origin, "cluster.host_file", what, code="MLPS-E113")
            return merged
        settled = _of_file(file, base, problems)
    elif isinstance(hosts, Scalar):
        settled = _of_word(hosts, environ, problems)
    else:
        return merged
    return _with_hosts(merged, cluster, settled)


def _with_hosts(merged: Fields, cluster: Fields, hosts: Items | None) -> Fields:
    entries = {name: entry for name, entry in cluster.entries.items() if name != "hosts"}
    if hosts is not None:
        entries["hosts"] = Entry(hosts.origin, hosts)
    whole = {**merged.entries, "cluster": Entry(merged.entries["cluster"].key_origin, Fields.of(cluster.origin, entries))}
    return Fields.of(merged.origin, whole)


def _of_word(word: Scalar, environ: Mapping[str, str], problems: Problems) -> Items | None:
    """The hosts that ``cluster.hosts: allocation`` means; any other word is noted."""
    if word.text != ALLOCATION:
        problems.bad_value("cluster.hosts", word, f"a list of hosts, or {ALLOCATION}", candidates=(ALLOCATION,))
        return None
    allocation = find_allocation(environ)
    if allocation is None:
        what = f"given {word.text!r}, and this process runs in no Slurm allocation (SLURM_JOB_ID is not set)"
        problems.add(
            word.origin, "cluster.hosts", f"{what}; allowed a list of hosts, or a start by: salloc -N 3 pytest …", code="MLPS-E121"
        )
        return None
    try:
        hosts = allocation.hosts()
    except NoHosts as error:
        problems.add(word.origin, "cluster.hosts", f"given {word.text!r}, and {error}; allowed a list of hosts", code="MLPS-E121")
        return None
    return _items([(name, slots, word.origin) for name, slots in hosts], _said(word.origin, str(allocation)))


def _of_file(file: Scalar, base: Path, problems: Problems) -> Items | None:
    """The hosts of a file; lines of the same host add up, as both MPIs read them."""
    found: dict[str, tuple[int | None, Origin]] = {}
    wrong = False
    try:
        path = base / Path(file.text).expanduser()
        for line in read_host_file(path):
            origin = Origin(file.origin.kind, f"{file.text}:{line.number}", line.number)
            if line.host is None:
                wrong = True
                problems.add(origin, "cluster.host_file", f"given {line.text[:60]!r}; {_FORMS}", code="MLPS-E121")
            elif line.host in found:
                before, first = found[line.host]
                found[line.host] = (before or 1) + (line.slots or 1), first
            else:
                found[line.host] = line.slots, origin
    except (Unreadable, RuntimeError) as error:  # pathlib raises RuntimeError for the home of nobody
        why = f"which {error}" if isinstance(error, Unreadable) else "which lies in a home directory that is not there"
        problems.add(file.origin, "cluster.host_file", f"given {given(file)}, {why}; allowed a file that names hosts", code="MLPS-E121")
        return None
    if not found and not wrong:
        problems.add(file.origin, "cluster.host_file", f"given {given(file)}, which names no host; {_FORMS}", code="MLPS-E121")
    return _items([(name, slots, origin) for name, (slots, origin) in found.items()], _said(file.origin, file.text)) if found else None


def _said(origin: Origin, source: str) -> Origin:
    return Origin(origin.kind, f"{source}, {origin}", origin.line, origin.column)


def _items(hosts: list[tuple[str, int | None, Origin]], origin: Origin) -> Items:
    texts = [(f"{name}:{slots}" if slots else name, place) for name, slots, place in hosts]
    return Items(tuple(Scalar(text, text, place, plain=False) for text, place in texts), origin)
