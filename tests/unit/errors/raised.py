"""Every place that makes an error of ours, with its code and what its message looks like, read from the syntax trees of the package."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest_mlpstorage
from pytest_mlpstorage import errors

PACKAGE = Path(pytest_mlpstorage.__file__).parent
CODE = re.compile(r"MLPS-E\d{3}")


@dataclasses.dataclass(frozen=True)
class Made:
    """A call that makes an error or notes one. ``codes``: those that it may have; empty where a variable says it.

    ``explicit``: whether they are its own, and not those of a class that stands for a whole kind. ``message`` is a regular expression.
    """

    place: str
    name: str
    codes: tuple[str, ...]
    explicit: bool
    message: str


def modules() -> dict[str, ast.Module]:
    """The modules of the package and of its suites, without the copies of these in a wheel."""
    folders = [PACKAGE, *(folder for name in ("benchmarks", "rules") if (folder := PACKAGE.parent / name).is_dir())]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py")) if PACKAGE / "suites" not in path.parents]
    return {path.relative_to(PACKAGE.parent).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def codes_of_classes(read: dict[str, ast.Module]) -> dict[str, str]:
    """The code of each class of errors, those that other modules derive among them."""
    found = {name: kind.code for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)}
    for tree in read.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name not in found:
                bases = [found[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in found]
                own = [text for line in node.body if isinstance(line, ast.Assign) for text in _codes(line.value)]
                if bases:
                    found[node.name] = (own or bases)[0]
    return found


def made(read: dict[str, ast.Module]) -> list[Made]:
    """All calls that make one of our errors, or that give a ``code=`` of ours to anything."""
    of_class, found = codes_of_classes(read), []
    for module, tree in read.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            given = next((keyword.value for keyword in node.keywords if keyword.arg == "code"), None)
            if name not in of_class and not _codes(given):
                continue
            default = of_class.get(name, "")
            codes = _codes(given) if given is not None else (default,)
            texts = [one for one in node.args if isinstance(one, ast.JoinedStr) or isinstance(getattr(one, "value", None), str)]
            message = "|".join(map(_pattern, texts)) or ".*"
            found.append(Made(f"{module}:{node.lineno}", name, codes, given is not None or not default.endswith("00"), message))
    return found


def literals(read: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Each code that stands anywhere in the code, with the modules in which it does."""
    found: dict[str, set[str]] = {}
    for module, tree in read.items():
        for node in ast.walk(tree):
            for code in CODE.findall(str(node.value)) if isinstance(node, ast.Constant) else ():
                found.setdefault(code, set()).add(module)
    return found


def _codes(node: ast.expr | None) -> tuple[str, ...]:
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)] if node is not None else []
    return tuple(text for text in texts if isinstance(text, str) and CODE.fullmatch(text))


def _pattern(node: ast.expr) -> str:
    """What a text looks like; anything where that is not known here."""
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values)
    return ".*"
