"""Trees for the rules on what a KV cache run was started with: the valid tree, changed in one place."""

import json

from kv_cache_tree import KVCacheTree

from pytest_mlpstorage.results.records import KVCacheResult

SUBJECT = KVCacheResult
write = KVCacheTree.write


def valid(tree):
    """Leave the tree as it is."""


def _form(name):
    """Write the commands in another form: of the older wrapper, of a native engine."""

    def bend(tree):
        other = write(tree.root.parent / name, form=name, division=tree.division.value)
        commands = json.loads((other.leaf / f"kv_cache_{other.leaf.name}_metadata.json").read_text())["command_output_files"]
        tree.edit_metadata(lambda m: m.update(command_output_files=commands))

    return bend


def _older(tree):
    _form("older")(tree)


def _native(tree):
    _form("native")(tree)


def _options(tree, **values):
    """Record the parameters of the third option as the newest releases do, beside the commands."""
    own = {
        "model": "llama3.1-70b-instruct", "num_users": 70, "duration": 300, "gpu_mem_gb": 0, "cpu_mem_gb": 0, "max_concurrent_allocs": 4,
        "generation_mode": "none", **values,
    }  # fmt: skip
    tree.edit_metadata(lambda m: m["parameters"].update(options={"3": own}))


def _without_commands(tree, option=3):
    tree.edit_metadata(
        lambda m: m.update(command_output_files=[c for c in m["command_output_files"] if f"option_{option}" not in c["command"]])
    )


def _sequence(tree, **values):
    tree.edit_metadata(
        lambda m: m["parameters"].update(sequence={"seed": 42, "trials": 3, "inter_option_delay_s": 90, "config": None, **values})
    )


def _features(tree, **values):
    tree.edit_metadata(lambda m: m["parameters"].update(features=values))


def _probe(tree):
    """Record a command that is no pass before the passes."""
    probe = {"command": "mpirun -n 4 hostname --format json", "stdout": "", "stderr": ""}
    tree.edit_metadata(lambda m: m["command_output_files"].insert(0, probe))


PASSING = {
    "6.3.1.1": [
        valid,
        _older,
        _native,
        _options,
        _probe,
        lambda t: t.command("--duration 300", "--duration=300.0"),
        lambda t: t.command("--num-users", "--num_users"),
        lambda t: (_without_commands(t), _options(t)),
        # What the commands say need not be said again.
        lambda t: t.edit_metadata(lambda m: m["parameters"].update(options={"1": {}, "2": {"model": "llama3.1-8b"}, "3": []})),
        lambda t: t.edit_metadata(lambda m: [c.update(command=c["command"].replace("option_", "o_")) for c in m["command_output_files"]]),
        lambda t: t.command("/py", "'/py"),
    ],
    "6.3.2.1": [
        valid,
        _older,
        _native,
        _sequence,
        lambda t: t.args(seed="42", trials=3.0, config=""),
        lambda t: (t.args(seed=None, trials=None, inter_option_delay=None), _sequence(t)),
        lambda t: t.edit_metadata(lambda m: m.update(command_output_files=[])),
    ],
    "6.3.2.2": [
        valid,
        lambda t: _features(t, autoscaling=False, rag=True),
        lambda t: _features(t, autoscaling="False"),
        lambda t: _features(t, autoscaling=None),
        lambda t: t.edit_metadata(lambda m: m.update(command_output_files=[])),
        lambda t: t.remove_ranks(),
        lambda t: (t.remove_ranks(), t.edit_metadata(lambda m: m.update(command_output_files=[])), _features(t)),
    ],
    "6.6.1": [valid, _older, _native, _probe, lambda t: t.edit_metadata(lambda m: m["override_parameters"].update({"cache-dir": "/x"}))],
    "6.6.2": [
        valid,
        lambda t: t.command("--num-users 100", "--num-users 50", passes=(3, 4, 5)),
        lambda t: t.command("--generation-mode none", "--generation-mode fast --enable-rag --rag-num-docs 4"),
        lambda t: t.command("--seed-base 42", "--seed-base 7"),
        lambda t: t.command("--cpu-mem-gb 4", "--cpu-mem-gb 32", passes=(3, 4, 5)),
    ],
    "MLPS-ENGINE-1": [
        valid,
        lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": "official"})),
        lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "official"}})),
        lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "official", "profile": "mlc-v3"}})),
    ],
}

FAILING = {
    "6.3.1.1": [
        (lambda t: t.command("--num-users 200", "--num-users 199", passes=(2,)), "another num-users; measured 199; required 200"),
        (lambda t: t.command("--duration 300", "--duration 60", passes=(8,)), "option 3 (Large Model (70B)) was run with another duration"),
        (lambda t: t.command("--gpu-mem-gb 0", "--gpu-mem-gb 16", passes=(0,)), "measured 16; required 0"),
        (lambda t: t.command("--cpu-mem-gb 4", "--cpu-mem-gb 32", passes=(4,)), "measured 32; required 4"),
        (lambda t: t.command("--max-concurrent-allocs 4", "--max-concurrent-allocs 16", passes=(7,)), "measured 16; required 4"),
        (lambda t: t.command("--generation-mode none", "--generation-mode fast", passes=(0,)), "measured fast; required none"),
        (lambda t: t.command("--model llama3.1-8b", "--model tiny-1b", passes=(1,)), "measured tiny-1b"),
        (lambda t: t.command("--duration 300", "", passes=(0,)), "started without --duration"),
        (lambda t: t.command("--duration 300", "--duration", passes=(0,)), "started without --duration"),
        (lambda t: t.command("--generation-mode none", "--generation-mode none --duration 10", passes=(0,)), "measured 10"),
        (lambda t: (_older(t), t.command("--option 2", "--option 2 --num-users 5")), "measured 5; required 100"),
        (lambda t: (_native(t), t.command("--num-users 70", "--num-users 7", passes=(6, 7, 8))), "measured 7; required 70"),
        (lambda t: _options(t, num_users=71), "measured 71"),
        (lambda t: _options(t, model=None), "started without --model"),
        (lambda t: (_without_commands(t), _options(t, cpu_mem_gb=4)), "measured 4; required 0"),
        (
            lambda t: (_without_commands(t), t.edit_summary(lambda s: s["options"].pop("3")), t.remove_ranks()),
            "option 3 (Large Model (70B)) was not run",
        ),
        (lambda t: (_older(t), t.command("--option 3", "--option 4", passes=(8,))), "measured 4; required 1, 2, 3"),
        (lambda t: t.edit_summary(lambda s: s["options"].update({"5": s["options"]["1"]})), "measured 5"),
        (
            lambda t: (
                _without_commands(t),
                t.edit_summary(lambda s: s["options"].pop("3")),
                t.remove_ranks(),
                t.edit_metadata(lambda m: m["parameters"].update(options={"3": {}})),
            ),
            "option 3 (Large Model (70B)) was not run",
        ),
    ],
    "6.3.2.1": [
        (lambda t: t.args(seed=43), "another seed; measured 43; required 42"),
        (lambda t: t.args(trials=2), "another number of trials; measured 2; required 3"),
        (lambda t: t.args(inter_option_delay=89.9), "another pause between options; measured 89.9; required 90"),
        (lambda t: t.args(seed="forty-two"), "measured forty-two"),
        (lambda t: t.args(config="/mine.yaml"), "configuration file of its own; measured /mine.yaml"),
        (lambda t: t.args(config_file="/mine.yaml"), "args.config_file"),
        (lambda t: _sequence(t, seed=1), "parameters.sequence.seed"),
        (lambda t: _sequence(t, trials=4), "parameters.sequence.trials"),
        (lambda t: _sequence(t, inter_option_delay_s=0), "parameters.sequence.inter_option_delay_s"),
        (lambda t: _sequence(t, config="/mine.yaml"), "parameters.sequence.config"),
        (lambda t: t.edit_summary(lambda s: s.update(trials_per_option=1)), "measured 1; required 3"),
        (lambda t: t.edit_summary(lambda s: s.pop("trials_per_option")), "another number of trials"),
        (lambda t: t.command("--seed-base 42", "--seed-base 1", passes=(8,)), "measured 1; required 42"),
        (lambda t: (_older(t), t.command("--seed 42", "--seed 43", passes=(8,))), "measured 43; required 42"),
        (lambda t: t.command("/tool/kv_cache_benchmark/config.yaml", "/tmp/config.yaml", passes=(0,)), "measured /tmp/config.yaml"),
        (lambda t: t.command("kv_cache_benchmark/config.yaml", "kv_cache_benchmark/../config.yaml"), "the file beside the program"),
        (lambda t: (_native(t), t.command("--start-delay 90", "--config /w.yaml")), "measured /w.yaml"),
        (lambda t: t.edit_metadata(lambda m: m["command_output_files"].pop(4)), "option 2 was not started as often"),
        (
            lambda t: t.command("option_1/trial_1", "option_1/trial_0", passes=(1,)),
            "option 1 was not started as often as a closed run demands; measured 2",
        ),
    ],
    "6.3.2.2": [
        (lambda t: t.command("--seed-base", "--enable-autoscaling --seed-base", passes=(5,)), "started with autoscaling"),
        (lambda t: _features(t, enable_autoscaling=True), "parameters.features.enable_autoscaling"),
        (lambda t: _features(t, Autoscaler="qos"), "measured qos"),
        (
            lambda t: t.edit_rank(lambda r: r["summary"].update(autoscaling_stats=[{"users": 4}]), option=3, trial=2, rank=1),
            "scaled itself",
        ),
        (lambda t: t.edit_rank(lambda r: r["summary"].update(autoscaling_summary={"peak": 4})), "scaled itself"),
    ],
    "6.6.1": [
        (
            lambda t: t.command("--seed-base", "--enable-rag --seed-base", passes=(5,)),
            "--enable-rag may be varied only in the open division",
        ),
        (lambda t: t.command("--seed-base", "--trace-speedup 2.0 --seed-base", passes=(5,)), "measured 2.0"),
        (lambda t: t.command("--seed-base", "--num-gpus 2 --seed-base", passes=(5,)), "--num-gpus may not be varied"),
        (lambda t: t.command("--seed-base", "--enable_latency_tracing --seed-base", passes=(0,)), "would be OPEN; measured given"),
        (
            lambda t: t.edit_metadata(lambda m: m["override_parameters"].update(num_users=5)),
            "num_users may be varied only in the open division",
        ),
        (lambda t: t.edit_metadata(lambda m: m["override_parameters"].update(tensor_parallel=8)), "tensor_parallel may not be varied"),
    ],
    "6.6.2": [
        (
            lambda t: t.command("--max-concurrent-allocs 4", "--max-concurrent-allocs 8", passes=(8,)),
            "another max-concurrent-allocs; measured 8; required 4",
        ),
        (lambda t: t.command("--max-concurrent-allocs 4", "", passes=(8,)), "without --max-concurrent-allocs"),
        (
            lambda t: t.command("--num-users 100", "--num-users 50"),
            "option 2 (Storage Throughput) was run with another num-users; measured 50; required 100",
        ),
        (lambda t: t.command("--gpu-mem-gb 0", ""), "measured the program's default; required 0"),
        (lambda t: t.command("--model llama3.1-8b", "--model tiny-1b"), "another model, which the list"),
        (lambda t: t.command("--seed-base", "--enable-autoscaling --seed-base"), "--enable-autoscaling is set, which the list"),
        (lambda t: t.command("--seed-base", "--enable-rag --seed-base"), "--enable-rag is set"),
    ],
    "MLPS-ENGINE-1": [
        (lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": "native"})), "CLOSED needs the official code image; measured native"),
        (lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "mlps"}})), "measured mlps"),
        (
            lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "native", "profile": "serving"}})),
            "the profile is other work than the rule book's, so its figures compare with none of it; measured serving; required mlc-v3",
        ),
        (lambda t: t.edit_metadata(lambda m: m.update(mlps={"step": "x"})), "does not say which engine"),
        (lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": ["official"]})), "does not say which engine"),
        (
            lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "official", "profile": "replay"}})),
            "the profile is other work than the rule book's, so its figures compare with none of it; measured replay; required mlc-v3",
        ),
        (
            lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "official", "profile": ["mlc-v3"]}})),
            "the profile is other work than the rule book's, so its figures compare with none of it; measured a list of 1 values",
        ),
        (lambda t: t.edit_metadata(lambda m: m.update(mlps={"engine": {"name": "official", "profile": 3}})), "measured 3; required mlc-v3"),
    ],
}

WRITTEN_AS = {"6.6.2": {"division": "open"}}
"""How the valid tree of a rule must be written, where not as a closed result."""
