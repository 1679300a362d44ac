"""Trees in which what a rule on the KV cache reads is not there: what it must say is lacking, by rule."""

import shutil


def without_metadata(tree):
    (tree.leaf / f"kv_cache_{tree.leaf.name}_metadata.json").unlink()


def without_commands(tree):
    tree.edit_metadata(lambda m: m.update(command_output_files=[]))


def recorded_alone(tree, number, **parameters):
    """Record parameters of one option, and no command line of any."""
    without_commands(tree)
    tree.edit_metadata(lambda m: m["parameters"].update(options={str(number): parameters}))


LACKING = (
    *((id, without_metadata, "metadata could not be read") for id in ("6.3.1.1", "6.3.2.1", "6.3.2.2", "6.3.3.1", "6.3.3.2", "6.4.1", "6.6.1")),
    ("MLPS-ENGINE-1", without_metadata, "metadata could not be read"),
    *((id, lambda t: (t.leaf / "summary.json").unlink(), "the summary could not be read") for id in ("6.3.3.1", "6.3.3.3", "6.3.4.1", "6.3.4.2", "6.3.4.3", "6.3.4.4", "6.3.4.5")),
    ("6.3.1.1", without_commands, "no command line of option 2 is recorded"),
    ("6.3.1.1", lambda t: (without_commands(t), t.edit_summary(lambda s: s.pop("options"))), "no command line of option 2"),
    ("6.3.1.1", lambda t: (without_commands(t), (t.leaf / "summary.json").unlink(), t.remove_ranks()), "no command line of option 2"),
    ("6.3.2.1", lambda t: t.args(seed=None), "no args.seed"),
    ("6.3.2.1", lambda t: t.args(trials=None), "no args.trials"),
    ("6.3.2.1", lambda t: t.args(inter_option_delay=None), "no args.inter_option_delay"),
    ("6.3.2.2", lambda t: (without_commands(t), t.remove_ranks()), "neither a command line nor a rank's file"),
    ("6.3.3.1", lambda t: t.edit_summary(lambda s: s.pop("npernode")), "no usable npernode"),
    ("6.3.3.1", lambda t: t.edit_summary(lambda s: s.update(host_count="two")), "no usable host_count"),
    ("6.3.3.1", lambda t: t.edit_summary(lambda s: s.update(total_ranks=None)), "no usable total_ranks"),
    ("6.3.3.2", without_commands, "how many users a client of option 3 had"),
    ("6.3.3.3", lambda t: t.remove_ranks(), "there are no files of ranks"),
    ("6.3.3.3", lambda t: t.edit_summary(lambda s: s.pop("total_ranks")), "no usable total_ranks"),
    ("6.3.3.3", lambda t: t.edit_summary(lambda s: s.pop("trials_per_option")), "no usable trials_per_option"),
    ("6.3.4.1", lambda t: t.rank_file(2, 1, 3).unlink(), "ranks of option 2 could not all be read"),
    ("6.3.4.1", lambda t: t.rank_file(2, 1, 3).write_text("["), "ranks of option 2 could not all be read"),
    ("6.3.4.1", lambda t: t.rank_file(3).write_text("PRUNED BY STAFF"), "option 3 could not all be read (pruned by their publisher)"),
    ("6.3.4.1", lambda t: t.option(1, rank_count=3), "ranks of option 1 could not all be read"),
    ("6.3.4.1", lambda t: t.option(1, trial_count=2), "ranks of option 1 could not all be read"),
    ("6.3.4.1", lambda t: (t.option(1, trial_count=0), shutil.rmtree(t.leaf / "option_1")), "ranks of option 1 could not all be read"),
    ("6.3.4.1", lambda t: shutil.rmtree(t.leaf / "option_3" / "trial_2"), "ranks of option 3 could not all be read"),
    ("6.3.4.1", lambda t: t.edit_rank(lambda r: r["summary"]["cache_stats"].pop("tier_storage_read_bandwidth_gbps")), "a rank of option 1 lacks"),
    ("6.3.4.1", lambda t: t.edit_ranks(lambda r: r["summary"]["cache_stats"].update(tier_storage_read_bandwidth_gbps=1e308), option=1), "a rank of option 1 lacks"),
    ("6.3.4.2", lambda t: t.edit_rank(lambda r: r.pop("summary")), "a rank of option 1 lacks"),
    ("6.3.4.2", lambda t: t.rank_file().unlink(), "ranks of option 1"),
    ("6.3.4.3", lambda t: t.rank_file().unlink(), "ranks of option 1"),
    ("6.3.4.3", lambda t: t.edit_rank(lambda r: r["summary"]["cache_stats"].pop("storage_read_device_p95_ms")), "lacks the value"),
    ("6.3.4.4", lambda t: (t.remove_ranks(), t.option(1, cpu_tier_ranks=...)), "kept anything on storage"),
    ("6.3.4.4", lambda t: (t.remove_ranks(), t.option(2, cpu_tier_ranks=[[0, 1], [0, 2]])), "kept anything on storage"),
    ("6.3.4.5", lambda t: (t.remove_ranks(), t.option(2, aggregated_device_write_p95_ms=...)), "device latencies of option 2"),
    ("6.3.4.5", lambda t: (t.edit_ranks(lambda r: r["summary"]["cache_stats"].pop("storage_read_device_p95_ms"), option=3), t.option(3, aggregated_device_read_p95_ms="?")), "device latencies of option 3"),
    ("6.4.1", lambda t: (t.leaf / "fs_separation.json").write_text("{}"), "does not say whether"),
    ("6.4.1", lambda t: (t.leaf / "fs_separation.json").write_text("{"), "does not say whether"),
    ("6.4.1", lambda t: (t.leaf / "fs_separation.json").write_text("PRUNED BY STAFF"), "does not say whether"),
    ("6.6.1", without_commands, "no command line of a pass is recorded"),
    *(("6.3.1.1", lambda t, n=number: recorded_alone(t, n), f"no command line of option {number} is recorded") for number in (1, 2, 3)),
    ("6.3.1.1", lambda t: recorded_alone(t, 2, foreign=1), "no command line of option 2 is recorded"),
    (
        "6.3.1.1",
        lambda t: recorded_alone(t, 2, num_users=100, duration=300),
        "option 2 has neither a command line nor a record of model, gpu-mem-gb, cpu-mem-gb, max-concurrent-allocs, generation-mode",
    ),
)  # fmt: skip
