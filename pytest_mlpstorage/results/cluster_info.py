"""``collector-staging/cluster_info.json`` of a leaf: all that was asked of the hosts, of which the metadata holds a part.

The official tool keeps a dump of /proc there. What its file and ours have in common stands here under the same names (``cpuinfo``,
``meminfo`` in KiB, ``diskstats``, ``netdev`` …), by host; ``cpuinfo`` has one entry a socket, since one a logical core says nothing
more and takes half a megabyte a host. Everything else of a host stands under its ``mlps``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.results.cluster_facts import ClusterFacts
from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.host_facts import HostFacts

__all__ = ["CLUSTER_INFO", "cluster_info", "read_cluster_info"]

CLUSTER_INFO: Final = "collector-staging/cluster_info.json"
"""Name of the record in a leaf."""

_VERSION: Final = 1
_OFFICIAL: Final = {
    "hostname": "name",
    "collection_timestamp": "collected",
    "version": "kernel_version",
    "os_release": "os_release",
    "uptime_seconds": "uptime_seconds",
    "diskstats": "disks",
    "netdev": "network",
}
"""Key of the official dump → field of HostFacts; three more have another form."""


def cluster_info(facts: ClusterFacts) -> dict[str, Any]:
    """The file; ``read_cluster_info`` gives the same facts."""
    return {
        "version": _VERSION,
        "collection_method": facts.method,
        "collection_timestamp": facts.collected,
        "hosts": {_key(number, host): _dump(host) for number, host in enumerate(facts.hosts)},
        "disagreements": [
            {"message": each.message, "severity": each.severity.value, "hosts": list(each.hosts)} for each in facts.disagreements
        ],
        "unreachable": dict(facts.unreachable),
    }


def read_cluster_info(raw: JSONObject) -> ClusterFacts | None:
    """The facts as ``cluster_info`` wrote them; None for a file of another tool or a damaged one."""
    hosts = raw.get("hosts")
    if raw.get("version") != _VERSION or not isinstance(hosts, Mapping):
        return None
    method, collected, silent = (raw.get(key) for key in ("collection_method", "collection_timestamp", "unreachable"))
    try:
        return ClusterFacts(
            tuple(map(_host, hosts.values())),
            method if isinstance(method, str) else "",
            collected if isinstance(collected, str) else "",
            {str(name): str(why) for name, why in silent.items()} if isinstance(silent, Mapping) else {},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _key(number: int, host: HostFacts) -> str:
    """A name of its own for every host: several may call themselves alike."""
    return host.declared or f"{host.name} ({number})"


def _dump(host: HostFacts) -> dict[str, Any]:
    fields = host.to_json()
    one, five, fifteen = fields.pop("load_average")
    official = {
        "cpuinfo": [{key: _number(value) for key, value in processor.items()} for processor in fields.pop("processors")],
        "meminfo": {name: size // 1024 for name, size in fields.pop("memory").items()},
        "loadavg": {"load_1min": one, "load_5min": five, "load_15min": fifteen},
    }
    return {**{key: fields.pop(field) for key, field in _OFFICIAL.items()}, **official, "mlps": fields}


def _host(dump: Mapping[str, Any]) -> HostFacts:
    load = dump["loadavg"]
    return HostFacts.from_json(
        {
            **dump["mlps"],
            **{field: dump[key] for key, field in _OFFICIAL.items()},
            "processors": [{key: str(value) for key, value in processor.items()} for processor in dump["cpuinfo"]],
            "memory": {name: size * 1024 for name, size in dump["meminfo"].items()},
            "load_average": [load["load_1min"], load["load_5min"], load["load_15min"]],
        }
    )


def _number(text: str) -> int | float | str:
    """A number where its text comes back from it unchanged: model names may be digits and more."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text and value - value == 0:
            return value
    return text
