"""The small suite, run by pytest from the first of several pretended hosts, and what these hosts need."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pretend_hosts
import pretend_slurm
import small_suite

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.launch.detect import find_launcher


def missing(more: Iterable[str] = ()) -> str:
    """Why there can be no jobs on such hosts here, or with the programs ``more`` besides; an empty text where there can."""
    if os.geteuid() != 0:
        return "only root can make hosts"
    absent = [program for program in (*pretend_hosts.NEEDED, *more) if shutil.which(program) is None]
    if absent:
        return f"needs {', '.join(absent)}"
    try:
        find_launcher()
    except DependencyError as error:
        return str(error)
    return ""


def pretend(memory_gib: Sequence[int], base: Path) -> pretend_hosts.PretendHosts:
    """Hosts of so many GiB each that see this environment, the repository, and ``base``."""
    return pretend_hosts.PretendHosts(memory_gib, shares=[sys.prefix, small_suite.REPO, base])


class OnHosts(small_suite.Suite):
    """A suite that pytest runs from the first of the hosts, by ssh or in an allocation of all of them."""

    hosts: pretend_hosts.PretendHosts
    slurm: pretend_slurm.PretendSlurm | None = None

    def command(self, *arguments):
        settings = self.hosts.environment
        if self.slurm is not None:
            settings = {name: value for name, value in settings.items() if "launcher" not in name.lower() and "agent" not in name}
        words = ["env", "-C", str(self.folder), *[f"{name}={value}" for name, value in settings.items()], *super().command(*arguments)]
        return self.hosts.command("h1", words) if self.slurm is None else self.slurm.allocated(words)

    def left(self, *hosts):
        """Host → command lines of what runs there."""
        return self.hosts.left(*hosts)
