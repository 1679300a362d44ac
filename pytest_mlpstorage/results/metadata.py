"""``<family>_<timestamp>_metadata.json``: what was asked for, with what, on which machines; read and written here."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from pytest_mlpstorage.nested import dotted
from pytest_mlpstorage.results.coerce import JSONObject, Reading, integer, native, number

__all__ = ["CommandOutput", "LeafMetadata", "SystemInfo"]

_EMPTY: JSONObject = {}


@dataclasses.dataclass(frozen=True)
class SystemInfo:
    """The client hosts as they were asked at launch; sizes in bytes, one entry of ``host_memory_bytes`` a host."""

    total_memory_bytes: int | None = None
    total_cores: int | None = None
    num_hosts: int | None = None
    host_memory_bytes: tuple[int, ...] = ()
    hostnames: tuple[str, ...] = ()
    collection_method: str | None = None

    @classmethod
    def from_json(cls, raw: JSONObject) -> SystemInfo:
        """From ``system_info`` (or the newer name ``cluster_information``)."""
        fields = Reading(raw)
        listed = raw.get("hosts")
        hosts = [h for h in listed if isinstance(h, Mapping)] if isinstance(listed, list) else []
        memory = [integer(h["memory"].get("total")) for h in hosts if isinstance(h.get("memory"), Mapping)]
        return cls(
            total_memory_bytes=fields.integer("total_memory_bytes"),
            total_cores=fields.integer("total_cores"),
            num_hosts=fields.integer("num_hosts"),
            host_memory_bytes=tuple(m for m in memory if m is not None),
            hostnames=tuple(str(h["hostname"]) for h in hosts if h.get("hostname") is not None),
            collection_method=fields.text("collection_method"),
        )


@dataclasses.dataclass(frozen=True)
class CommandOutput:
    """One command that the leaf's phase ran and where its output went."""

    command: str
    stdout: str
    stderr: str


def _command_outputs(value: object) -> tuple[CommandOutput, ...]:
    if not isinstance(value, list):
        return ()
    entries = [v for v in value if isinstance(v, Mapping)]
    return tuple(CommandOutput(*(str(e.get(k) or "") for k in ("command", "stdout", "stderr"))) for e in entries)


@dataclasses.dataclass(frozen=True)
class LeafMetadata:
    """The metadata of one leaf in the words of edition 3.0; our own additions stand under ``mlps``.

    ``parameters`` is the effective nested workload, ``override_parameters`` the flat overrides (values as they were given:
    text from a command line stays text, see ``parameter``). ``run_datetime`` is the leaf's timestamp.
    """

    benchmark_type: str | None = None
    model: str | None = None
    command: str | None = None  # datasize | datagen | run
    run_datetime: str | None = None
    num_processes: int | None = None
    accelerator: str | None = None
    result_dir: str | None = None
    parameters: JSONObject = dataclasses.field(default_factory=dict)
    override_parameters: JSONObject = dataclasses.field(default_factory=dict)
    system_info: JSONObject | None = None
    runtime_seconds: float | None = None
    invocation_start_time: dt.datetime | None = None
    invocation_end_time: dt.datetime | None = None
    verification: str | None = None  # what a tool believed at launch, not a verdict
    executed_command: str | None = None
    command_output_files: tuple[CommandOutput, ...] = ()
    args: JSONObject = dataclasses.field(default_factory=dict)
    provenance_file: str | None = None
    datagen_manifest_file: str | None = None
    mlps: JSONObject = dataclasses.field(default_factory=dict)
    path: str = dataclasses.field(default="", compare=False)
    problems: tuple[str, ...] = ()
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def system(self) -> SystemInfo | None:
        """The hosts as a record, or None when they were not asked."""
        return SystemInfo.from_json(self.system_info) if self.system_info is not None else None

    @property
    def data_dir(self) -> str | None:
        """``args.data_dir``; None and the empty text are both *not given*."""
        value = self.args.get("data_dir")
        return str(value) if value else None

    @property
    def flat_parameters(self) -> dict[str, Any]:
        """``parameters`` with dotted keys, values as written."""
        return dict(dotted(self.parameters))

    def parameter(self, dotted: str) -> Any:
        """One effective parameter in its native type (``"True"`` is True, ``"100"`` is 100); None when absent."""
        node: Any = self.parameters
        for part in dotted.split("."):
            if not isinstance(node, Mapping) or part not in node:
                # Some writers keep dotted keys flat.
                return native(self.parameters.get(dotted))
            node = node[part]
        return native(node)

    def parameter_number(self, dotted: str) -> float | None:
        """One effective parameter as a finite number; None when it is absent or none."""
        return number(self.parameter(dotted))

    @classmethod
    def from_json(cls, raw: JSONObject, path: str = "") -> LeafMetadata:
        """From a parsed metadata file of edition 2.0 or 3.0; a field of the wrong kind is None and named in ``problems``."""
        fields = Reading(raw)
        args = fields.mapping("args") or _EMPTY
        given = Reading(args, "args.", fields.problems)
        # v2.0 holds the repr of a Python object here: not evidence, and not damage either.
        collected = next((raw[k] for k in ("system_info", "cluster_information") if isinstance(raw.get(k), Mapping)), None)
        return cls(
            benchmark_type=fields.text("benchmark_type") or given.text("benchmark", "program"),
            model=fields.text("model") or given.text("model"),
            command=fields.text("command") or given.text("command"),
            run_datetime=fields.text("run_datetime"),
            num_processes=_first(fields.integer("num_processes"), given.integer("num_processes")),
            accelerator=fields.text("accelerator") or given.text("accelerator_type"),
            result_dir=fields.text("result_dir", "run_result_output"),
            parameters=fields.mapping("parameters", "combined_params") or _EMPTY,
            override_parameters=fields.mapping("override_parameters", "params_dict") or _EMPTY,
            system_info=collected,
            runtime_seconds=fields.number("runtime"),
            invocation_start_time=fields.time("invocation_start_time"),
            invocation_end_time=fields.time("invocation_end_time"),
            verification=fields.text("verification"),
            executed_command=fields.text("executed_command"),
            command_output_files=_command_outputs(raw.get("command_output_files")),
            args=args,
            provenance_file=fields.text("provenance_file"),
            datagen_manifest_file=fields.text("datagen_manifest_file"),
            mlps=fields.mapping("mlps") or _EMPTY,
            path=path,
            problems=tuple(fields.problems),
            raw=raw,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the v3.0 file, keys in its order, ours last; optional keys only where they have a value."""
        written: dict[str, Any] = {
            "benchmark_type": self.benchmark_type,
            "model": self.model,
            "command": self.command,
            "run_datetime": self.run_datetime,
            "num_processes": self.num_processes,
            "accelerator": self.accelerator,
            "result_dir": self.result_dir,
            "parameters": dict(self.parameters),
            "override_parameters": dict(self.override_parameters),
            "system_info": None if self.system_info is None else dict(self.system_info),
            "runtime": self.runtime_seconds,
            "invocation_start_time": _iso(self.invocation_start_time),
            "invocation_end_time": _iso(self.invocation_end_time),
            "verification": self.verification,
            "executed_command": self.executed_command,
            "command_output_files": [dataclasses.asdict(output) for output in self.command_output_files],
            "args": dict(self.args),
        }
        for key in ("provenance_file", "datagen_manifest_file"):
            if getattr(self, key) is not None:
                written[key] = getattr(self, key)
        if self.mlps:
            written["mlps"] = dict(self.mlps)
        return written


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _iso(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="microseconds")
