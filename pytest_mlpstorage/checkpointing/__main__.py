"""``python -m pytest_mlpstorage.checkpointing JOB.json``: one rank of a checkpoint job."""

from pytest_mlpstorage.checkpointing.program import main

if __name__ == "__main__":
    raise SystemExit(main())
