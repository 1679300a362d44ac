"""A complete, valid KV cache result, written by the package's own writer, and the ways to break it in one place."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import tempfile
from pathlib import Path

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.layout import leaf_path
from pytest_mlpstorage.results.metadata import CommandOutput, LeafMetadata
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

OPTIONS = edition("3.0").kv_cache.options
TRIALS, HOSTS, PER_NODE = 3, 2, 2
RANKS = HOSTS * PER_NODE
START = dt.datetime(2026, 7, 21, 0, 23, 32)
PROGRAM = "/tool/kv_cache_benchmark/mlperf_wrapper.py"

_SCRATCH = tempfile.TemporaryDirectory(prefix="mlps-kv-cache-trees-")
_WRITTEN: dict[str, Path] = {}


def read_rate(option: int, trial: int, rank: int) -> float:
    """GiB/s of one rank: different for each, so that no wrong sum is right by chance."""
    return option + trial / 8 + rank / 64


def read_latency_ms(option: int, trial: int, rank: int) -> float:
    """The highest is that of rank 1 in trial 1, so that neither the first nor the last is."""
    return 1000.0 * option + (100 if (trial, rank) == (1, 1) else trial + rank)


@dataclasses.dataclass(frozen=True)
class KVCacheTree:
    """One result on disk: one run of three options, three trials and four ranks on two hosts."""

    root: Path
    division: Division

    @classmethod
    def write(cls, root: Path, *, division="closed", runs=1, form="wrapper", mlps=None):
        tree = cls(root, Division(division))
        key = json.dumps([division, runs, form, mlps])
        if key not in _WRITTEN:
            _WRITTEN[key] = Path(_SCRATCH.name) / str(len(_WRITTEN))
            dataclasses.replace(tree, root=_WRITTEN[key])._write(runs, form, mlps or {})
        shutil.copytree(_WRITTEN[key], root, dirs_exist_ok=True)
        return tree

    # -- reading back -------------------------------------------------------------------------------------------------

    @property
    def result_dir(self) -> Path:
        return self.root / self.division.value / "acme" / "results" / "fastfs" / "kv_cache" / "llama3.1-8b"

    def read(self):
        (result,) = read_tree(self.root).results
        return result

    @property
    def runs(self) -> list[Path]:
        return sorted(p for p in (self.result_dir / "run").iterdir() if p.is_dir())

    @property
    def leaf(self) -> Path:
        return self.runs[0]

    # -- breaking it --------------------------------------------------------------------------------------------------

    def edit_metadata(self, change, *, run: int = 0) -> None:
        _edit(self.runs[run] / f"kv_cache_{self.runs[run].name}_metadata.json", change)

    def edit_summary(self, change, *, run: int = 0) -> None:
        _edit(self.runs[run] / "summary.json", change)

    def args(self, **values) -> None:
        self.edit_metadata(lambda m: m["args"].update(values))

    def option(self, number: int, **values) -> None:
        """Change the summary of one option; ``...`` removes a key."""

        def change(summary):
            for key, value in values.items():
                if value is ...:
                    summary["options"][str(number)].pop(key, None)
                else:
                    summary["options"][str(number)][key] = value

        self.edit_summary(change)

    def command(self, old: str, new: str, *, passes=None) -> None:
        """Change a part of the recorded commands, of all or of some passes by their position."""

        def change(metadata):
            outputs = [o for n, o in enumerate(metadata["command_output_files"]) if passes is None or n in passes]
            assert any(old in output["command"] for output in outputs)
            for output in outputs:
                output["command"] = output["command"].replace(old, new)

        self.edit_metadata(change)

    def rank_file(self, option=1, trial=0, rank=0) -> Path:
        (path,) = (self.leaf / f"option_{option}" / f"trial_{trial}" / f"rank_{rank}").iterdir()
        return path

    def edit_rank(self, change, **place) -> None:
        _edit(self.rank_file(**place), change)

    def edit_ranks(self, change, *, option: int) -> None:
        for path in self.leaf.glob(f"option_{option}/trial_*/rank_*/*.json"):
            _edit(path, change)

    def remove_ranks(self) -> None:
        for number in OPTIONS:
            shutil.rmtree(self.leaf / f"option_{number}")

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self, runs: int, form: str, mlps: dict) -> None:
        for number in range(runs):
            name = (START + dt.timedelta(hours=2 * number)).strftime("%Y%m%d_%H%M%S")
            final = leaf_path(self.root, self.division, "acme", "fastfs", "kv_cache", "llama3.1-8b", "run", name)
            with LeafWriter.create(self.root, final, run_id=f"run-{name}") as writer:
                writer.write_json(f"kv_cache_{name}_metadata.json", self._metadata(final, form, mlps))
                writer.write_json("fs_separation.json", {"same_filesystem": False})
                for option in OPTIONS:
                    for trial in range(TRIALS):
                        for rank in range(RANKS):
                            place = f"option_{option}/trial_{trial}/rank_{rank}/kvcache_results_{name}.json"
                            writer.write_json(place, _rank(option, trial, rank))
                writer.write_json("summary.json", _summary(name))
                writer.commit()

    def _metadata(self, final: Path, form: str, mlps: dict) -> dict:
        passes = [
            CommandOutput(command(form, final, option, trial), f"{final}/kvcache_opt{option}_trial{trial}_{final.name}.stdout.log", "")
            for option in OPTIONS
            for trial in range(TRIALS)
        ]
        return LeafMetadata(
            benchmark_type="kv_cache",
            model="llama3.1-8b",
            command="run",
            run_datetime=final.name,
            num_processes=RANKS,
            result_dir=str(final),
            command_output_files=tuple(passes) if form else (),
            # As real closed runs have them: the parser's defaults, but for the sequence.
            args={
                "mode": self.division.value, "cache_dir": "/mnt/cache", "results_dir": "/results", "hosts": ["a", "b"], "config_file": None,
                "num_users": 100, "duration": 60, "gpu_mem_gb": 16.0, "cpu_mem_gb": 32.0, "generation_mode": "realistic",
                "enable_autoscaling": True, "enable_rag": True, "seed": 42, "trials": 3, "inter_option_delay": 90, "npernode": 1,
            },
            mlps=mlps,
        ).to_json()  # fmt: skip


def command(form: str, leaf: Path | str, option: int, trial: int) -> str:
    """One recorded command line: of the newer wrapper, of the older one, of a native engine."""
    own = OPTIONS[option]
    launcher = f"mpirun -n {RANKS} -host a:2,b:2 --npernode {PER_NODE} --bind-to none"
    if form == "older":
        return f"{launcher} /py {PROGRAM} --option {option} --seed 42 --base-output-dir {leaf}/option_{option}/trial_{trial} --cache-dir /mnt/cache"
    program = PROGRAM if form == "wrapper" else "-m pytest_mlpstorage.kvcache"
    config = f"--config {PROGRAM.rpartition('/')[0]}/config.yaml" if form == "wrapper" else "--start-delay 90"
    return (
        f"{launcher} /py {program} --rank-output-base {leaf}/option_{option}/trial_{trial} --rank-cache-base /mnt/cache --seed-base 42 {config} "
        f"--model {own.model} --num-users {own.users_per_client} --duration {own.duration_seconds} --gpu-mem-gb {own.gpu_memory_gb} "
        f"--cpu-mem-gb {own.cpu_memory_gb} --max-concurrent-allocs {own.max_concurrent_allocations} --generation-mode {own.generation_mode}"
    )


def _rank(option: int, trial: int, rank: int) -> dict:
    read = read_rate(option, trial, rank)
    return {
        "requests_completed": 10,
        "end_to_end_latencies": [0.5, 0.6],
        "summary": {
            "avg_throughput_tokens_per_sec": 100 * read,
            "storage_throughput_tokens_per_sec": 10 * read,
            "cache_stats": {
                "storage_entries": 50,
                "tier_storage_read_bandwidth_gbps": read,
                "tier_storage_write_bandwidth_gbps": read / 4,
                "storage_read_device_p95_ms": read_latency_ms(option, trial, rank),
                "storage_write_device_p95_ms": read_latency_ms(option, trial, rank) / 2,
            },
            "autoscaling_stats": [],
            "autoscaling_summary": None,
        },
    }


def _summary(name: str) -> dict:
    options = {}
    for option in OPTIONS:
        read = sum(read_rate(option, trial, rank) for trial in range(TRIALS) for rank in range(RANKS)) / TRIALS
        options[str(option)] = {
            "option": option,
            "aggregated_read_bandwidth_gbps": read,
            "aggregated_write_bandwidth_gbps": read / 4,
            "aggregated_avg_throughput_tokens_per_sec": 100 * read,
            "aggregated_storage_throughput_tokens_per_sec": 10 * read,
            "aggregated_p95_latency_ms": 5000.0 * option,
            "aggregated_device_read_p95_ms": 1000.0 * option + 100,
            "aggregated_device_write_p95_ms": 500.0 * option + 50,
            "rank_count": RANKS,
            "trial_count": TRIALS,
            "partial_failure": False,
            "missing_files": [],
            "cpu_tier_ranks": [],
        }
    return {
        "schema_version": "1.0",
        "run_datetime": name,
        "npernode": PER_NODE,
        "host_count": HOSTS,
        "total_ranks": RANKS,
        "trials_per_option": TRIALS,
        "options": options,
        "partial_failure": False,
        "trial_failures": {},
    }


def _edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
