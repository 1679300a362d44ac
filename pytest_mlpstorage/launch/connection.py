"""What ssh says where a launcher cannot reach a host: the same words under every launcher."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

from pytest_mlpstorage.launch.addresses import addresses_of, is_address

__all__ = ["connection_fault", "with_names"]

_KINDS: Final = (
    (r"No \S+ host key is known for (?P<host>\S+) and", "the key of the host is not known"),
    (r"Host key verification failed", "the key of the host is not known"),
    (r"(?:\S+@)?(?P<host>\S+): Permission denied \(", "the login is refused"),
    (r"Permission denied \(publickey", "the login is refused"),
    (r"Could not resolve hostname (?P<host>[^\s:]+)", "the name cannot be resolved"),
    (r"connect to host (?P<host>\S+) port \d+: Connection refused", "the host refuses the connection"),
    (r"connect to host (?P<host>\S+) port \d+: Connection timed out", "the host does not answer"),
    (r"Connection to (?P<host>\S+) port \d+ timed out", "the host does not answer"),
    (r"Connection timed out during banner exchange", "the host does not answer"),
    (r"Timeout, server (?P<host>\S+) not responding", "the host does not answer"),
    (r"connect to host (?P<host>\S+) port \d+: (?:No route to host|Network is unreachable)", "there is no way to the host"),
    (r"Connection (?:closed|reset) by (?P<host>\S+) port \d+", "the host closes the connection"),
)
"""A part of a line of ssh, and what it means; without words that a rank may say of a server of its own, such as ``Connection refused``."""


_BY_SSH: Final = "ssh cannot reach"
_NAMES_SECONDS: Final = 5.0


def connection_fault(lines: Sequence[str]) -> str:
    """What ssh says in ``lines`` went wrong, with every host that it names; an empty text where it says nothing of the kind.

    ``ssh cannot reach h2, h3: the host refuses the connection``.
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        match = next(((said, text) for pattern, text in _KINDS if (said := re.search(pattern, line))), None)
        if match is not None:
            said, text = match
            hosts = found.setdefault(text, [])
            host = said.groupdict().get("host")
            if host and host not in hosts:
                hosts.append(host)
    return "; ".join(f"{_BY_SSH} {', '.join(hosts) or 'a host'}: {text}" for text, hosts in found.items())


def with_names(text: str, hosts: Sequence[str]) -> str:
    """What ``connection_fault`` said with the name of a host before each address of it: where a host does not answer, ssh says no name.

    The name service is asked only where there is an address without a name, and not for long: it may be as far away as the host.
    """
    addresses = {word for word in re.findall(r"[0-9A-Fa-f.:]+[0-9A-Fa-f]", text) if is_address(word)} if _BY_SSH in text else set()
    addresses.difference_update(hosts)
    limit = time.monotonic() + _NAMES_SECONDS
    for host in hosts:
        if not addresses or time.monotonic() > limit:
            break
        for address in addresses.intersection(addresses_of(host)):
            addresses.remove(address)
            text = re.sub(rf"(?<![\w.:]){re.escape(address)}(?![\w.])", f"{host} ({address})", text)
    return text
