"""Vector database engines by entry point: ours and those of any package installed beside us."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from pytest_mlpstorage.config.problems import did_you_mean
from pytest_mlpstorage.errors import ConfigurationError, DependencyError
from pytest_mlpstorage.vectordb.engine import Engine, EngineUnavailableError

__all__ = ["GROUP", "engine", "names"]

GROUP = "pytest_mlpstorage.vectordb_engines"


def names() -> tuple[str, ...]:
    """All registered engines in order of name, without loading any; that their packages are installed is not said by it."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def engine(name: str) -> Engine:
    """A new engine object of that name. Its own package is not asked for yet.

    Raises ConfigurationError for a name that nobody registered, EngineUnavailableError for a plug-in that does not load and
    DependencyError where two packages register different plug-ins under one name.
    """
    points = {point.value: point for point in entry_points(group=GROUP, name=name)}
    if not points:
        known = names()
        raise ConfigurationError(
            f"no vector database engine is called {name!r}{did_you_mean(name, known)}",
            details={"registered": ", ".join(known) or "none", "entry points": GROUP},
            suggestion="name one of these, or install the package that registers yours",
            code="MLPS-E114",
        )
    if len(points) > 1:
        raise DependencyError(
            f"two packages register a vector database engine called {name!r}",
            details={_owner(point): point.value for point in points.values()},
            suggestion="uninstall one of them",
            code="MLPS-E211",
        )
    (point,) = points.values()
    try:
        made: Engine = point.load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise EngineUnavailableError(
            f"the vector database engine {name!r} cannot be loaded",
            details={"entry point": f"{point.name} = {point.value}", "package": _owner(point)},
            suggestion="repair or uninstall that package",
            cause=error,
            code="MLPS-E211",
        ) from error
    return made


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"
