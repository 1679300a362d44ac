"""Ask hosts over ssh, in a tree: each process logs in at a few hosts only, and each of those asks its share of the others.

A host that cannot be reached from the one above it is tried once more by every process further up, so that keys which only the first
host has are enough; it then is that host which connects to all. Everything ends when the time is over.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pytest_mlpstorage.cluster.clocks import Accuracy, Offset, best_of, kernel_of_clock
from pytest_mlpstorage.cluster.facts import host_facts
from pytest_mlpstorage.cluster.host_probe import probe_host
from pytest_mlpstorage.cluster.login import Login, LoginFailed
from pytest_mlpstorage.launch.job import is_local

__all__ = ["Answer", "Request", "ask_over_ssh", "entries_over_ssh", "serve"]

_FAN_OUT: Final = 8
_ACCURACY: Final = Accuracy(rounds=4, most_rounds=20, known_ns=5_000_000)
_MARGIN_SECONDS: Final = 2.0
"""What a process leaves of its time to bring back what others have said."""
_HOME_SECONDS: Final = 1.0
"""How long before the end of its login a host sends what it has."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked, and how: ``ssh`` is a program with its options, ``python`` the interpreter there, ``seconds`` the time for all of it.

    ``fan_out`` is at how many hosts one process logs in, as long as each of them can log in at others. ``token`` is what pytest has
    left in the paths for others to find, and ``write`` whether they are tried with a file (``host_probe``).
    """

    paths: tuple[str, ...]
    ssh: tuple[str, ...] = ("ssh",)
    token: str = ""
    write: bool = False
    python: str = sys.executable
    seconds: float = 90.0
    fan_out: int = _FAN_OUT

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Request:
        """As it came from the host above; raises TypeError for that of another version."""
        return cls(**{**value, "paths": tuple(value["paths"]), "ssh": tuple(value["ssh"])})

    def answer_here(self) -> Answer:
        """What this host says."""
        try:
            probe = probe_host(self.paths, of_pytest=self.token, write=self.write)
            return Answer(facts={**host_facts(self.paths).to_json(), "probe": probe.to_json()})
        except OSError as error:
            return Answer(problem=f"{error.filename or 'a directory'} cannot be looked at: {error.strerror}")


@dataclasses.dataclass(frozen=True)
class Answer:
    """The facts of a host and its ``probe`` as JSON, and its clock against that of the process that asked; or why there are none."""

    facts: Mapping[str, Any] | None = None
    problem: str = ""
    offset_ns: int = 0
    error_ns: int = 0

    def seen_from(self, above: Offset) -> Answer:
        """The same, for the process that asked the one that asked."""
        return dataclasses.replace(self, offset_ns=self.offset_ns + above.offset_ns, error_ns=self.error_ns + above.error_ns)


def entries_over_ssh(request: Request, names: Sequence[str]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What the hosts say by declared name, with clocks against that of the first name, and why others say nothing.

    A name that means this host is answered here. Where the first host says nothing, no clock is told.
    """
    answers = {name: request.answer_here() for name in names if is_local(name)}
    answers |= ask_over_ssh(request, [name for name in names if name not in answers])
    first = answers[names[0]]
    entries: dict[str, dict[str, Any]] = {}
    for name in (name for name in names if answers[name].facts is not None):
        answer = answers[name]
        clocks: dict[str, float] = {}
        if first.facts is not None:
            unknown = answer.error_ns + first.error_ns if answer is not first else 0
            clocks = {"clock_offset_seconds": (answer.offset_ns - first.offset_ns) / 1e9, "clock_uncertainty_seconds": unknown / 1e9}
        entries[name] = {**(answer.facts or {}), "declared": name, **clocks}
    return entries, {name: answers[name].problem for name in names if name not in entries}


class Channel(Protocol):
    """What is used of execnet's channel."""

    def send(self, item: object) -> None:
        """Send text or a number."""

    def receive(self, timeout: float | None = None) -> Any:
        """Wait for the next of the other side."""


def ask_over_ssh(request: Request, hosts: Sequence[str]) -> dict[str, Answer]:
    """What each of these hosts says, by the name that was given. Raises nothing for a host: its answer says what is wrong."""
    if not hosts:
        return {}
    size = math.ceil(len(hosts) / request.fan_out)
    branches = [tuple(hosts[start : start + size]) for start in range(0, len(hosts), size)]
    found: dict[str, Answer] = {}
    limit = time.monotonic() + request.seconds
    with tempfile.TemporaryDirectory(prefix="mlps-ssh-") as folder:
        logins = [Login(request.ssh, request.python, branch[0], Path(folder) / str(number)) for number, branch in enumerate(branches)]
        threads = [
            threading.Thread(target=_ask_branch, args=(request, login, branch[1:], found, limit), daemon=True)
            for login, branch in zip(logins, branches, strict=True)
        ]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(max(0.0, limit - time.monotonic()))
        finally:
            for login in logins:
                login.kill()
    told = dict(found)
    return {name: told.get(name, Answer(problem=f"no answer within {request.seconds:.0f} s")) for name in hosts}


def _ask_branch(request: Request, login: Login, others: Sequence[str], found: dict[str, Answer], limit: float) -> None:
    """Ask one host, and by it the others; those that it does not reach are asked from here."""
    retried = list(others)
    try:
        program = "from pytest_mlpstorage.cluster.over_ssh import serve; serve(channel)"
        with login.opened(limit - time.monotonic() - _MARGIN_SECONDS, program) as channel:
            offset = _offset(channel)
            # Counted from now, for a login takes its time.
            seconds = max(_HOME_SECONDS, limit - time.monotonic() - _MARGIN_SECONDS - _HOME_SECONDS)
            theirs = dataclasses.replace(request, seconds=seconds)
            channel.send(json.dumps({"request": dataclasses.asdict(theirs), "hosts": list(others)}))
            answers = {
                name: Answer(**answer)
                for name, answer in json.loads(channel.receive(limit - time.monotonic() - _MARGIN_SECONDS / 4)).items()
            }
    except LoginFailed as error:
        found[login.host] = Answer(problem=str(error))
    except (ValueError, TypeError, AttributeError):
        found[login.host] = Answer(problem="its pytest-mlpstorage is of another version and speaks otherwise")
    else:
        found.update({name or login.host: answer.seen_from(offset) for name, answer in answers.items()})
        retried = [name for name in others if name not in found or found[name].problem]
    left = dataclasses.replace(request, seconds=limit - time.monotonic() - _MARGIN_SECONDS)
    if retried and left.seconds > _MARGIN_SECONDS:
        found.update(ask_over_ssh(left, retried))


def _offset(channel: Channel) -> Offset:
    channel.send("kernel")
    kernel = channel.receive(_MARGIN_SECONDS * 10)
    if kernel and kernel == kernel_of_clock():
        return Offset()

    def ask() -> Offset:
        asked = time.time_ns()
        channel.send("time")
        theirs = channel.receive(_MARGIN_SECONDS * 10)
        answered = time.time_ns()
        return Offset(theirs - (asked + answered) // 2, (answered - asked) // 2)

    return best_of(ask, _ACCURACY)


def serve(channel: Channel) -> None:
    """The other side: tell the time, then the facts of this host (under the empty name) and of those that it is to ask.

    A filesystem that hangs here keeps nobody waiting, and no other host unheard.
    """
    while True:
        asked = channel.receive()
        if asked == "time":
            channel.send(time.time_ns())
        elif asked == "kernel":
            channel.send(kernel_of_clock())
        else:
            break
    order = json.loads(asked)
    request = Request.from_json(order["request"])
    limit = time.monotonic() + request.seconds
    below: dict[str, Answer] = {}
    mine: dict[str, Answer] = {}
    asking = threading.Thread(target=lambda: below.update(ask_over_ssh(request, order["hosts"])), daemon=True)
    looking = threading.Thread(target=lambda: mine.update({"": request.answer_here()}), daemon=True)
    for thread in (asking, looking):
        thread.start()
    for thread in (asking, looking):
        thread.join(max(0.0, limit - time.monotonic()))
    if looking.is_alive():
        mine[""] = Answer(problem=f"its directories cannot be looked at: no answer of a filesystem within {request.seconds:.0f} s")
    if mine:  # else its thread has told on stderr what was wrong
        channel.send(json.dumps({name: dataclasses.asdict(answer) for name, answer in {**mine, **below}.items()}))
