"""``python -m pytest_mlpstorage.dlio``: one rank of a DLIO job."""

from pytest_mlpstorage.dlio import launch

# Read workers started by spawn or forkserver import the main module again, but never one whose name ends in __main__:
# under the name of launch they get the stand-ins before they unpickle anything of DLIO's.
__spec__ = launch.__spec__

if __name__ == "__main__":
    raise SystemExit(launch.main())
