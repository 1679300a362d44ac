"""Becomes the ssh that logs in at a host: ``python -IS ssh_bridge.py ORDER ARGUMENT …``, where ORDER is a file of JSON.

execnet starts a Python with these arguments; this file is that Python as execnet sees it, and ssh to another host in truth. What is said
of a failure goes to the file ``words`` of the order, whose first line is the number of this process. After ``seconds`` the kernel ends
it, and when its parent ends, too.
"""

import ctypes
import json
import os
import shlex
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Turn into ssh; the arguments become one command line there, which the shell of the login reads."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib alone takes longer to load than all else here
        order = json.load(file)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    words = os.open(order["words"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(words, f"{os.getpid()}\n".encode())
    os.dup2(words, 2)
    signal.alarm(order["seconds"])  # goes on in what this process becomes
    ssh = order["ssh"]
    try:
        os.execvp(ssh[0], [*ssh, shlex.join([order["python"], *sys.argv[2:]])])  # noqa: S606 - no shell here, and quoted for the one there
    except OSError as error:
        os.write(2, f"{ssh[0]}: {error.strerror}\n".encode())
        os._exit(127)


if __name__ == "__main__":
    main()
