"""One testcase of the JUnit file as CI viewers show it: named alike wherever it runs, one sentence for why it failed, bounded in size.

What travels between items and reports for programs (pictures, metrics of a whole result) stays out: the page and verdicts.json have it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from typing import Any, Final
from xml.etree import ElementTree as ET

from pytest_mlpstorage.report import records
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.verdict import figures

__all__ = ["Budget", "legal", "sentence", "tidy_case"]

_LONGEST_SENTENCE: Final = 300
_LONGEST_BODY: Final = 16_000
_LONGEST_DETAIL: Final = 16_000
_FINDINGS: Final = 5
"""Most findings of an item that its property holds; all of them are in verdicts.json."""

_WHOLE_FILE: Final = 16_000_000
"""Characters of details that all testcases have together: a round of hundreds of results must not make a file that no viewer opens."""

_TRAVELLING: Final = frozenset({records.PICTURES, records.SUBJECT, records.MOVED, records.PLANNED})
_DETAILS: Final = frozenset(
    {records.FINDINGS, records.LACKING, records.JUDGEMENT, records.REASONS, records.RUN, records.RESUMED, records.COMPARED}
)
_EMPTY: Final = ("[]", "{}", "")
_OURS: Final = re.compile(r"(?:^|\.)((?:benchmarks|rules)\.test_\w+(?:\.\w+)*)$")
_INSTALLED: Final = re.compile(r"^.*/(?:site|dist)-packages/(?=pytest_mlpstorage/)")
_ILLEGAL: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML 1.0 has no way to write."""

_PLACE: Final = re.compile(r"; in ([^;]*)$")


@dataclasses.dataclass
class Budget:
    """How many characters of details are left for the testcases that follow."""

    left: int = _WHOLE_FILE

    def takes(self, text: str) -> bool:
        """Whether there is room for a text, which is then spent."""
        fits = len(text) <= self.left
        self.left -= len(text) if fits else 0
        return fits


def legal(text: str) -> str:
    """The text with what XML cannot hold shown by its number."""
    return _ILLEGAL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def tidy_case(case: ET.Element, budget: Budget, *, strict: bool = False) -> None:
    """Change one testcase of ours in place; one of somebody else stays as it is.

    ``strict``: the file is to keep to the schema of xunit 2, in which a testcase has no properties; what they say in a line goes to
    its output.
    """
    properties = case.find("properties")
    named = {} if properties is None else {p.get("name", ""): p.get("value", "") for p in properties}
    if not any(name.startswith("mlps_") for name in named):
        return
    _tidy_address(case)
    findings = _findings(named.get(records.FINDINGS, "[]"))
    for outcome in case:
        if outcome.tag in ("failure", "error", "skipped"):
            _tidy_outcome(outcome, findings, named, budget)
    if properties is not None:
        _tidy_properties(properties, findings, budget)
        if strict:
            case.remove(properties)
            said = [f"{p.get('name')}: {p.get('value')}" for p in properties if p.get("name") not in _DETAILS]
            output = ET.SubElement(case, "system-out")
            output.text = "\n".join(said)


def _tidy_address(case: ET.Element) -> None:
    """Say where an item stands, without the folder that the package is installed in; pytest counts lines from 0, viewers from 1."""
    prefix, classname = "", case.get("classname", "")
    found = _OURS.search(classname)
    if found is not None:
        before = classname[: found.start()]
        prefix = f"{before}." if re.fullmatch(r"[\w-]+", before) and "." not in before and "suites" not in before else ""
        case.set("classname", prefix + found[1])
    if "file" in case.attrib:
        case.set("file", _INSTALLED.sub("", case.attrib["file"]))
    if case.get("line", "").isdigit():
        case.set("line", str(int(case.attrib["line"]) + 1))


def _findings(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def sentence(text: str, findings: Iterable[dict[str, Any]] = (), result: str = "") -> str:
    """Why an item failed, in one line: of what decided it with measured, required and its place, else the first line of its text.

    The place is told below the ``result``, which the test's name has.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    # Another plug-in may have a property of this name.
    ours = (f for f in findings if isinstance(f.get("rule"), str) and isinstance(f.get("message"), str))
    told = next((f for f in ours if first.startswith(f"[{f['rule']}] {f['message']}")), None)
    if told is not None:
        amounts = "; ".join(figures(told.get("measured"), told.get("required")))
        place = ":".join(part for key in ("file", "field") if isinstance(part := told.get(key), str) and part)
        first = f"[{told['rule']}] {told['message']}" + (f": {amounts}" if amounts else "") + (f"; in {place}" if place else "")
    if (found := _PLACE.search(first)) is not None:
        first = f"{first[: found.start()]} (in {found[1].removeprefix(f'{result}/') if result else found[1]})"
    # Details of an error are indented below it; other findings begin a line.
    more = sum(line.startswith("[") for line in lines[1:])
    said = legal(plain(first, longest=_LONGEST_SENTENCE))
    return f"{said} (and {more} more)" if more else said


def _tidy_outcome(outcome: ET.Element, findings: list[dict[str, Any]], named: dict[str, str], budget: Budget) -> None:
    text, message = outcome.text or "", outcome.get("message", "")
    if outcome.tag == "skipped":
        # pytest puts the path of the file that skipped before the reason. Some viewers show the text only: that of GitLab shows the
        # attributes as a table where there is none.
        outcome.set("message", sentence(message))
        text = message
    else:
        # A traceback begins with source code; what it raised is what pytest made the message of.
        outcome.set(
            "message", sentence(text if text.startswith("[") else message.removeprefix("Failed: "), findings, named.get(records.RESULT, ""))
        )
    kind = named.get(records.ERROR, "").split(" ")[0] or named.get(records.RULE, "")
    if kind:
        outcome.set("type", kind)
    if len(text) <= _LONGEST_SENTENCE:
        outcome.text = text  # no longer than the message, which always has its room
        return
    cut = text if len(text) <= _LONGEST_BODY else f"{text[:_LONGEST_BODY]}\n… ({len(text)} characters)"
    outcome.text = cut if budget.takes(cut) else f"{text[:_LONGEST_SENTENCE]}… ({len(text)} characters; this file has no more room)"


def _tidy_properties(properties: ET.Element, findings: list[dict[str, Any]], budget: Budget) -> None:
    for one in list(properties):
        name, value = one.get("name", ""), one.get("value", "")
        if name == records.FINDINGS and len(findings) > _FINDINGS:
            value = json.dumps(findings[:_FINDINGS])
            ET.SubElement(properties, "property", name="mlps_findings_in_all", value=str(len(findings)))
        elif name == records.JUDGEMENT:
            value = _without_findings(value)
        left_out = name in _DETAILS and (len(value) > _LONGEST_DETAIL or not budget.takes(value))
        if name in _TRAVELLING or (name in _DETAILS and value in _EMPTY) or left_out:
            properties.remove(one)
        else:
            one.set("name", legal(name))  # of which pytest makes sure for values only
            one.set("value", value)
        if left_out:
            what = f"{name}: {len(value)} characters, see verdicts.json"
            ET.SubElement(properties, "property", name="mlps_left_out", value=what)


def _without_findings(judgement: str) -> str:
    """A judgement as one that stands beside its findings: they are by far the most of it."""
    try:
        whole = json.loads(judgement)
    except ValueError:
        return judgement
    if not isinstance(whole, dict):
        return judgement
    return json.dumps({name: value for name, value in whole.items() if name != "findings"})
