"""What objects are filled with, and how a load is told from anything else that could lie there.

Every block is the same noise, XORed with a key of its own so that storage finds no two alike, and carries 8 bytes at each
512: the entry, the pass that stored it, and the sector of its file. A sector that went astray says where it belongs.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal, TypeAlias

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError, ValidationError
from pytest_mlpstorage.kvcache.buffers import Lane, Words, noise
from pytest_mlpstorage.kvcache.layout import HEADER_BYTES

__all__ = ["LARGEST_ENTRY", "SECTOR_BYTES", "Content", "Mark", "Stamp", "Verify"]

Verify: TypeAlias = Literal["stamps", "full", "sample"]
"""All stamps; all bytes; or the stamps of one block in 16, where the client is the limit."""

SECTOR_BYTES: Final = 512
LARGEST_ENTRY: Final = (1 << 24) - 1
_LARGEST_PASS: Final = (1 << 8) - 1
_SAMPLED: Final = 16
_WORD_BYTES: Final = 8
_SECTOR_WORDS: Final = SECTOR_BYTES // _WORD_BYTES
_PAGE_WORDS: Final = 4096 // _WORD_BYTES
_HEADER_SECTORS: Final = HEADER_BYTES // SECTOR_BYTES
_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E37_79B9_7F4A_7C15


@dataclasses.dataclass(frozen=True)
class Stamp:
    """The 8 bytes at the start of a sector."""

    entry: int
    pass_no: int
    sector: int

    @property
    def word(self) -> int:
        """As it is written, little-endian: entry 24 bits, pass 8, sector 32."""
        return self.entry << 40 | self.pass_no << 32 | self.sector

    @classmethod
    def read(cls, word: int) -> Stamp:
        """What a word says, if it is a stamp."""
        return cls(word >> 40, word >> 32 & 0xFF, word & 0xFFFF_FFFF)

    def instead(self, found: int) -> str:
        """Say what it may mean that ``found`` stands in the place of this stamp."""
        other = Stamp.read(found)
        if found == 0:
            return "zeros lie there"
        if other.sector == self.sector and other.entry != self.entry:
            return f"entry {other.entry} of pass {other.pass_no} lies there: another object's data"
        if other.sector == self.sector:
            return f"pass {other.pass_no} wrote what lies there: an old generation of this entry"
        if (other.entry, other.pass_no) == (self.entry, self.pass_no) and (found ^ self.word).bit_count() > 1:
            return f"sector {other.sector} of the same entry lies there: data out of place"
        return f"{(found ^ self.word).bit_count()} of 64 bits of the stamp differ"


class Mark:
    """What all blocks of one stored object have in common, worked out once an object."""

    __slots__ = ("entry", "key", "pass_no", "word")

    def __init__(self, entry: int, pass_no: int) -> None:
        if not 0 <= entry <= LARGEST_ENTRY or not 0 <= pass_no <= _LARGEST_PASS:
            raise ConfigurationError(
                f"entry {entry} of pass {pass_no} cannot be stamped: at most {LARGEST_ENTRY} and {_LARGEST_PASS}", code="MLPS-E115"
            )
        self.entry = entry
        self.pass_no = pass_no
        self.word = Stamp(entry, pass_no, 0).word
        self.key = _mixed(self.word)

    def block_key(self, block: int) -> int:
        """What the noise of a block is XORed with: no two blocks of an object have the same, nor, but by chance, of any two."""
        return (self.key + block * _STEP) & _MASK


class Content:
    """Fills buffers of up to ``chunk`` bytes and checks them; it may be used by several threads at a time.

    That is a block: what a lane of the arena holds, of one call or of several.

    ``compressible_fraction`` of each 4096 bytes is zero. Ranks number their entries alike: what each stores has ``rank`` in it, or
    storage that finds equal blocks would keep those of all ranks once.
    """

    def __init__(self, chunk: int, *, verify: Verify = "stamps", compressible_fraction: float = 0.0, rank: int = 0) -> None:
        if not 0 <= compressible_fraction <= 1:
            raise ConfigurationError(
                f"a fraction of {compressible_fraction} cannot be compressible: it lies between 0 and 1", code="MLPS-E111"
            )
        self._full = verify == "full"
        self._of_rank = _mixed(rank)
        self.one_in = _SAMPLED if verify == "sample" else 1
        """Of so many blocks one is to be checked."""
        self._chunk = chunk
        self._sectors = chunk // SECTOR_BYTES
        self._noise = noise(chunk)
        self._ramp: Words = np.arange(self._sectors, dtype="<u8")
        self._zero_from = _PAGE_WORDS - round(_PAGE_WORDS * compressible_fraction)

    def fill(self, lane: Lane, mark: Mark, block: int, length: int) -> None:
        """Make the first ``length`` bytes of a lane, or up to 511 more, what that block of the object holds.

        A lane that holds the block before is turned into this one where it lies, which takes half as long as making it from the noise.
        """
        key, held = mark.block_key(block) ^ self._of_rank, lane.holds
        lane.base[0] = mark.word + block * self._sectors
        if length != self._chunk:  # seldom; slices cost more than the rest
            lane.key[0], lane.holds = key, None
            words, sectors = -(-length // _WORD_BYTES), -(-length // SECTOR_BYTES)
            np.bitwise_xor(self._noise[:words], lane.key, lane.words[:words])
            if self._zero_from < _PAGE_WORDS:
                self._zeros(lane.words[: -(-words // _PAGE_WORDS) * _PAGE_WORDS]).fill(0)
            np.add(self._ramp[:sectors], lane.base, lane.stamps[:sectors])
            return
        if held is None:
            lane.key[0] = lane.holds = key
            np.bitwise_xor(self._noise, lane.key, lane.words)
        else:
            lane.key[0], lane.holds = key ^ held, key
            np.bitwise_xor(lane.words, lane.key, lane.words)
        if self._zero_from < _PAGE_WORDS:
            self._zeros(lane.words).fill(0)
        np.add(self._ramp, lane.base, lane.stamps)

    def check(self, lane: Lane, mark: Mark, block: int, length: int, path: str) -> None:
        """See that the first ``length`` bytes of a lane are what was stored; what stands in the lane may be lost by it.

        Raises ValidationError with file and offset of the first sector that is not. The header is its caller's to check.
        """
        lane.base[0] = mark.word + block * self._sectors
        ramp, expected, stamps, differs = self._ramp, lane.expected, lane.stamps, lane.differs
        if length != self._chunk:
            sectors = (length + SECTOR_BYTES - _WORD_BYTES) // SECTOR_BYTES  # those whose stamp is whole
            ramp, expected, stamps, differs = ramp[:sectors], expected[:sectors], stamps[:sectors], differs[:sectors]
        np.add(ramp, lane.base, expected)
        np.not_equal(stamps, expected, differs)
        if block == 0:
            differs[:_HEADER_SECTORS] = False
        if np.count_nonzero(differs):
            wrong = int(differs.argmax())
            found, stamp = int(stamps[wrong]), Stamp.read(int(expected[wrong]))
            reason = stamp.instead(found)
            raise _corrupt(path, block * self._chunk + wrong * SECTOR_BYTES, stamp, reason, int(np.count_nonzero(differs)))
        if self._full:
            self._check_all(lane, mark, block, length, path)

    def _check_all(self, lane: Lane, mark: Mark, block: int, length: int, path: str) -> None:
        """Undo the XOR in place: every word but the stamps must be the key. In place, so that nothing is allocated a chunk."""
        first, words = HEADER_BYTES // _WORD_BYTES if block == 0 else 0, length // _WORD_BYTES
        key, begins = np.uint64(mark.block_key(block) ^ self._of_rank), block * self._chunk
        stamp = Stamp(mark.entry, mark.pass_no, begins // SECTOR_BYTES)
        lane.holds = None
        cut = self._word(words, key, stamp).to_bytes(_WORD_BYTES, "little")[: length % _WORD_BYTES] if length % _WORD_BYTES else b""
        if lane.buffer[length - len(cut) : length] != cut:
            raise _content_differs(path, begins, words, stamp)
        lane.stamps[:] = key
        if self._zero_from < _PAGE_WORDS:
            self._check_zeros(lane, key, first, words)
        lane.words[:words] ^= self._noise[:words]
        lane.stamps[:] = key
        part = lane.words[first:words]
        if part.size and not part.min() == part.max() == key:
            raise _content_differs(path, begins, first + int((part != key).argmax()), stamp)

    def _word(self, at: int, key: np.uint64, stamp: Stamp) -> int:
        if at % _SECTOR_WORDS == 0:
            return stamp.word + at // _SECTOR_WORDS
        if at % _PAGE_WORDS >= self._zero_from:
            return 0
        return int(self._noise[at] ^ key)

    def _check_zeros(self, lane: Lane, key: np.uint64, first: int, words: int) -> None:
        """Turn zeros that must be there into what the noise would be, and what is none into something that is seen."""
        wrong, pages = ~key, self._zeros(lane.words)
        for page in range(first // _PAGE_WORDS, -(-words // _PAGE_WORDS)):
            start = page * _PAGE_WORDS + self._zero_from
            zeros = pages[page]
            zeros[(np.arange(start, start + zeros.size) % _SECTOR_WORDS) == 0] = 0
            clean = zeros == 0
            zeros[:] = np.where(clean, key, wrong) ^ self._noise[start : start + zeros.size]

    def _zeros(self, words: Words) -> Words:
        return words.reshape(-1, _PAGE_WORDS)[:, self._zero_from :]


def _mixed(number: int) -> int:
    """SplitMix64: neighbours have nothing in common."""
    mixed = (number + _STEP) & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & _MASK
    return mixed ^ mixed >> 31


def _content_differs(path: str, begins: int, word: int, stamp: Stamp) -> ValidationError:
    return _corrupt(path, begins + word * _WORD_BYTES, stamp, "its stamp is right, its content is not", 1)


def _corrupt(path: str, offset: int, stamp: Stamp, reason: str, sectors: int) -> ValidationError:
    return ValidationError(
        f"{path} does not hold at offset {offset} what was stored: {reason}",
        details={
            "operation": "verify",
            "file": path,
            "offset": offset,
            "entry": stamp.entry,
            "pass": stamp.pass_no,
            "wrong sectors of this block": sectors,
        },
        suggestion="the storage returned other data than it took: a result from it counts for nothing until that is understood",
        code="MLPS-E611",
    )
