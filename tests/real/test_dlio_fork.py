"""One real rank of a DLIO with the MLCommons fork's shape: its key names and calls, none of its code.

It shows that our observers need nothing that only the registry's version has, and translate nothing here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import fork_stand_in
import pytest

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_spec("dlio_benchmark") is None, reason="the DLIO environment is not installed"),
]

REPOSITORY = Path(__file__).parents[2]

FILES = {
    **fork_stand_in.FILES,
    "utils/config.py": """
        from dlio_benchmark.common.enumerations import FormatType, StorageType

        class ConfigArguments:
            odirect = False
            num_checkpoints_write = -1
            reader_class = data_loader_class = checkpoint_mechanism_class = None
            storage_type, storage_root = StorageType.LOCAL_FS, "./"
            record_length, num_samples_per_file, total_training_steps, num_subfolders_train = 65536, 1, -1, 0
            generate_data = generate_only = False

        def LoadConfig(args, config):
            if "name" in config["model"]:
                args.model = config["model"]["name"]
            for key in ("data_folder", "num_files_train", "num_samples_per_file"):
                if key in config["dataset"]:
                    setattr(args, key, config["dataset"][key])
            args.format = FormatType(config["dataset"]["format"])
            args.record_length = config["dataset"]["record_length_bytes"]
            for key in ("batch_size", "read_threads", "odirect"):
                if key in config["reader"]:
                    setattr(args, key, config["reader"][key])
            args.epochs = config["train"]["epochs"]
            # Kept in another shape than it was given in.
            args.computation_time = {"mean": config["train"]["computation_time"]}
            args.generate_only = not config["workflow"]["train"]
            args.do_checkpoint = config["workflow"]["checkpoint"]
            args.au = config["metric"]["au"]
            args.framework = config["framework"]
    """,
    "main.py": fork_stand_in.main("""
        def initialize(self):
            pass

        def run(self):
            for epoch in range(1, self.args.epochs + 1):
                self.stats.start_train(epoch)
                for step in (1, 2):
                    self.stats.batch_processed(epoch, step, 1)
                self.stats.end_train(epoch, 2)

        def finalize(self):
            self.stats.save_data()
    """),
}

WORKLOAD = """
model: {name: unet3d, type: cnn, model_size: 499153191}
framework: pytorch
workflow: {generate_data: false, train: true, checkpoint: false}
dataset: {format: npz, num_files_train: 15, num_samples_per_file: 1, record_length_bytes: 4096}
reader: {data_loader: pytorch, batch_size: 7, read_threads: 0}
train: {epochs: 2, computation_time: 0.1}
checkpoint: {checkpoint_folder: checkpoints/unet3d}
metric: {au: 0.9}
"""


@pytest.fixture
def start(tmp_path):
    fork_stand_in.install(tmp_path / "site", FILES)
    configs = tmp_path / "configs" / "workload"
    configs.mkdir(parents=True)
    (configs / "unet3d_b200.yaml").write_text(WORKLOAD)
    data = tmp_path / "data" / "train"
    data.mkdir(parents=True)
    for i in range(15):
        (data / f"img_{i:02}_of_15.npz").write_bytes(b"x")

    def run(*overrides):
        command = [
            sys.executable, "-m", "pytest_mlpstorage.dlio", "--mlps-ranks=1", f"--mlps-evidence={tmp_path}/evidence",
            "workload=unet3d_b200",
            f"++workload.dataset.data_folder={tmp_path}/data", *overrides,
            f"++hydra.run.dir={tmp_path}/out", f"--config-dir={tmp_path}/configs",
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(REPOSITORY)])}
        # A rank without an mpirun takes its shared memory away only where it ends well, and Open MPI 5 not even then.
        environment |= {f"OMPI_MCA_btl_{name}_backing_directory": str(tmp_path) for name in ("sm", "vader")}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment)

    return run


def test_a_run_of_the_fork_is_translated_nowhere_and_leaves_its_evidence(start, tmp_path):
    done = start("++workload.reader.odirect=True")
    assert done.returncode == 0, done.stderr[-3000:]
    effective = json.loads((tmp_path / "evidence" / "0_effective.json").read_text())
    assert effective["flavour"] == "mlcommons"
    assert effective["engine"] == {"reader": "builtin", "generator": "builtin", "builtin": True}
    assert effective["translated"] == {}
    assert {"dataset.record_length_bytes", "reader.odirect", "train.computation_time", "model.name"} <= set(effective["effective"])
    end = json.loads((tmp_path / "evidence" / "0_end.json").read_text())
    assert (end["phase"], end["epochs"], end["steps"]) == ("train", 2, 4)


def test_an_override_that_the_fork_does_not_read_ends_the_run_by_name(start, tmp_path):
    done = start("++workload.reader.pin_memory=True", "++workload.dataset.record_length=4096")
    assert done.returncode == 4
    assert "reader.pin_memory: not understood by this DLIO" in done.stderr
    assert "dataset.record_length: not understood by this DLIO; known to dlio-2.0.0" in done.stderr
