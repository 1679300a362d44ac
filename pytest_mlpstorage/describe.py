"""``--mlps-describe-system``: ask the hosts what they are, and draft the description of the system that they are clients of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlpstorage import __version__
from pytest_mlpstorage.cluster.facts import HostFacts
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.system_draft import MARK, Client, draft_text, write_draft
from pytest_mlpstorage.units import GIB

if TYPE_CHECKING:
    from pytest_mlpstorage.session import BenchmarkSession

__all__ = ["client_groups", "describe_system"]


def describe_system(session: BenchmarkSession) -> list[str]:
    """Write ``systems/<system>.yaml`` of this configuration and say what is left to do; a dry run only shows it.

    Raises ConfigurationError for an edition without a schema or for placeholders, FileSystemError where a description stands
    already, and what asking the hosts raises.
    """
    config = session.config
    if blanks := config.blanks():
        keys = ", ".join(setting.key for setting in blanks)
        raise ConfigurationError(
            f"the configuration still holds placeholders: {keys}", suggestion="set them in the file or with --mlps-set", code="MLPS-E120"
        )
    schema = edition(config.edition).system_description
    if schema is None:
        raise ConfigurationError(f"edition {config.edition} has no schema of system descriptions", code="MLPS-E116")
    clients = client_groups(session.cluster().hosts)
    text = draft_text(config.system, clients, schema, benchmark_api="file", version=__version__)
    path = config.results_dir / config.division.value / config.submitter / "systems" / f"{config.system}.yaml"
    if session.dry_run:
        return [f"dry run: would draft {path}:", text.rstrip("\n")]
    write_draft(path, text)
    left = text.count(f"{MARK}: ")
    return [f"drafted {path}", f"{left} values are marked {MARK} …>; the rules refuse the file until none is left"]


def client_groups(hosts: Sequence[HostFacts]) -> list[Client]:
    """Clients by kind, in the order in which their first host was declared; hosts count as equal where all that is told is."""
    groups = Counter(
        (
            host.cpu_model,
            host.sockets,
            host.cores,
            max(1, round(host.memory_bytes / GIB)),
            host.os_release.get("NAME", ""),
            host.os_release.get("VERSION_ID", ""),
        )
        for host in hosts
    )
    return [Client(quantity, *kind) for kind, quantity in groups.items()]
