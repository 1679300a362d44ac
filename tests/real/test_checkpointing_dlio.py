"""The other engine: a DLIO with the fork's shape is found by its probe, measures, and is named as what measured.

Its checkpoint code stands in for the fork's, which no package registry has; the launch, the proofs and the collection are ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import fork_stand_in
import pytest
from small_suite import BENCHMARKS

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_spec("dlio_benchmark") is None, reason="the DLIO environment is not installed"),
]

CONFIG = """division: whatif
submitter: test
system: small
checkpointing:
  workloads:
    - model: llama3-8b
      accelerator: b200
      accelerators: 2
      model.num_layers: 4
      model.transformer: {vocab_size: 4096, hidden_size: 256, ffn_hidden_size: 1024, num_attention_heads: 8, num_kv_heads: 2}
      checkpoint: {num_checkpoints_write: 2, num_checkpoints_read: 2, time_between_checkpoints: 0s}
"""

FILES = {
    **fork_stand_in.FILES,
    "checkpointing/__init__.py": "",
    "checkpointing/simple_streaming_checkpointing.py": "",
    "utils/config.py": """
        from dlio_benchmark.common.enumerations import FormatType, StorageType

        class ConfigArguments:
            odirect = False
            num_checkpoints_write = -1
            reader_class = data_loader_class = checkpoint_mechanism_class = None
            storage_type, storage_root = StorageType.LOCAL_FS, "./"
            generate_data = False
            format, record_length_bytes = FormatType.NPZ, 0

        def LoadConfig(args, config):
            args.framework = config["framework"]
            for key in ("name", "type", "num_layers", "model_datatype", "optimizer_datatype"):
                setattr(args, "model_" + key, config["model"][key])
            for group in ("parallelism", "transformer"):
                for key in config["model"][group]:
                    setattr(args, key, config["model"][group][key])
            for key in config["workflow"]:
                setattr(args, "do_" + key, config["workflow"][key])
            for key in ("checkpoint_folder", "num_checkpoints_write", "num_checkpoints_read", "time_between_checkpoints", "fsync"):
                setattr(args, key, config["checkpoint"][key])
    """,
    "main.py": fork_stand_in.main(
        imports="""
            import datetime, json, os, time
            from pathlib import Path
            from pytest_mlpstorage.checkpointing.shards import rank_files
            from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape, checkpoint_size
        """,
        methods="""
            def initialize(self):
                self.epoch, a = {}, self.args
                self.shape = CheckpointShape(a.model_num_layers, a.hidden_size, a.ffn_hidden_size, a.num_attention_heads, a.num_kv_heads,
                                             a.vocab_size, a.tensor, a.pipeline, a.zero_stage, 2, 4)
                self.size = checkpoint_size(self.shape, processes=self.comm.size).total_gib

            def timed(self, name, work):
                self.comm.barrier()
                begin, clock = datetime.datetime.now(), time.monotonic()
                work()
                took = time.monotonic() - clock
                self.epoch[name] = {"start": begin.isoformat(), "end": datetime.datetime.now().isoformat(), "duration": took,
                                    "throughput": self.size / took}

            def run(self):
                files = rank_files(self.shape, self.comm.rank, self.comm.size)
                for number in range(1, self.args.num_checkpoints_write + 1):
                    folder = Path(self.args.checkpoint_folder, f"global_epoch1_step{number}")
                    folder.mkdir(parents=True, exist_ok=True)
                    self.timed(f"save_ckpt{number}", lambda: [(folder / f.name).write_bytes(bytes(f.bytes)) for f in files])
                for number in range(1, self.args.num_checkpoints_read + 1):
                    folder = Path(self.args.checkpoint_folder, f"global_epoch1_step{number}")
                    self.stats.start_load_ckpt(1, number, number)
                    self.timed(f"load_ckpt{number}", lambda: [(folder / f.name).read_bytes() for f in files])

            def finalize(self):
                out, rank = Path(self.args.output_folder), self.comm.rank
                (out / f"{rank}_per_epoch_stats.json").write_text(json.dumps({"1": self.epoch}))
                (out / f"{rank}_output.json").write_text(json.dumps({"hostname": "here", "1": {}}))
                if rank == 0:
                    metric = {"checkpoint_size_GB": self.size}
                    for phase in ("save", "load"):
                        made = [v for k, v in self.epoch.items() if k.startswith(phase)]
                        metric[f"{phase}_checkpoint_io_mean_GB_per_second"] = sum(m["throughput"] for m in made) / len(made)
                        metric[f"{phase}_checkpoint_duration_mean_seconds"] = sum(m["duration"] for m in made) / len(made)
                    (out / "summary.json").write_text(json.dumps({"num_accelerators": self.comm.size, "num_hosts": 1, "metric": metric}))
        """,
    ),
}


@pytest.fixture
def start(tmp_path):
    fork_stand_in.install(tmp_path / "site", FILES)
    (tmp_path / "suite.yaml").write_text(CONFIG)

    def run(*arguments):
        command = [sys.executable, "-m", "pytest", str(BENCHMARKS), "--mlps-config=suite.yaml", "-p", "no:cacheprovider", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
        return subprocess.run(command, capture_output=True, text=True, timeout=180, cwd=tmp_path, env=environment)

    return run


def test_dlio_writes_and_reads_where_the_installed_one_can(start, tmp_path):
    done = start("-s")
    assert done.returncode == 0, done.stdout
    assert "written and read by DLIO" in done.stdout
    (leaf,) = (tmp_path / "mlps-results/whatif/test/results/small/checkpointing/llama3-8b").glob("2*")
    recorded = json.loads((leaf / f"checkpointing_{leaf.name}_metadata.json").read_text())
    engine = recorded["mlps"]["engine"]
    assert (engine["name"], engine["flavour"], engine["reader"], engine["world_size"]) == ("dlio", "mlcommons", "builtin", 2)
    assert recorded["mlps"]["files"]["bytes_on_disk"] == recorded["mlps"]["files"]["bytes_by_formula"]
    assert sorted(path.name for path in (leaf / "dlio_config").iterdir()) == ["config.yaml", "hydra.yaml", "overrides.yaml"]
    overrides = (leaf / "dlio_config/overrides.yaml").read_text()
    assert "workload=llama3_8b" in overrides
    assert "++workload.model.num_layers=4" in overrides


@pytest.mark.parametrize("dropped", [True, False])
def test_its_reads_are_cold_too_and_shown_to_be(start, tmp_path, dropped):
    done = start("--mlps-set", f"checkpointing.drop_caches={str(dropped).lower()}")
    assert done.returncode == 0, done.stdout
    (leaf,) = (tmp_path / "mlps-results/whatif/test/results/small/checkpointing/llama3-8b").glob("2*")
    record = json.loads((leaf / "page_cache.json").read_text())
    assert (record["phase"], record["drop"], record["files_total"], record["asked_bytes"]) == ("read", dropped, 8, 2 * 82638336)
    if not record["method"].startswith("unavailable"):
        assert record["resident_bytes_before"] > 0
        assert (record["resident_bytes_after"] == 0) is dropped
        assert ("MLPS-COLD-1" in done.stdout) is not dropped


def test_a_dlio_that_does_not_tell_when_it_reads_is_said_not_to_be_shown_cold(start, tmp_path):
    path = tmp_path / "site/dlio_benchmark/utils/statscounter.py"
    path.write_text(path.read_text().replace("start_load_ckpt", "begin_load"))
    path = tmp_path / "site/dlio_benchmark/main.py"
    path.write_text(path.read_text().replace("start_load_ckpt", "begin_load"))
    done = start()
    assert done.returncode == 0, done.stdout
    (metadata,) = tmp_path.glob("mlps-results/whatif/**/checkpointing_*_metadata.json")
    assert any("that its reads were cold is not shown" in note for note in json.loads(metadata.read_text())["mlps"]["notes"])
    assert not (metadata.parent / "page_cache.json").exists()


def test_a_key_that_this_dlio_does_not_read_ends_the_run_by_name(start):
    done = start("-k", "test_run", "--mlps-set", "checkpointing.checkpoint.recovery_rank_shift=true")
    assert done.returncode == 1
    assert "checkpoint.recovery_rank_shift: not understood by this DLIO" in done.stdout


def test_our_program_measures_where_it_was_asked_for(start):
    done = start("--mlps-dry-run", "--mlps-set", "checkpointing.engine=mlpstorage")
    assert "-m pytest_mlpstorage.checkpointing" in done.stdout
