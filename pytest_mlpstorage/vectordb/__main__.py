"""``python -m pytest_mlpstorage.vectordb JOB.json``: one rank of a load or a run of the vector database benchmark."""

from pytest_mlpstorage.vectordb.program import main

if __name__ == "__main__":
    raise SystemExit(main())
