"""Trees for the rules on a KV cache run's clients, figures and files: the valid tree, changed in one place."""

import math
import shutil

from kv_cache_tree import KVCacheTree

from pytest_mlpstorage.results.records import KVCacheResult

SUBJECT = KVCacheResult
write = KVCacheTree.write


def valid(tree):
    """Leave the tree as it is."""


def _older_name(tree):
    (tree.leaf / "summary.json").rename(tree.leaf / f"kvcache_run_summary_{tree.leaf.name}.json")


def _second_run(tree, **changes):
    """Add a later run, a copy of the first, and change its summary."""
    later = tree.leaf.with_name("20260722_000000")
    shutil.copytree(tree.leaf, later)
    (later / f"kv_cache_{tree.leaf.name}_metadata.json").rename(later / f"kv_cache_{later.name}_metadata.json")
    tree.edit_summary(lambda s: s.update(changes), run=1)


def _without_device_latency(tree):
    for option in (1, 2, 3):
        tree.option(option, aggregated_device_read_p95_ms=..., aggregated_device_write_p95_ms=...)


def _cache(tree, option, **values):
    """Change the cache statistics of every rank of one option; ``...`` removes a key."""

    def change(rank):
        stats = rank["summary"]["cache_stats"]
        for key, value in values.items():
            if value is ...:
                stats.pop(key, None)
            else:
                stats[key] = value

    tree.edit_ranks(change, option=option)


def _empty(tree, option):
    _cache(tree, option, storage_entries=0)


def _empty_unknown_option(tree):
    """Add an option that the edition does not have, of which no command is recorded, and let it keep nothing on storage."""
    shutil.copytree(tree.leaf / "option_1", tree.leaf / "option_4")
    tree.edit_summary(lambda s: s["options"].update({"4": s["options"]["1"]}))
    _empty(tree, 4)


def _with_memory(tree, option=3):
    passes = range(3 * option - 3, 3 * option)
    tree.command("--cpu-mem-gb 0", "--cpu-mem-gb 32", passes=passes)


def _on_one_host(tree):
    """One rank on each of four hosts, as where nothing else is asked for."""
    tree.edit_summary(lambda s: s.update(npernode=1, host_count=4))
    tree.command("-n 4 -host a:2,b:2 --npernode 2", "-host a,b,c,d")
    tree.edit_metadata(lambda m: (m.update(num_processes=None), m["args"].pop("npernode")))


def _one_trial(tree):
    """Keep the first trial alone."""
    for option in (1, 2, 3):
        for trial in (1, 2):
            shutil.rmtree(tree.leaf / f"option_{option}" / f"trial_{trial}")
        read = sum(option + rank / 64 for rank in range(4))
        figures = {"storage_throughput_tokens_per_sec": 10 * read, "avg_throughput_tokens_per_sec": 100 * read}
        tree.option(option, trial_count=1, **{f"aggregated_{key}": value for key, value in figures.items()})


def _nested(tree):
    """Put the cache's statistics at the top of every rank's file."""
    for option in (1, 2, 3):
        tree.edit_ranks(lambda r: r.update(cache_stats=r["summary"].pop("cache_stats")), option=option)


PASSING = {
    "6.3.3.1": [
        valid,
        _on_one_host,
        lambda t: t.args(npernode=1),
        lambda t: t.edit_metadata(lambda m: m.update(num_processes=None)),
        lambda t: t.option(1, rank_count=...),
        lambda t: t.edit_metadata(lambda m: m.update(command_output_files=[], num_processes=None)),
        lambda t: t.edit_summary(lambda s: s.update(npernode="2", total_ranks=4.0)),
    ],
    "6.3.3.2": [valid, lambda t: t.command("--num-users 200", "--num-users=200")],
    "6.3.3.3": [valid, lambda t: t.rank_file().write_text("PRUNED BY STAFF\n"), lambda t: t.rank_file().write_text("{")],
    "6.3.4.1": [
        valid,
        _nested,
        lambda t: t.option(2, aggregated_read_bandwidth_gbps="8.59375"),
        lambda t: t.edit_summary(
            lambda s: s["options"]["1"].update({k: v * (1 + 5e-7) for k, v in s["options"]["1"].items() if "bandwidth" in k})
        ),
        _older_name,
    ],
    "6.3.4.2": [
        valid,
        lambda t: t.option(1, rank_count=..., trial_count=...),
        _one_trial,
        lambda t: t.option(1, aggregated_avg_throughput_tokens_per_sec=...),
    ],
    "6.3.4.3": [
        valid,
        _without_device_latency,
        lambda t: t.edit_rank(lambda r: r["summary"]["cache_stats"].update(storage_entries=0, storage_read_device_p95_ms=None)),
    ],
    "6.3.4.4": [
        valid,
        lambda t: t.edit_rank(lambda r: r["summary"]["cache_stats"].update(storage_entries=0)),
        lambda t: _cache(t, 1, storage_entries=...),
        lambda t: t.remove_ranks(),
        lambda t: (t.remove_ranks(), t.option(1, cpu_tier_ranks=[0, 1, 2])),
    ],
    "6.3.4.5": [
        valid,
        _without_device_latency,
        lambda t: t.remove_ranks(),
        lambda t: (_empty(t, 2), t.option(2, aggregated_read_bandwidth_gbps=0)),
    ],
    "6.4.1": [
        valid,
        lambda t: (t.leaf / "fs_separation.json").unlink(),
        lambda t: t.args(cache_dir=["/a", "/b"]),
    ],
    "REP-KVC-1": [
        valid,
        _older_name,
        lambda t: _second_run(t, partial_failure=True),
        _second_run,
        lambda t: t.edit_summary(lambda s: s.pop("trial_failures")),
    ],
    "MLPS-FILES-1": [
        valid,
        lambda t: [path.write_text("PRUNED BY STAFF") for path in t.leaf.glob("option_*/*/*/*.json")],
        lambda t: (t.leaf / f"kv_cache_{t.leaf.name}_metadata.json").unlink(),
        lambda t: t.edit_metadata(lambda m: m.update(num_processes="many")),
        lambda t: t.edit_summary(lambda s: s.update(num_hosts="many")),
    ],
}

FAILING = {
    "6.3.3.1": [
        (lambda t: t.edit_summary(lambda s: s.update(npernode=3)), "4 ranks, 2 hosts, 3 a host"),
        (lambda t: t.edit_summary(lambda s: s.update(host_count=1, npernode=2)), "not the same number on every host"),
        (lambda t: t.edit_summary(lambda s: s.update(total_ranks=0, npernode=0)), "at least 1 of each"),
        (lambda t: t.edit_summary(lambda s: s.update(total_ranks=4, host_count=-2, npernode=-2)), "at least 1 of each"),
        (lambda t: t.option(3, rank_count=3), "option 3 did not have every client; measured 3; required 4"),
        (lambda t: t.command("-n 4", "-np 8", passes=(5,)), "another number of ranks than the summary says; measured 8; required 4"),
        (lambda t: t.command("--npernode 2", "--npernode 4"), "another number of ranks a host than the summary says; measured 4"),
        (lambda t: t.edit_metadata(lambda m: m.update(num_processes=8)), "asked for another number of ranks than took part; measured 8"),
        (
            lambda t: (
                t.edit_metadata(lambda m: (m.update(num_processes=None), m["args"].pop("npernode"))),
                t.command("-n 4 -host a:2,b:2 --npernode 2", "-host a,b"),
            ),
            "nothing asked for more than one client on a host; measured 2",
        ),
    ],
    "6.3.3.2": [
        (
            lambda t: t.command("--num-users 200", "--num-users 50", passes=(0, 1, 2)),
            "option 1 did not have all of its users; measured 50; required 200",
        ),
        (lambda t: t.command("--num-users 70", "--num-users 71", passes=(8,)), "measured 71; required 70"),
        (lambda t: t.command("--num-users 70", "--num-users many", passes=(8,)), "measured many"),
    ],
    "6.3.3.3": [
        (lambda t: t.rank_file(3, 2, 3).unlink(), "lacks files of ranks; measured 3 ranks; required 4 ranks"),
        (lambda t: shutil.rmtree(t.leaf / "option_1" / "trial_2"), "measured 0 ranks"),
        (
            lambda t: shutil.copy(t.rank_file(), t.rank_file().with_name("kvcache_results_x.json")),
            "more than one file in one trial; measured 2; required 1",
        ),
        (lambda t: t.rank_file().parent.rename(t.rank_file().parent.with_name("rank_4")), "measured rank 4; required ranks 0 to 3"),
        (lambda t: t.rank_file().parent.rename(t.rank_file().parent.with_name("rank_4")), "measured 3 ranks"),
        (lambda t: (t.leaf / "option_1" / "trial_0").rename(t.leaf / "option_1" / "trial_3"), "that the summary does not know"),
        (lambda t: (t.leaf / "option_1").rename(t.leaf / "option_4"), "that the summary does not know"),
        (lambda t: t.edit_summary(lambda s: s.update(trials_per_option=10**9)), "lacks files of ranks"),
        (lambda t: t.edit_summary(lambda s: s.update(total_ranks=10**18)), "required 1000000000000000000 ranks"),
    ],
    "6.3.4.1": [
        (lambda t: t.option(1, aggregated_read_bandwidth_gbps=99.0), "measured 99.0"),
        (lambda t: t.option(3, aggregated_write_bandwidth_gbps=0.0), "options.3.aggregated_write_bandwidth_gbps"),
        (lambda t: t.option(3, aggregated_write_bandwidth_gbps=...), "measured missing"),
        (lambda t: t.option(3, aggregated_write_bandwidth_gbps=math.nan), "measured nan"),
        (
            lambda t: t.edit_rank(lambda r: r["summary"]["cache_stats"].update(tier_storage_read_bandwidth_gbps=0.5), option=2, rank=3),
            "option 2",
        ),
        (
            lambda t: t.edit_summary(
                lambda s: s["options"]["1"].update(
                    aggregated_read_bandwidth_gbps=s["options"]["1"]["aggregated_read_bandwidth_gbps"] * (1 + 3e-6)
                )
            ),
            "option 1",
        ),
        (lambda t: (_older_name(t), _cache(t, 1, tier_storage_write_bandwidth_gbps=1.0)), "kvcache_run_summary_"),
    ],
    "6.3.4.2": [
        (lambda t: t.option(1, aggregated_storage_throughput_tokens_per_sec=1.0), "options.1.aggregated_storage_throughput_tokens_per_sec"),
        (lambda t: t.option(2, aggregated_storage_throughput_tokens_per_sec=...), "measured missing"),
        (lambda t: (t.rank_file().unlink(), t.option(2, aggregated_storage_throughput_tokens_per_sec=1.0)), "option 2"),
        (lambda t: t.option(2, aggregated_avg_throughput_tokens_per_sec=1.0), "aggregated_avg_throughput_tokens_per_sec"),
        (lambda t: t.edit_rank(lambda r: r["summary"].update(storage_throughput_tokens_per_sec=0)), "option 1"),
    ],
    "6.3.4.3": [
        (lambda t: t.option(1, aggregated_device_read_p95_ms=1003.0), "measured 1003.0; required 1100.0"),
        (lambda t: t.option(3, aggregated_device_write_p95_ms=1500.0), "required 1550.0"),
        (lambda t: t.option(3, aggregated_device_write_p95_ms=None), "measured missing"),
        (
            lambda t: t.edit_rank(
                lambda r: r["summary"]["cache_stats"].update(storage_read_device_p95_ms=9999.0), option=2, trial=2, rank=3
            ),
            "required 9999.0",
        ),
    ],
    "6.3.4.4": [
        (_empty_unknown_option, "no client of option 4 kept anything on storage, though it had no memory"),
        (lambda t: _empty(t, 1), "option 1 kept anything on storage, though it had no memory"),
        (lambda t: _empty(t, 3), "option 3 kept anything on storage, though it had no memory"),
        (lambda t: _empty(t, 2), "its latency is not that of storage"),
        (lambda t: (_empty(t, 3), _with_memory(t)), "its latency is not that of storage"),
        (lambda t: (_empty(t, 3), t.command("--gpu-mem-gb 0", "--gpu-mem-gb 1")), "its latency is not that of storage"),
        (lambda t: (_empty(t, 2), t.command("--cpu-mem-gb 4", "--cpu-mem-gb 0")), "though it had no memory"),
        (lambda t: (_empty(t, 2), t.edit_metadata(lambda m: m.update(command_output_files=[]))), "its latency is not that of storage"),
        (lambda t: (_empty(t, 1), t.edit_metadata(lambda m: m.update(command_output_files=[]))), "though it had no memory"),
        (lambda t: (t.remove_ranks(), t.option(1, cpu_tier_ranks=[0, 1, 2, 3])), "option 1"),
    ],
    "6.3.4.5": [
        (lambda t: t.edit_summary(lambda s: s["options"].pop("2")), "option 2 has no result"),
        (lambda t: t.edit_summary(lambda s: s.pop("options")), "option 1 has no result"),
        (lambda t: t.edit_summary(lambda s: s.pop("total_ranks")), "how many clients"),
        (lambda t: t.edit_summary(lambda s: s.update(total_ranks="all")), "how many clients took part; measured all"),
        (lambda t: t.option(1, aggregated_read_bandwidth_gbps=...), "option 1 has no aggregated_read_bandwidth_gbps"),
        (lambda t: t.option(3, aggregated_write_bandwidth_gbps=None), "option 3 has no aggregated_write_bandwidth_gbps"),
        (lambda t: t.option(2, aggregated_storage_throughput_tokens_per_sec=0), "measured 0; required a number above 0"),
        (lambda t: t.option(1, aggregated_read_bandwidth_gbps=0.0), "measured 0.0"),
        (lambda t: (_empty(t, 2), t.option(2, aggregated_read_bandwidth_gbps=-1)), "measured -1"),
    ],
    "6.4.1": [
        (lambda t: t.args(cache_dir="/results/"), "one directory; measured /results"),
        (lambda t: t.args(cache_dir=["/a", "/results"]), "one directory"),
        (lambda t: t.args(cache_dir=None), "gave no cache_dir"),
        (lambda t: t.args(results_dir=""), "gave no results_dir"),
        (lambda t: (t.leaf / "fs_separation.json").write_text('{"same_filesystem": "true"}'), "one filesystem"),
        (lambda t: (t.leaf / "fs_separation.json").unlink(), "nothing shows whether"),
    ],
    "REP-KVC-1": [
        (
            lambda t: t.edit_summary(lambda s: s.update(partial_failure=True)),
            "no run is free of errors; of the latest: a part of it failed",
        ),
        (lambda t: (t.option(1, partial_failure=True), t.option(3, partial_failure=True)), "a part of it failed (option 1, 3)"),
        (lambda t: t.option(2, partial_failure="true"), "a part of it failed (option 2)"),
        (lambda t: t.edit_summary(lambda s: s.update(trial_failures={"1": {"0": 1}})), "a trial ended with an error"),
        (
            lambda t: (t.edit_summary(lambda s: s.update(trial_failures=[1])), t.option(3, missing_files=["/x/rank_3"])),
            "a trial ended with an error; 1 files of ranks are missing",
        ),
        (
            lambda t: (_second_run(t, trial_failures=[1]), t.edit_summary(lambda s: s.update(partial_failure=True), run=1)),
            "a part of it failed; a trial ended with an error",
        ),
        (lambda t: t.option(3, missing_files=["/x/rank_3"]), "1 files of ranks are missing"),
        (lambda t: (t.leaf / "summary.json").unlink(), "no summary that could be read"),
        (lambda t: (t.leaf / "summary.json").write_text("{"), "no summary that could be read"),
        (lambda t: _second_run(t, trial_failures=["x"]), "a run is not published, nor judged by the rules on its figures: a trial ended"),
        (_second_run, "a later one is"),
    ],
    "MLPS-FILES-1": [
        (lambda t: (t.leaf / "summary.json").unlink(), "lacks a file; required summary.json"),
        (lambda t: t.remove_ranks(), "required option_*/trial_*/rank_*/kvcache_results_*.json"),
        (_older_name, "older name, by which the official report does not find it"),
        (lambda t: (t.leaf / "summary.json").write_text("[]"), "not an object"),
        (lambda t: (t.leaf / f"kv_cache_{t.leaf.name}_metadata.json").write_text("{"), "a file is no JSON"),
        (lambda t: (_older_name(t), (t.leaf / f"kvcache_run_summary_{t.leaf.name}.json").write_text("{")), "a file is no JSON"),
    ],
}
