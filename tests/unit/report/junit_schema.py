"""What the schema of the xUnit plug-in of Jenkins (junit-10.xsd) says of the parts of a JUnit file that pytest writes, in our own words."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

TEXT = frozenset({"message", "type"})
ATTRIBUTES = {
    "testsuites": frozenset({"name", "time", "tests", "failures", "errors"}),
    "testsuite": frozenset(
        {
            "name",
            "tests",
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
            "version",
        }
    ),
    "testcase": frozenset({"name", "time", "classname", "group"}),
    "failure": TEXT,
    "error": TEXT,
    "skipped": TEXT,
    "properties": frozenset(),
    "property": frozenset({"name", "value"}),
    "system-out": frozenset(),
    "system-err": frozenset(),
}
REQUIRED = {
    "testsuite": frozenset({"name", "tests", "failures", "errors"}),
    "testcase": frozenset({"name"}),
    "property": frozenset({"name", "value"}),
}
CHILDREN = {
    "testsuites": frozenset({"testsuite"}),
    "testsuite": frozenset({"testsuite", "properties", "testcase", "system-out", "system-err"}),
    "testcase": frozenset({"skipped", "error", "failure", "system-out", "system-err"}),
    "properties": frozenset({"property"}),
}
SECONDS = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?")


def violations(root: ET.Element) -> list[str]:
    """Each way in which a file is not what the schema says."""
    found = []
    for element in root.iter():
        tag = element.tag
        found += [f"{tag} {name}" for name in element.attrib if name not in ATTRIBUTES.get(tag, ())]
        found += [f"{tag} without {name}" for name in REQUIRED.get(tag, ()) if name not in element.attrib]
        found += [f"{child.tag} in {tag}" for child in element if child.tag not in CHILDREN.get(tag, ())]
        if tag == "testsuite" and not SECONDS.fullmatch(element.get("time", "0")):
            found.append(f"time {element.get('time')}")
    return found
