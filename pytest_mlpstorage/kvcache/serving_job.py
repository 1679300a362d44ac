"""What a job of profile ``serving`` or ``replay`` says beyond a job of the official work (kvcache.md §5.1, §5.4, §5.5)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.policy import Order

__all__ = ["OUTSTANDING", "Layout", "Load", "ServingJob", "TraceFormat", "TraceJob"]

Load = Literal["closed", "open"]
Layout = Literal["object", "chunk"]
TraceFormat = Literal["mooncake", "burstgpt"]

OUTSTANDING: Final = 32
"""Requests that are in service at a time where nothing else is said."""

_MOST: Final = 2**31


@dataclasses.dataclass(frozen=True)
class TraceJob:
    """A recorded stream of requests, on every host at the same path; ``speedup`` divides its gaps, 0 leaves none."""

    format: TraceFormat
    path: str
    speedup: float = 1.0
    passes: int = 1

    def __post_init__(self) -> None:
        _one_of("trace.format", self.format, get_args(TraceFormat))
        if not isinstance(self.path, str) or not self.path:
            raise _wrong("trace.path", "a path", self.path)
        _number("trace.speedup", self.speedup, least=0)
        _whole("trace.passes", self.passes, 1)


@dataclasses.dataclass(frozen=True)
class ServingJob:
    """How requests come, and what becomes of them. ConfigurationError names the field where a value cannot be.

    ``closed``: ``outstanding`` requests at a time, from a list of ``requests`` that is the same in every run; ``open``: they arrive
    at ``rate_per_second`` (of each rank), or when the trace says, and at most ``outstanding`` are in service. ``warmup_seconds`` lie
    before the window. ``rename``: a chunk takes its place when it is whole.
    """

    load: Load = "closed"
    outstanding: int = OUTSTANDING
    requests: int = 1000
    rate_per_second: float | None = None
    warmup_seconds: float = 10.0
    chunk_tokens: int = 256
    layout: Layout = "chunk"
    rename: bool = True
    order: Order = "lru"
    promotion: bool = False
    trace: TraceJob | None = None

    def __post_init__(self) -> None:
        _one_of("load", self.load, get_args(Load))
        _one_of("layout", self.layout, get_args(Layout))
        _one_of("order", self.order, get_args(Order))
        for name in ("outstanding", "requests", "chunk_tokens"):
            _whole(f"load.{name}" if name != "chunk_tokens" else name, getattr(self, name), 1)
        _number("warmup_seconds", self.warmup_seconds, least=0)
        for name in ("rename", "promotion"):
            if not isinstance(getattr(self, name), bool):
                raise _wrong(name, "true or false", getattr(self, name))
        if self.trace is not None and not isinstance(self.trace, TraceJob):
            raise _wrong("trace", "a trace", self.trace)
        if self.rate_per_second is not None:
            _number("load.rate", self.rate_per_second, least=0)
            if not self.rate_per_second:
                raise _wrong("load.rate", "more than 0", self.rate_per_second)
        timed = self.trace is not None and self.trace.speedup > 0
        if self.load == "open" and self.trace is None and self.rate_per_second is None:
            raise ConfigurationError(
                "an open load needs a rate: how many requests arrive in a second", suggestion="set kvcache.load.rate", code="MLPS-E112"
            )
        if self.load == "open" and self.trace is not None and not timed:
            raise ConfigurationError(
                "a trace without gaps has no arrivals, so it cannot be an open load",
                suggestion="a trace.speedup above 0, or load.model: closed",
                code="MLPS-E113",
            )
        if self.rate_per_second is not None and (self.load == "closed" or self.trace is not None):
            why = "the arrivals of a trace are its own" if self.trace is not None else "a closed load has as many arrivals as are served"
            raise ConfigurationError(f"load.rate has no meaning here: {why}", suggestion="leave kvcache.load.rate out", code="MLPS-E113")

    @property
    def profile(self) -> Literal["serving", "replay"]:
        """The profile that it is of."""
        return "serving" if self.trace is None else "replay"

    @property
    def latency_label(self) -> str:
        """What the latencies of requests are measured from, as every figure of them must say."""
        return "service time, closed loop" if self.load == "closed" else "from the intended arrival"

    @classmethod
    def from_json(cls, raw: object) -> ServingJob:
        """Back from its fields by name; ConfigurationError for what is none."""
        if not isinstance(raw, Mapping):
            raise _wrong("serving", "a JSON object", raw)
        values: dict[str, Any] = dict(raw)
        try:
            if values.get("trace") is not None:
                values["trace"] = TraceJob(**values["trace"])
            return cls(**values)
        except TypeError as error:
            raise ConfigurationError(f"serving of a KV cache job cannot be read: {error}", code="MLPS-E170") from error


def _wrong(name: str, wanted: str, given: object) -> ConfigurationError:
    return ConfigurationError(f"{name} of a KV cache job must be {wanted}, given {repr(given)[:60]}", code="MLPS-E170")


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _wrong(name, f"one of {', '.join(allowed)}", value)


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
        raise _wrong(name, f"a whole number from {least} to {_MOST}", value)


def _number(name: str, value: object, least: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= least):
        raise _wrong(name, f"a finite number of at least {least:g}", value)
