"""Run folders of round 1.0 as submitters laid them out, written small: what they hold is enough to find and read them."""

import json

OVERRIDES = "- workload=unet3d_h100\n- ++workload.workflow.generate_data={generate}\n- ++workload.dataset.num_files_train=7\n"
CONFIG = "workload:\n  model: unet3d\n  reader: {batch_size: 7}\n"


def write(path, content=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def configs(folder, *, generate=False):
    write(folder / "configs" / "overrides.yaml", OVERRIDES.format(generate=generate))
    write(folder / "configs" / "config.yaml", CONFIG)
    write(folder / "configs" / "hydra.yaml")


def run(folder, **summary):
    """A run that finished."""
    configs(folder)
    write(folder / "summary.json", {"num_hosts": 1, **summary})
    write(folder / "per_epoch_stats.json", {})
    return folder


def crashed(folder):
    """A run that began."""
    configs(folder)
    write(folder / "dlp.log")
    return folder


def generation(folder):
    """The output of data generation."""
    configs(folder, generate=True)
    write(folder / "dlp.log")
    return folder
