"""A real, small Slurm over pretend hosts: its controller on the first, a daemon on each. It ends with the hosts.

No user is proven (``auth/none``) and nothing is put into control groups: the hosts are namespaces of one machine, and root's alone.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence

from pretend_hosts import PretendHosts

NEEDED = ("slurmctld", "slurmd", "srun", "salloc", "scontrol")
"""Programs of Debian's slurm-wlm."""

CPUS = 4
_SECONDS = 40.0
_DAEMONS = ("slurmctld", "slurmd ", "slurmscriptd")
_CONFIGURATION = """ClusterName=pretend
SlurmctldHost={first}({address})
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation=/run/slurm/controller
SlurmdSpoolDir=/run/slurm/daemon
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmctldLogFile={files}/slurmctld.log
SlurmdLogFile={files}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdTimeout=30
SlurmdParameters=config_overrides
InactiveLimit=0
KillWait=5
MailProg=/bin/true
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
{nodes}
PartitionName=all Nodes=ALL Default=YES State=UP MaxTime=INFINITE
"""


def absent() -> list[str]:
    """The programs that are needed and not here."""
    return [program for program in NEEDED if shutil.which(program) is None]


class PretendSlurm:
    """A Slurm whose nodes are all the hosts, for the time of a ``with`` inside that of the hosts; RuntimeError where it does not come up."""

    def __init__(self, hosts: PretendHosts) -> None:
        self.hosts = hosts
        self.configuration = hosts.files / "slurm.conf"
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> PretendSlurm:
        first, files = next(iter(self.hosts.hosts.values())), self.hosts.files
        nodes = [
            f"NodeName={host.name} NodeAddr={host.address} NodeHostname={host.name} CPUs={CPUS} RealMemory=1000 State=UNKNOWN"
            for host in self.hosts.hosts.values()
        ]
        text = _CONFIGURATION.format(first=first.name, address=first.address, files=files, nodes="\n".join(nodes))
        self.configuration.write_text(text)
        self.hosts.own += _DAEMONS
        for host in self.hosts.hosts:
            self.hosts.run(host, ["mkdir", "-p", "/run/slurm/controller", "/run/slurm/daemon"]).check_returncode()
        self._start(first.name, ["slurmctld", "-D", "-i"])
        for host in self.hosts.hosts:
            self._start(host, ["slurmd", "-D", "-N", host])
        self._wait_until_idle(first.name)
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.hosts:
            self.hosts.run(host, ["sh", "-c", "kill -KILL $(cat /run/slurm/slurmctld.pid /run/slurm/slurmd.pid 2>/dev/null)"])
        for started in self._started:
            started.wait(20)

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs a command on the first host, outside any allocation."""
        return self.hosts.command(next(iter(self.hosts.hosts)), ["env", f"SLURM_CONF={self.configuration}", *words])

    def allocated(self, words: Sequence[str], *options: str) -> list[str]:
        """The same for a command in an allocation of all hosts, which ends with it."""
        return self.command(["salloc", "--quiet", f"--nodes={len(self.hosts.hosts)}", *options, *words])

    def run(self, words: Sequence[str], *, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands to its end."""
        return subprocess.run(self.command(words), text=True, capture_output=True, timeout=seconds)

    def _start(self, host: str, words: Sequence[str]) -> None:
        with (self.hosts.files / f"{words[0]}.{host}.out").open("wb") as out:
            started = subprocess.Popen(
                self.hosts.command(host, ["env", f"SLURM_CONF={self.configuration}", *words]),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(started)

    def _wait_until_idle(self, first: str) -> None:
        end, states = time.monotonic() + _SECONDS, ""
        while time.monotonic() < end:
            said = self.run(["sinfo", "-h", "-N", "-o", "%t"])
            states = said.stdout + said.stderr
            if said.stdout.split() == ["idle"] * len(self.hosts.hosts):
                return
            time.sleep(0.1)
        log = self.hosts.files / "slurmctld.log"
        raise RuntimeError(f"Slurm did not come up: {states[-300:]} {log.read_text()[-500:] if log.exists() else ''}")
