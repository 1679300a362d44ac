"""Empty modules for what the registry's DLIO imports and never uses in PyTorch mode (training.md §0.1, §1)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeVar

__all__ = ["STAND_INS", "absent", "install"]

_F = TypeVar("_F", bound=Callable[..., Any])


class _Profile:
    """A tracer that passes everything through: DLIO's own fallback breaks the functions that it decorates."""

    def __init__(self, *_args: object, **_kwargs: object) -> None:
        pass

    def log(self, function: _F) -> _F:
        return function

    def log_init(self, function: _F) -> _F:
        return function

    def log_static(self, function: _F) -> _F:
        return function

    def iter(self, iterable: Iterable[Any], *_args: object, **_kwargs: object) -> Iterator[Any]:
        return iter(iterable)

    def __enter__(self) -> _Profile:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def update(self, *_args: object, **_kwargs: object) -> None:
        pass

    def flush(self) -> None:
        pass

    def reset(self) -> None:
        pass


class _Log:
    """What the tracer's ``initialize_log`` returns."""

    def finalize(self) -> None:
        pass


class _Tracer:
    """The tracer's module-level object: starts nothing."""

    @classmethod
    def initialize_log(cls, *_args: object, **_kwargs: object) -> _Log:
        return _Log()

    @classmethod
    def get_instance(cls) -> _Log:
        return _Log()


def _module(name: str, **attributes: object) -> ModuleType:
    module = ModuleType(name, "stand-in of pytest_mlpstorage: DLIO imports this and does not use it")
    # Without a spec, find_spec on the name raises ValueError in whoever asks for it.
    module.__spec__ = ModuleSpec(name, loader=None)
    for key, value in attributes.items():
        setattr(module, key, value)
    return module


def _tensorflow() -> list[ModuleType]:
    return [_module("tensorflow")]


def _dftracer() -> list[ModuleType]:
    logger = _module("dftracer.logger", dftracer=_Tracer, dft_fn=_Profile, DFTRACER_ENABLE=False)
    return [_module("dftracer", logger=logger, __path__=[]), logger]


STAND_INS: dict[str, Callable[[], list[ModuleType]]] = {"tensorflow": _tensorflow, "dftracer": _dftracer}


def absent() -> tuple[str, ...]:
    """Names that have a stand-in and are not installed."""
    return tuple(name for name in STAND_INS if name not in sys.modules and find_spec(name) is None)


def install() -> tuple[str, ...]:
    """Put a stand-in where the real package is absent, and only there; returns the names."""
    names = absent()
    for name in names:
        for module in STAND_INS[name]():
            sys.modules[module.__name__] = module
    return names
