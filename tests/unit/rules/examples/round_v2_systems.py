"""Descriptions of round 2.0 that the rule on them passes and that it tells of: one as submitters wrote them, changed in one place."""

import dataclasses
from pathlib import Path

import yaml

from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.read_submission import read_system
from pytest_mlpstorage.results.records import SystemDescription
from pytest_mlpstorage.verdict import Division

SUBJECT = SystemDescription
RELPATH = "closed/acme/systems/fastfs.yaml"
DOCUMENT = {
    "System": {"shared_capabilities": {"multi_host_support": "True", "simultaneous_write_support": "True"}},
    "PowerRequirements": {"node": "1200"},
    "Nodes": {"PowerDevices": "2"},
}


@dataclasses.dataclass(frozen=True)
class Described:
    """One description below a root."""

    root: Path

    @property
    def file(self):
        return self.root / RELPATH

    def read(self):
        place = SubjectPlace("system", RELPATH, Division.CLOSED, "2.0", "2.0", submitter="acme", system="fastfs")
        return read_system(place, root=self.root)


def write(root):
    """The valid one."""
    tree = Described(root)
    tree.file.parent.mkdir(parents=True)
    tree.file.write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    return tree


def holding(text):
    """The same file with other content."""
    return lambda tree: tree.file.write_bytes(text if isinstance(text, bytes) else text.encode())


PASSING = {"MLPS-DESC-1": [lambda _tree: None, holding("anything: at all"), holding('{"json": 1}')]}
FAILING = {
    "MLPS-DESC-1": [
        (holding("System: [1, 2"), "[MLPS-DESC-1] the description of the system is no YAML: "),
        (holding(b"\xff\xfe\x00"), "the description of the system is no YAML"),
        (holding(""), "the description of the system holds nothing"),
        (holding("- a\n- b"), "the description of the system is no mapping at its top level"),
        (holding("just words"), "is no mapping at its top level"),
        (lambda tree: (tree.file.unlink(), tree.file.symlink_to("/etc/hosts")), "the description of the system lies out of the tree"),
    ]
}
