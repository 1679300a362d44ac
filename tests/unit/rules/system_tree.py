"""A complete, valid system description on disk, and the ways to break it in one place."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import yaml

from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.read_submission import read_system
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.verdict import Division

SUPPLY = {"unit_count": 2, "inlet_voltage": 240, "nameplate_power_watts": 2200, "efficiency": "Titanium"}
POWER = {"min_psus_active": 1, "psus_configured": [SUPPLY]}
PORT = {"type": "ethernet", "state": "up", "speed": 400, "unit_count": 2, "traffic": ["data", "management"]}
DRIVE = {
    "vendor_name": "Acme",
    "model_name": "Quick 1",
    "interface": "nvme",
    "media_type": "TLC",
    "capacity_in_GB": 15360,
    "unit_count": 16,
    "performance": {"seq_read_MBps": 7000, "seq_write_MBps": 5000, "random_read_IOPS": 1_000_000, "form_factor": "E3.S"},
}
CHASSIS = {
    "model_name": "Box 1",
    "cpu_model": "Chip",
    "cpu_qty": 2,
    "cpu_cores": 96,
    "memory_capacity": 1024,
    "rack_units": 2,
    "power": POWER,
}
NODE = {
    "friendly_description": "a node",
    "quantity": 4,
    "chassis": CHASSIS,
    "networking": [PORT],
    "drives": [DRIVE],
    "operating_system": {"name": "Linux", "version": "9.5"},
}
CLIENT = {
    **{key: value for key, value in NODE.items() if key != "drives"},
    "quantity": 16,
    "sysctl": [{"name": "vm.swappiness", "value": "60"}],
    "environment": [{"name": "LANG", "value": "C"}],
}
SWITCH = {"unit_count": 2, "vendor_name": "Acme", "model_name": "Knot", "ports": 64, "rack_units": 1, "power": POWER}
DOCUMENT = {
    "system_under_test": {
        "solution": {
            "submission_name": "fastfs",
            "friendly_description": "a file system",
            "architecture": {
                "storage_location": "remote",
                "benchmark_API": "file",
                "product_API": "file",
                "client_footprint": "open_source",
                "client_installation": "in_box",
            },
            "capabilities": {
                "multi_host": True,
                "simultaneous_write": True,
                "simultaneous_read": True,
                "remap_time_in_seconds": 0,
            },
            "usable_capacity_tib": 447.5,
            "availability": "available",
        },
        "deployment": "onprem",
        "product_nodes": [NODE],
        "product_switches": [SWITCH],
        "total_rack_units": 10,
        "clients": [CLIENT],
    }
}
"""Four nodes of two rack units and two switches of one."""

# A block that stands twice is two blocks, as in a file that people write.
DOCUMENT = json.loads(json.dumps(DOCUMENT))


@dataclasses.dataclass(frozen=True)
class SystemTree:
    """One description in ``systems/``. Methods change the file; keys are dotted below ``system_under_test``, entries by index."""

    root: Path

    @classmethod
    def write(cls, root: Path, **changes) -> SystemTree:
        """The valid description, with dotted keys (written with ``__``) set to other values; None takes the key away."""
        tree = cls(root)
        tree.path.parent.mkdir(parents=True, exist_ok=True)
        tree.store(DOCUMENT)
        for key, value in changes.items():
            tree.set(key.replace("__", "."), value)
        return tree

    @property
    def path(self) -> Path:
        return self.root / "closed" / "acme" / "systems" / "fastfs.yaml"

    def read(self) -> SystemDescription:
        relpath = self.path.relative_to(self.root).as_posix()
        return read_system(SubjectPlace("system", relpath, Division.CLOSED, "3.0", submitter="acme", system="fastfs"), root=self.root)

    def store(self, document) -> None:
        # Without aliases, as people write it: a block that stands twice is written twice.
        self.path.write_text(yaml.dump(copy.deepcopy(document), Dumper=_Plain))

    def text(self, content: str) -> None:
        self.path.write_text(content)

    def edit(self, change) -> None:
        document = yaml.safe_load(self.path.read_text())
        change(document)
        self.store(document)

    def set(self, key: str, value) -> None:
        """Set one field; None takes it away. ``clients.0.networking.0.speed`` goes through lists."""

        def change(document):
            *way, last = key.split(".")
            at = document["system_under_test"]
            for part in way:
                at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
            last = int(last) if isinstance(at, list) else last
            if value is None:
                del at[last]
            else:
                at[last] = value

        self.edit(change)

    def cloud(self) -> None:
        """The same system in a cloud, where nobody knows racks and power."""
        self.set("deployment", "cloud")
        self.set("product_switches", None)
        self.set("total_rack_units", None)
        for node in ("product_nodes.0", "clients.0"):
            self.set(f"{node}.chassis.rack_units", None)
            self.set(f"{node}.chassis.power", None)

    def local(self) -> None:
        """Storage inside the clients."""
        self.set("solution.architecture.storage_location", "local")
        self.set("product_nodes", None)
        self.set("product_switches", None)
        self.set("total_rack_units", 0)
        self.set("clients.0.drives", [DRIVE])

    def value(self, key: str):
        return value_at(yaml.safe_load(self.path.read_text()), f"system_under_test.{key}")


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


# -- ways to bend and break it, for the examples of rules ---------------------------------------------------------------


def valid(tree):
    """Leave the tree as it is."""


def setting(key, value):
    return lambda tree: tree.set(key, value)


def without(key):
    return lambda tree: tree.set(key, None)


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def all_passing(*bends):
    return [valid, SystemTree.cloud, SystemTree.local, *bends]
