"""Which of the names in the configuration means this host."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

from pytest_mlpstorage.launch.addresses import addresses_of
from pytest_mlpstorage.launch.job import is_local

__all__ = ["by_address", "by_name", "names_argument", "read_names"]


def names_argument(names: Sequence[str]) -> str:
    """Declared names for a command line that other hosts run: what means only this host there is told with its own name."""
    here = socket.gethostname()
    return ",".join(f"{name}={here}" if is_local(name) else name for name in names)


def read_names(argument: str) -> dict[str, str]:
    """Declared name → name that means the same host everywhere, of what ``names_argument`` made."""
    pairs = (part.partition("=") for part in argument.split(",") if part)
    return {declared: known or declared for declared, _, known in pairs}


def by_name(names: Mapping[str, str], own: str) -> str:
    """The declared name that is this host's own, whole or up to its first dot; empty where none or several are."""
    whole = [declared for declared, known in names.items() if known == own]
    found = whole or [declared for declared, known in names.items() if known.partition(".")[0] == own.partition(".")[0]]
    return found[0] if len(found) == 1 else ""


def by_address(names: Mapping[str, str], addresses: Sequence[str]) -> str:
    """The declared name that leads to one of this host's addresses (``10.0.0.1/24``); empty where none or several do.

    Asks the name service for each name: for hosts that cannot be told apart by what they call themselves.
    """
    own = {address.partition("/")[0] for address in addresses}
    found = [declared for declared, known in names.items() if own & addresses_of(known)]
    return found[0] if len(found) == 1 else ""
