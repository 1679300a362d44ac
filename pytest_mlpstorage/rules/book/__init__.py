"""The rules themselves, one module a kind of subject or a round: every module here is read when the rule book is opened."""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
