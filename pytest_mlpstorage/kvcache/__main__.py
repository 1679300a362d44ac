"""``python -m pytest_mlpstorage.kvcache JOB.json``: one rank of a pass of the KV cache engine."""

from pytest_mlpstorage.kvcache.program import main

if __name__ == "__main__":
    raise SystemExit(main())
