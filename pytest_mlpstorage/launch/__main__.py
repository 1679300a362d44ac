"""Entry of the guard processes, run by file path as ``python -I -S …/launch/__main__.py guard|starter|sampler|sweeper …``.

By path and isolated, so that neither the rank's PYTHONPATH nor site packages are read before the program starts.
"""

# ruff: noqa: PTH100, PTH120
import os
import sys

# This file's own folder would shadow nothing of the standard library today; taking it out keeps that so.
sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    if role == "guard":
        from pytest_mlpstorage.launch.keeper import main
    elif role == "starter":
        from pytest_mlpstorage.launch.starter import main
    elif role == "sampler":
        from pytest_mlpstorage.launch.sampler import main
    elif role == "sweeper":
        from pytest_mlpstorage.launch.sweeper import main
    else:
        sys.exit(f"unknown role {role!r}: guard, starter, sampler or sweeper")
    sys.exit(main(arguments))
