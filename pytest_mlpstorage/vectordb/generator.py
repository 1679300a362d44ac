"""Vectors and queries out of a seed and a block's number alone: any process makes any block, and all make the same (vectordb.md §7.1).

The numbers come from counters (Philox): the key is the seed, the counter holds the block and the stream, and a block draws far fewer
numbers than lie between two counters. The draw order is part of each data set's name. numpy promises its streams for one version.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["BLOCK_ROWS", "QUERY_BLOCK", "ClusteredV1", "Dataset", "Ids", "QueryKind", "Uniform", "Vectors", "contrast", "dataset"]

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
QueryKind = Literal["planted", "heldout"]

BLOCK_ROWS: Final = 4096
"""Rows of a block; the last one is drawn whole and cut."""

QUERY_BLOCK: Final = 1024
"""Queries of a block."""

_CENTRES, _ROWS, _QUERIES = 0, 1, 2
"""Streams: numbers for one never serve another."""

_ROWS_A_CLUSTER: Final = 256
_FEWEST_CLUSTERS, _MOST_CLUSTERS = 256, 4096
_BASES: Final = 8
"""Blocks that a block of planted queries takes its rows from: more would cost more and change nothing."""

_UNPLANTED: Final = -1
_LARGEST_SEED: Final = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Dataset(abc.ABC):
    """``rows`` unit vectors of ``dim`` float32 numbers; the id of a vector is its row's number.

    ``query_seed`` draws the queries; None takes ``seed``, whose stream of queries is apart from that of rows.
    """

    seed: int
    rows: int
    dim: int
    query_seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("rows", "dim"):
            if getattr(self, name) < 1:
                raise ConfigurationError(
                    f"a data set of {getattr(self, name)} {name} is none", suggestion=f"set {name} to 1 or more", code="MLPS-E111"
                )
        for name in ("seed", "query_seed"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= _LARGEST_SEED:
                raise ConfigurationError(f"{name} {value} is no seed", details={"allowed": f"0 to {_LARGEST_SEED}"}, code="MLPS-E111")

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name and version of the generator: what it draws, in which order."""

    @abc.abstractmethod
    def block(self, number: int) -> Vectors:
        """Rows ``number`` × 4096 and on, at most so many."""

    @abc.abstractmethod
    def query_block(self, number: int) -> tuple[Vectors, Ids]:
        """1024 queries, and the row that each was planted at; -1 where it was not."""

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.rows // BLOCK_ROWS)

    def rows_of(self, number: int) -> int:
        """Rows of a block. Raises IndexError for one that the data set does not have."""
        if not 0 <= number < self.blocks:
            raise IndexError(f"block {number} of {self.blocks}")
        return min(BLOCK_ROWS, self.rows - number * BLOCK_ROWS)

    def ids_of(self, number: int) -> Ids:
        """The ids of a block's rows."""
        first = number * BLOCK_ROWS
        return np.arange(first, first + self.rows_of(number), dtype=np.int64)

    def sha256(self, tell: Callable[[float], None] = lambda _fraction: None) -> str:
        """Hash of all rows in order, as little-endian float32; made once, with ``tell`` called after each block."""
        known: str | None = self.__dict__.get("_sha256")
        if known is None:
            state = hashlib.sha256()
            for number in range(self.blocks):
                state.update(_bytes(self.block(number)))
                tell((number + 1) / self.blocks)
            known = self.__dict__["_sha256"] = state.hexdigest()
        return known

    def fingerprint(self) -> str:
        """Hash of the first and the last block and of the first queries: what processes of unlike hosts compare before they load."""
        ends = {0, self.blocks - 1}
        state = hashlib.sha256(b"".join(_bytes(self.block(number)) for number in sorted(ends)))
        state.update(_bytes(self.query_block(0)[0]))
        return state.hexdigest()

    def query_identity(self) -> dict[str, Any]:
        """What the queries hang on beside the rows."""
        return {"query_seed": self.seed if self.query_seed is None else self.query_seed}

    def describe(self) -> dict[str, Any]:
        """What a result records of the data set beside its hash."""
        return {
            "generator": self.name,
            "seed": self.seed,
            "n": self.rows,
            "dim": self.dim,
            "numpy": np.__version__,
            **self.query_identity(),
        }

    def _numbers(self, stream: int, number: int) -> np.random.Generator:
        seed = self.seed if stream != _QUERIES or self.query_seed is None else self.query_seed
        return np.random.Generator(np.random.Philox(key=seed, counter=[0, number, stream, 0]))


@dataclasses.dataclass(frozen=True)
class ClusteredV1(Dataset):
    """Rows around centres, so that neighbours are nearer than the rest and recall tells a good index from a bad one.

    ``sigma`` is the spread around a centre, ``nu`` that of a planted query around its row; a query that is held out is one more row
    of the same mixture.
    """

    sigma: float = 1.0
    queries: QueryKind = "planted"
    nu: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sigma", "nu"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigurationError(
                    f"{name} {getattr(self, name)} is no spread", suggestion=f"set {name} to 0 or more", code="MLPS-E111"
                )
        if self.queries not in ("planted", "heldout"):
            raise ConfigurationError(f"queries are planted or heldout, not {self.queries!r}", code="MLPS-E114")

    @property
    def name(self) -> str:  # noqa: D102 - inherited
        return "clustered-v1"

    @property
    def clusters(self) -> int:
        """Number of centres: about 256 rows each, which keeps the contrast the same from 50 000 rows to a million."""
        return min(_MOST_CLUSTERS, max(_FEWEST_CLUSTERS, self.rows // _ROWS_A_CLUSTER))

    @functools.cached_property
    def centres(self) -> Vectors:
        """Directions of the clusters."""
        return _units(self._numbers(_CENTRES, 0).standard_normal((self.clusters, self.dim), dtype=np.float32))

    def block(self, number: int) -> Vectors:  # noqa: D102 - inherited
        rows = self.rows_of(number)
        return self._mixture(self._numbers(_ROWS, number), BLOCK_ROWS)[:rows]

    def query_block(self, number: int) -> tuple[Vectors, Ids]:  # noqa: D102 - inherited
        numbers = self._numbers(_QUERIES, _whole(number))
        if self.queries == "heldout":
            return self._mixture(numbers, QUERY_BLOCK), np.full(QUERY_BLOCK, _UNPLANTED, dtype=np.int64)
        # By rows, not by blocks, so that those of a short last block are not asked for more often.
        blocks = numbers.integers(0, self.rows, _BASES) // BLOCK_ROWS
        each = QUERY_BLOCK // _BASES
        inner = [numbers.choice(self.rows_of(block), each, replace=self.rows_of(block) < each) for block in blocks]
        base = np.concatenate([self.block(int(block))[rows] for block, rows in zip(blocks, inner, strict=True)])
        planted = np.concatenate([block * BLOCK_ROWS + rows for block, rows in zip(blocks, inner, strict=True)])
        queries = _units(base + self._noise(numbers, QUERY_BLOCK, self.nu))
        order = numbers.permutation(QUERY_BLOCK)
        return queries[order], planted[order].astype(np.int64)

    def query_identity(self) -> dict[str, Any]:  # noqa: D102 - inherited
        return {**super().query_identity(), "queries": self.queries, **({"nu": self.nu} if self.queries == "planted" else {})}

    def describe(self) -> dict[str, Any]:  # noqa: D102 - inherited
        return {**super().describe(), "sigma": self.sigma, "clusters": self.clusters}

    def _mixture(self, numbers: np.random.Generator, rows: int) -> Vectors:
        chosen = numbers.integers(0, self.clusters, rows)
        return _units(self.centres[chosen] + self._noise(numbers, rows, self.sigma))

    def _noise(self, numbers: np.random.Generator, rows: int, spread: float) -> Vectors:
        # Scaled in place: a block of 1536 dimensions is 24 MiB.
        noise = numbers.standard_normal((rows, self.dim), dtype=np.float32)
        noise *= np.float32(spread / math.sqrt(self.dim))
        return noise


@dataclasses.dataclass(frozen=True)
class Uniform(Dataset):
    """As the official tool's data and queries: each number from 0 up to 1, then normalised. For comparison; recall tells little on it."""

    @property
    def name(self) -> str:  # noqa: D102 - inherited
        return "uniform"

    def block(self, number: int) -> Vectors:  # noqa: D102 - inherited
        rows = self.rows_of(number)
        return _units(self._numbers(_ROWS, number).random((BLOCK_ROWS, self.dim), dtype=np.float32))[:rows]

    def query_block(self, number: int) -> tuple[Vectors, Ids]:  # noqa: D102 - inherited
        queries = self._numbers(_QUERIES, _whole(number)).random((QUERY_BLOCK, self.dim), dtype=np.float32)
        return _units(queries), np.full(QUERY_BLOCK, _UNPLANTED, dtype=np.int64)


def dataset(
    generator: str, seed: int, rows: int, dim: int, *, sigma: float = 1.0, queries: str = "planted", query_seed: int | None = None
) -> Dataset:
    """The data set of that name. Raises ConfigurationError for one that is not known."""
    if generator == "clustered-v1":
        return ClusteredV1(seed, rows, dim, query_seed, sigma, queries)  # type: ignore[arg-type]  # __post_init__ looks at it
    if generator == "uniform":
        return Uniform(seed, rows, dim, query_seed)
    raise ConfigurationError(f"no generator is called {generator!r}", details={"known": "clustered-v1, uniform"}, code="MLPS-E114")


def contrast(data: Dataset, *, queries: int = 100, k: int = 10, tell: Callable[[float], None] = lambda _fraction: None) -> float | None:
    """Median over queries of the mean distance to all rows over that to the k-th neighbour (distance 1 - cosine).

    Near 1 all rows are as good an answer as the neighbours, and recall says little. None where there are no more than ``k`` rows, or
    where half of the queries have k rows in their own place.
    """
    if data.rows <= k:
        return None
    asked = data.query_block(0)[0][:queries].astype(np.float64)
    total = np.zeros(len(asked))
    nearest = np.full((len(asked), k), np.inf)
    for number in range(data.blocks):
        distances = 1.0 - asked @ data.block(number).T.astype(np.float64)
        total += distances.sum(axis=1)
        nearest = np.partition(np.concatenate([nearest, distances], axis=1), k - 1, axis=1)[:, :k]
        tell((number + 1) / data.blocks)
    furthest = np.maximum(nearest[:, k - 1], 0.0)
    ratios = np.divide(total / data.rows, furthest, out=np.full(len(asked), np.inf), where=furthest > 0)
    middle = float(np.median(ratios))
    return middle if math.isfinite(middle) else None


def _units(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / length, dtype=np.float32)


def _bytes(vectors: Vectors) -> bytes:
    return vectors.astype("<f4", copy=False).tobytes()


def _whole(number: int) -> int:
    if number < 0:
        raise IndexError(f"query block {number}")
    return number
