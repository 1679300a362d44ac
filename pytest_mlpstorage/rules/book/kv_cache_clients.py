"""Rules on the clients of a KV cache run and where they work (sections 6.3.3 and 6.4)."""

from __future__ import annotations

import itertools
import posixpath
from collections import Counter
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import boolean, integer
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, LeafMetadata
from pytest_mlpstorage.rules.filesystems import SIDECAR
from pytest_mlpstorage.rules.kv_cache_commands import passes_of, recorded_options
from pytest_mlpstorage.rules.kv_cache_runs import cache_book, ranks_of, with_metadata, with_summary
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_SAME = "ranks = hosts × ranks a host, at least 1 of each"

_MOST = 100
"""Trials of an option, and options, that are looked for by name: a summary that claims more is answered for as many."""


@rule("6.3.3.1", "kvcacheClientDefinition", subject=KVCacheResult, editions=("3.0",))
def client_definition(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A client is an MPI rank, every host has as many, and every option and pass had all of them.

    Where nothing else was asked for there is one on each host.
    """
    run = with_summary(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, summary = run
    total, hosts, per_node = summary.total_ranks, summary.host_count, summary.npernode
    for key, value in (("total_ranks", total), ("host_count", hosts), ("npernode", per_node)):
        if value is None:
            yield NoEvidence(f"the summary has no usable {key}", summary.path)
    if total is None or hosts is None or per_node is None:
        return
    if min(total, hosts, per_node) < 1 or total != hosts * per_node:
        yield Finding(
            "the clients are not the same number on every host",
            measured=f"{total} ranks, {hosts} hosts, {per_node} a host",
            required=_SAME,
            file=summary.path,
            field="total_ranks",
        )
    else:
        yield Met(f"{total} ranks = {hosts} hosts × {per_node}", _SAME)
    for option in summary.options.values():
        if option.rank_count is not None and option.rank_count != total:
            yield Finding(
                f"option {option.number} did not have every client",
                measured=option.rank_count,
                required=total,
                file=summary.path,
                field=f"options.{option.number}.rank_count",
            )
        elif option.rank_count is not None:
            yield _all(total)
    if leaf.metadata is None:
        yield NoEvidence("metadata could not be read", leaf.relpath)
    else:
        yield from _asked(leaf, leaf.metadata, total, per_node)


def _all(total: int) -> Met:
    return Met(f"{total} ranks", f"{total} ranks asked for and in every option and pass")


def _asked(leaf: Leaf, metadata: LeafMetadata, total: int, per_node: int) -> Iterator[Finding | Met]:
    """What the launcher and the tool were told, against the ranks that took part."""
    file = metadata.path or leaf.relpath
    passes = passes_of(metadata)
    a_host = Met(f"{per_node} a host", f"{per_node} a host in every pass")
    for counts, wanted, what, met in (
        ({p.processes for p in passes}, total, "ranks", _all(total)),
        ({p.per_node for p in passes}, per_node, "ranks a host", a_host),
    ):
        for count in sorted(count for count in counts if count is not None and count != wanted):
            yield Finding(
                f"a pass was started with another number of {what} than the summary says",
                measured=count,
                required=wanted,
                file=file,
                field="command_output_files",
            )
        if counts - {None} == {wanted}:
            yield met
    # args.npernode is not asked: real ones say 1 where the command and the summary say 6. What ran is believed.
    processes = metadata.num_processes
    told = any(value is not None for p in passes for value in (p.processes, p.per_node)) or metadata.args.get("npernode") is not None
    if processes is not None and processes != total:
        yield Finding(
            "the tool was asked for another number of ranks than took part",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            measured=processes,
            required=total,
            file=file,
            field="num_processes",
        )
    elif processes is not None:
        yield _all(total)
    elif not told and per_node != 1:
        yield Finding("nothing asked for more than one client on a host", measured=per_node, required=1, file=file, field="num_processes")
    elif not told:
        yield Met(f"{per_node} a host", "1 a host where nothing else is asked for")


@rule("6.3.3.2", "kvcacheScaleUpModel", subject=KVCacheResult, editions=("3.0",), preflight=True)
def scale_up_model(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every client runs the whole number of users of its option, however many clients there are.

    In the closed division that is the edition's number. An open run may have another one, the same for every pass of an option.
    """
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    file = metadata.path or leaf.relpath
    for number, option in cache_book(edition).options.items():
        records = [r for r in recorded_options(metadata, number) if "num-users" in r.values]
        by_table = any(p.by_table for p in passes_of(metadata) if p.option == number)
        if not records and not by_table:
            yield NoEvidence(f"no record says how many users a client of option {number} had", file)
            continue
        users = {integer(r.values["num-users"]): r for r in records}
        closed = result.division is Division.CLOSED
        wanted = option.users_per_client if closed else next(iter(users), None)
        required = f"{wanted} users in option {number}" if closed else f"open division: one number of users in option {number}"
        if not users:
            yield Met("as in the program's own table", required)
        for count, recorded in users.items():
            if count is None or count != wanted:
                yield Finding(
                    f"a client of option {number} did not have all of its users",
                    measured=shown(recorded.values["num-users"]),
                    required=wanted if closed else "one number of users in every pass",
                    file=file,
                    field=recorded.field,
                )
            else:
                yield Met(f"{count} users a client", required)


@rule("6.3.3.3", "kvcachePerClientIsolation", subject=KVCacheResult, editions=("3.0",))
def client_isolation(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every client left one file of results of its own in every trial of every option: ranks 0 and up, none twice, none left out."""
    run = with_summary(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, summary = run
    if summary.total_ranks is None or summary.trials_per_option is None:
        missing = "total_ranks" if summary.total_ranks is None else "trials_per_option"
        yield NoEvidence(f"the summary has no usable {missing}", summary.path)
    elif not ranks_of(leaf):
        # That there is none at all is the finding of the rule on files.
        yield NoEvidence("there are no files of ranks", leaf.relpath)
    else:
        yield from _isolation(leaf, summary, summary.total_ranks, summary.trials_per_option)


def _isolation(leaf: Leaf, summary: KVCacheSummary, total: int, trials: int) -> Iterator[Finding | Met]:
    files: dict[tuple[int, int], Counter[int]] = {}
    for name in ranks_of(leaf):
        files.setdefault((name.option, name.trial), Counter())[name.rank] += 1
    every = ((option, trial) for option in summary.options for trial in range(min(trials, _MOST)))
    wanted = dict.fromkeys(itertools.islice(every, _MOST * _MOST))
    for place in (*wanted, *sorted(files.keys() - wanted.keys())):
        ranks = files.get(place, Counter())
        where = f"{leaf.relpath}/option_{place[0]}/trial_{place[1]}"
        if place not in wanted:
            yield Finding("there are files of a trial that the summary does not know", file=where)
            continue
        foreign = sorted(rank for rank in ranks if rank >= total)
        here = len(ranks) - len(foreign)
        if here < total:
            yield Finding("a trial lacks files of ranks", measured=f"{here} ranks", required=f"{total} ranks", file=where)
        if foreign:
            yield Finding(
                "there are files of ranks that took no part", measured=f"rank {foreign[0]}", required=f"ranks 0 to {total - 1}", file=where
            )
        twice = sorted(rank for rank, count in ranks.items() if count > 1)
        if twice:
            yield Finding(
                "a rank left more than one file in one trial", measured=ranks[twice[0]], required=1, file=f"{where}/rank_{twice[0]}"
            )
        if here == total and not foreign and not twice:
            yield Met(f"{here} ranks", f"one file of each of {total} ranks in each of {len(wanted)} trials")


@rule("6.4.1", "kvcachePosixCacheDir", subject=KVCacheResult, editions=("3.0",), preflight=True)
def cache_directory(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of the cache and the results directory are both given, are not the same, and lie on different filesystems.

    Whether the filesystems differ is known only where the run left ``fs_separation.json``, which no rule demands of it.
    """
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    file = metadata.path or leaf.relpath
    caches, results = (_paths(metadata.args.get(key)) for key in ("cache_dir", "results_dir"))
    for key, paths in (("cache_dir", caches), ("results_dir", results)):
        if not paths:
            yield Finding(f"the command line gave no {key}", required=f"args.{key}", file=file, field=f"args.{key}")
    for path in sorted(set(caches) & set(results)):
        yield Finding(
            "cache and results are in one directory", measured=shown(path), required="two directories", file=file, field="args.cache_dir"
        )
    for path in caches:
        if results and path not in results:
            yield Met(f"cache in {shown(path)}", f"another directory than the results' {shown(results[0])}")
    if not leaf.planned:
        yield from _separation(result, leaf)


def _paths(value: object) -> tuple[str, ...]:
    """The directories that an argument names: one, or (an open run's caches) several; two spellings of one are the same."""
    given = value if isinstance(value, list) else [value]
    return tuple(posixpath.normpath(path) for path in given if isinstance(path, str) and path)


def _separation(result: KVCacheResult, leaf: Leaf) -> Iterator[Finding | NoEvidence | Met]:
    file = f"{leaf.relpath}/{SIDECAR}"
    if SIDECAR not in leaf.files:
        yield Finding(
            "nothing shows whether cache and results lie on different filesystems",
            severity=Severity.INFO,
            category=Category.CLOSED,
            file=leaf.relpath,
        )
        return
    record = TreeFiles(result.root).json_object(leaf.path / SIDECAR) if SIDECAR not in leaf.pruned else None
    same = boolean(record.get("same_filesystem")) if record is not None else None
    if same is None:
        yield NoEvidence(f"{SIDECAR} does not say whether cache and results lie on one filesystem", file)
    elif same:
        yield Finding("cache and results lie on one filesystem", required="two filesystems", file=file, field="same_filesystem")
    else:
        yield Met("two filesystems", "two filesystems, where it is recorded")
