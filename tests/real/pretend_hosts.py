"""Hosts on one machine: each has its own name, address, processes, memory size, /tmp, /run, /dev/shm and sshd. Needs root.

A host is a process with its own namespaces, and all that runs on it ends with that process; they hang on a bridge in a namespace of
its own, so nothing is added to the machine's network, and there is no way out. Of the machine they see every file but those below
/tmp, where they see what they are given.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.launch.processes import die_with_parent

NEEDED: Final = ("ip", "unshare", "nsenter", "ssh", "ssh-keygen", "/usr/sbin/sshd")
"""Programs of iproute2, util-linux, openssh-client and openssh-server."""

_SECONDS: Final = 20.0
_NAMESPACES: Final = ("--net", "--uts", "--mount", "--pid", "--ipc", "--fork", "--kill-child=KILL", "--mount-proc")

_INIT: Final = r"""
set -e
while ! ip -4 address show dev eth0 2>/dev/null | grep -q "$HOST_ADDRESS"; do sleep 0.02; done
hostname "$HOST_NAME"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
own=$(mktemp -d /run/own.XXXX)
mount -t tmpfs -o mode=1777 tmpfs "$own"
IFS=:
for path in $HOST_SHARES; do
  case "$path" in /tmp/*) mkdir -p "$own/${path#/tmp/}"; mount --bind "$path" "$own/${path#/tmp/}";; esac
done
unset IFS
mount --move "$own" /tmp
mount --bind "$HOST_FILES/hosts" /etc/hosts
mount --bind "$HOST_FILES/meminfo.$HOST_NAME" /proc/meminfo
# sysfs shows the network of whoever mounted it; the groups of the machine stay
mkdir -p /run/groups; mount --rbind /sys/fs/cgroup /run/groups
mount -t sysfs sysfs /sys; mount --rbind /run/groups /sys/fs/cgroup
# what a login does on this machine must not be done at every ssh
for file in "$HOME/.bashrc" "$HOME/.ssh/rc"; do [ ! -e "$file" ] || mount --bind /dev/null "$file"; done
ip link set lo up
cd /
/usr/sbin/sshd -D -E "$HOST_FILES/sshd.$HOST_NAME.log" -f "$HOST_FILES/sshd_config" -o ListenAddress="$HOST_ADDRESS" &
echo $! > "$HOST_FILES/sshd.$HOST_NAME.pid"
set +e
trap 'exit 0' TERM
while :; do wait; sleep 3600 & wait $!; done
"""


@dataclasses.dataclass(frozen=True)
class Host:
    """``pid`` is its first process, and ``port`` its end of the wire at the bridge."""

    name: str
    address: str
    pid: int
    port: str


class PretendHosts:
    """``h1``, ``h2`` … with so many GiB of memory each, for the time of a ``with``; RuntimeError says what keeps them from coming up."""

    def __init__(self, memory_gib: Sequence[int], *, shares: Sequence[Path] = ()) -> None:
        self.files = Path(tempfile.mkdtemp(prefix="mlps-hosts-"))
        self.hosts: dict[str, Host] = {}
        self.own = ["HOST_ADDRESS", "sshd", "sleep 3600", "ps -ww"]  # words of the command lines that make a host
        self._memory_gib = memory_gib
        self._shares = [self.files, *(Path(share).resolve() for share in shares)]
        self._bridge = 0
        self._held: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> PretendHosts:
        try:
            self._write_files()
            self._bridge = self._hold(("--net",), ["sleep", "infinity"])
            self._on_bridge("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
            self._on_bridge("ip", "link", "set", "br0", "up")
            for number in range(1, len(self._memory_gib) + 1):
                self._bring_up(number)
            for host in self.hosts:
                self._wait(lambda host=host: self.run("h1", [str(self.ssh), host, "true"]).returncode == 0, f"sshd of {host}")
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def ssh(self) -> Path:
        """A program that logs in at a host as ssh does, with keys of its own."""
        return self.files / "ssh"

    @property
    def environment(self) -> dict[str, str]:
        """What makes MPICH and Open MPI of either kind log in by these keys and talk by this network, fast."""
        return {
            "HYDRA_LAUNCHER": "ssh",
            "HYDRA_LAUNCHER_EXEC": str(self.ssh),
            "OMPI_MCA_plm_rsh_agent": str(self.ssh),
            "PRTE_MCA_plm_ssh_agent": str(self.ssh),
            "OMPI_MCA_btl_tcp_if_include": "eth0",
            "OMPI_MCA_pml": "ob1",
            "OMPI_MCA_btl": "self,tcp",
        }

    def command(self, host: str, command: Sequence[str]) -> list[str]:
        """The command line that runs a command on a host."""
        return ["nsenter", "-t", str(self.hosts[host].pid), "-n", "-u", "-m", "-p", "-i", "--", *command]

    def run(self, host: str, command: Sequence[str], *, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command on a host to its end."""
        return subprocess.run(self.command(host, command), text=True, capture_output=True, timeout=seconds)

    def processes(self, host: str) -> dict[int, str]:
        """Process id there → command line, of all that does not make the host."""
        lines = self.run(host, ["ps", "-ww", "-eo", "pid=,args="]).stdout.splitlines()
        found = {int(number): words for line in lines for number, _, words in [line.strip().partition(" ")]}
        return {number: words for number, words in found.items() if not any(word in words for word in self.own)}

    def left(self, *hosts: str) -> dict[str, list[str]]:
        """Host → command lines of what runs there and does not make it; of all hosts where none is named."""
        found = {host: list(self.processes(host).values()) for host in hosts or self.hosts}
        return {host: lines for host, lines in found.items() if lines}

    def cut_off(self, host: str) -> None:
        """Pull the plug of its network."""
        self._on_bridge("ip", "link", "set", self.hosts[host].port, "down")

    def plug_in(self, host: str) -> None:
        """Put the plug of its network in again."""
        self._on_bridge("ip", "link", "set", self.hosts[host].port, "up")

    def sshd(self, host: str, what: str) -> None:
        """``kill`` the host's sshd, ``stop`` it so that it lets in and says nothing, ``cont`` a stopped one, ``start`` a new one."""
        file = self.files / f"sshd.{host}.pid"
        if what == "start":
            words = ["/usr/sbin/sshd", "-E", f"{self.files}/sshd.{host}.log", "-f", f"{self.files}/sshd_config"]
            own = ["-o", f"ListenAddress={self.hosts[host].address}", "-o", f"PidFile={file}"]
            _sure(self.command(host, [*words, *own]))
            self._wait(lambda: self.run("h1", [str(self.ssh), host, "true"]).returncode == 0, f"sshd of {host}")
        else:
            _sure(self.command(host, ["kill", f"-{what.upper()}", file.read_text().strip()]))

    def down(self) -> None:
        """Switch all off; what was on them is gone."""
        for pid in [*(host.pid for host in self.hosts.values()), *([self._bridge] if self._bridge else [])]:
            _kill(pid)
        for held in self._held:
            held.kill()
            held.wait()
        shutil.rmtree(self.files, ignore_errors=True)

    def _bring_up(self, number: int) -> None:
        name, address, port = f"h{number}", f"10.77.0.{number}", f"v{number}"
        environment = {
            **os.environ,
            "HOST_NAME": name,
            "HOST_ADDRESS": address,
            "HOST_FILES": str(self.files),
            "HOST_SHARES": ":".join(map(str, self._shares)),
        }
        pid = self._hold(_NAMESPACES, ["bash", "-c", _INIT], environment)
        self.hosts[name] = Host(name, address, pid, port)
        self._on_bridge("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self._on_bridge("ip", "link", "set", port, "master", "br0", "up")
        for words in (["address", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            _sure(["nsenter", "-t", str(pid), "-n", "ip", *words])

    def _hold(self, namespaces: Sequence[str], command: Sequence[str], environment: dict[str, str] | None = None) -> int:
        """Start a process with its own namespaces; its process id as it is here, once it is in them."""
        mine = Path("/proc/self/ns/net").readlink()
        with (self.files / "holders.log").open("ab") as log:
            held = subprocess.Popen(
                ["unshare", *namespaces, *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_session,  # noqa: PLW1509 - it makes one system call and takes no lock
            )
        self._held.append(held)

        def inside() -> int:
            if "--fork" not in namespaces:
                return held.pid if Path(f"/proc/{held.pid}/ns/net").readlink() != mine else 0
            return int((Path(f"/proc/{held.pid}/task/{held.pid}/children").read_text().split() or [0])[0])

        return self._wait(inside, "a host")

    def _wait(self, what: Callable[[], int | bool], name: str) -> int:
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            try:
                if value := what():
                    return int(value)
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"{name} did not come up: {(self.files / 'holders.log').read_text()[-500:]}")

    def _on_bridge(self, *command: str) -> None:
        _sure(["nsenter", "-t", str(self._bridge), "-n", *command])

    def _write_files(self) -> None:
        files = self.files
        files.chmod(0o755)
        for key in ("id", "hostkey"):
            _sure(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(files / key)])
        key = " ".join((files / "hostkey.pub").read_text().split()[:2])
        numbers = range(1, len(self._memory_gib) + 1)
        texts = {
            "known_hosts": "".join(f"10.77.0.{n},h{n} {key}\n" for n in numbers),
            "authorized_keys": (files / "id.pub").read_text(),
            "hosts": "127.0.0.1 localhost\n::1 localhost\n" + "".join(f"10.77.0.{n} h{n}\n" for n in numbers),
            "sshd_config": (
                f"Port 22\nHostKey {files}/hostkey\nAuthorizedKeysFile {files}/authorized_keys\nStrictModes no\nUsePAM no\nUseDNS no\n"
                "PasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100:30:200\nMaxSessions 100\nPidFile none\n"
            ),
            "ssh_config": (
                f"Host *\n User root\n IdentityFile {files}/id\n IdentitiesOnly yes\n UserKnownHostsFile {files}/known_hosts\n"
                " GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n BatchMode yes\n ConnectTimeout 5\n"
                " ServerAliveInterval 5\n ServerAliveCountMax 2\n"
            ),
            "ssh": f'#!/bin/sh\nexec ssh -F {files}/ssh_config "$@"\n',
        }
        for number, gib in enumerate(self._memory_gib, 1):
            texts[f"meminfo.h{number}"] = _meminfo(gib)
        for name, text in texts.items():
            (files / name).write_text(text)
        self.ssh.chmod(0o755)


def _meminfo(gib: int) -> str:
    kib = gib * 1024**2
    told = {"MemTotal": kib, "MemFree": kib * 9 // 10, "MemAvailable": kib * 95 // 100}
    lines = [(line.partition(":")[0], line) for line in Path("/proc/meminfo").read_text().splitlines()]
    return "".join(f"{name}:{told[name]:>15d} kB\n" if name in told else f"{line}\n" for name, line in lines)


def _sure(command: Sequence[str]) -> None:
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _die_with_session() -> None:
    die_with_parent(signal.SIGKILL)
