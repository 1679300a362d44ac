"""Random numbers that are the same on every machine and in every version of numpy: one stream per user and purpose (kvcache.md §5.3).

numpy promises the words of PCG64 and of SeedSequence for ever, but not what its ``Generator`` makes of them, so that is done here.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["CONVERSATION", "DOCUMENTS", "PREFIX", "RAG", "SIZES", "THINK", "TRACE", "WORK_LIST", "Words", "fractions", "integers", "words"]

Words = npt.NDArray[np.uint64]

THINK: Final = 1
SIZES: Final = 2
CONVERSATION: Final = 3
PREFIX: Final = 4
RAG: Final = 5
WORK_LIST: Final = 6
TRACE: Final = 7
DOCUMENTS: Final = 8

_HIGH: Final = np.uint64(32)
_MANTISSA_SHIFT: Final = np.uint64(11)


def words(effective_seed: int, user: int, purpose: int, count: int) -> Words:
    """The first ``count`` 64-bit words of that user's stream for that purpose."""
    raw = np.random.PCG64(np.random.SeedSequence([effective_seed, user, purpose])).random_raw(count)
    return np.asarray(raw, np.uint64)


def fractions(drawn: Words) -> npt.NDArray[np.float64]:
    """Each word as a fraction in [0, 1) of 53 bits."""
    return np.asarray((drawn >> _MANTISSA_SHIFT) * 2.0**-53, np.float64)


def integers(drawn: Words, least: np.uint64 | Words, most: np.uint64 | Words) -> Words:
    """Each word as a whole number in [least, most], ends included, from its high 32 bits and without rounding."""
    return np.asarray(least + ((drawn >> _HIGH) * (most - least + np.uint64(1)) >> _HIGH), np.uint64)
