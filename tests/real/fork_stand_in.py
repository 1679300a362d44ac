"""A stand-in for the MLCommons fork of DLIO: its key names and calls, none of its code, which no package registry has.

A test gives what its DLIO reads (``utils/config.py``) and does (``main``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FILES: Final = {
    "__init__.py": "",
    "common/__init__.py": "",
    "utils/__init__.py": "",
    "reader/__init__.py": "",
    "data_generator/__init__.py": "",
    "configs/__init__.py": "",
    "configs/config.yaml": "defaults: [_self_, {workload: default}]\n",
    "configs/workload/default.yaml": "framework: pytorch\n",
    "configs/workload/unet3d_b200.yaml": "framework: this file must not be taken\n",
    "common/enumerations.py": """
        from enum import Enum

        class FormatType(Enum):
            NPZ = "npz"
            PARQUET = "parquet"

        class StorageType(Enum):
            LOCAL_FS = "local_fs"

        class CheckpointModeType(Enum):
            SUBSET = "subset"
    """,
    "utils/utility.py": """
        def progress(count, total, status=""):
            pass
    """,
    "utils/statscounter.py": """
        import json
        from pathlib import Path

        class StatsCounter:
            def __init__(self, args):
                self.args, self.steps, self.train_au, self.output = args, 2, [], {}

            def start_load_ckpt(self, *_told):
                pass

            def start_train(self, epoch):
                self.output[epoch] = {"proc": {"block1": []}}

            def batch_processed(self, epoch, step, block):
                self.output[epoch]["proc"]["block1"].append(0.1)

            def end_train(self, epoch, steps):
                self.train_au.append(91.0)

            def save_data(self):
                out = Path(self.args.output_folder)
                (out / "0_per_epoch_stats.json").write_text("{}")
                (out / "0_output.json").write_text(json.dumps(self.output))
                (out / "summary.json").write_text(json.dumps({"epochs": len(self.train_au)}))
    """,
}
"""What is the same whatever such a DLIO measures."""

_BEGIN = """
import hydra
from mpi4py import MPI
from dlio_benchmark.utils.config import ConfigArguments, LoadConfig
from dlio_benchmark.utils.statscounter import StatsCounter

class GeneratorFactory:
    @staticmethod
    def get_generator(type):
        raise RuntimeError("not here")

class DLIOBenchmark:
    def __init__(self, cfg):
        self.args, self.comm = ConfigArguments(), MPI.COMM_WORLD
        LoadConfig(self.args, cfg)
        self.args.output_folder = hydra.core.hydra_config.HydraConfig.get().runtime.output_dir
        self.stats = StatsCounter(self.args)
"""

_END = """
@hydra.main(version_base=None, config_path="configs", config_name="config")
def run_benchmark(cfg):
    benchmark = DLIOBenchmark(cfg["workload"])
    benchmark.initialize()
    benchmark.run()
    benchmark.finalize()

def main():
    run_benchmark()
    MPI.Finalize()
"""


def main(methods: str, imports: str = "") -> str:
    """The text of ``main.py``: a benchmark with ``initialize``, ``run`` and ``finalize`` among its methods."""
    return "\n".join((textwrap.dedent(imports), _BEGIN, textwrap.indent(textwrap.dedent(methods), "    "), _END))


def install(site: Path, files: Mapping[str, str]) -> None:
    """Write the package into ``site``, which is put before what is installed."""
    for name, text in files.items():
        path = site / "dlio_benchmark" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
