"""``python fault_driver.py JOB.json``: runs a job as pytest does, and writes down what pytest would be told.

A process of its own, so that it can be killed and interrupted, and so that it can be started on another host.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Host, Job
from pytest_mlpstorage.launch.sampling import Sampling
from pytest_mlpstorage.launch.supervisor import Beat, run_job


def main(given: dict, folder: Path) -> int:
    """The exit code: 0 whatever came of the job, 130 where this was interrupted."""
    warnings = folder / "warnings"

    def heartbeat(beat: Beat) -> None:
        if beat.warning:
            warnings.write_text(beat.warning)

    job = Job(given["ranks"], tuple(given["program"]), hosts=tuple(Host(name, 1) for name in given["hosts"]))
    (folder / "driver").write_text(str(os.getpid()))
    try:
        outcome = run_job(
            find_launcher(given["launcher"]),
            job,
            stdout=folder / "stdout",
            stderr=folder / "stderr",
            run_id=given["run_id"],
            heartbeat=heartbeat,
            sampling=Sampling(1.0, (str(folder),), folder / "time_series.csv"),
            **given["options"],
        )
        kept = ("returncode", "cause", "signal", "failed_rank", "failed_host", "left", "warnings", "stderr_tail", "elapsed_seconds")
        told = {name: getattr(outcome, name) for name in kept}
    except MLPStorageError as error:
        told = {"cause": error.message, "returncode": None, "details": {key: str(value) for key, value in error.details.items()}}
    except KeyboardInterrupt:
        return 130
    (folder / "told.json").write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    if os.getpgrp() != os.getpid():
        os.setsid()  # an interrupt of its process group is to reach nothing else
    path = Path(sys.argv[1])
    raise SystemExit(main(json.loads(path.read_text()), path.parent))
