"""The gate in front of the command: this file alone parses on old Pythons, so that they get a sentence and no SyntaxError."""

import os
import sys

if sys.version_info < (3, 10):  # noqa: UP036 - whoever starts this with an old python3 is whom it is for
    newer = [
        name
        for name in ("python3.13", "python3.12", "python3.11", "python3.10")
        if any(os.access(os.path.join(folder, name), os.X_OK) for folder in os.environ.get("PATH", "").split(os.pathsep))  # noqa: PTH118
    ]
    sys.stderr.write(
        "Python 3.10 or newer is needed; this is {}.{}.{} ({}).\n  next: {}\n".format(
            sys.version_info[0],
            sys.version_info[1],
            sys.version_info[2],
            sys.executable,
            newer[0] + " -m pytest_mlpstorage.bootstrap " + " ".join(sys.argv[1:])
            if newer
            else "install Python 3.10 to 3.13 and start the same command with it",
        )
    )
    sys.exit(4)

from pytest_mlpstorage.bootstrap.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
