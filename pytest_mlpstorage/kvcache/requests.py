"""The operations of one request, in the order of kvcache.md §1.3."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from pytest_mlpstorage.kvcache.work import FLAG_PREFIX, PHASE_DECODE, PHASE_PREFILL, Schedule, earlier_entries

__all__ = [
    "DECODE_BATCH",
    "PREFIX_ENTRY",
    "ConversationBook",
    "Operation",
    "OperationKind",
    "Reason",
    "Request",
    "decode_reads",
    "operations",
]

OperationKind = Literal["read", "write", "miss"]
Reason = Literal["turn", "prefill", "probe", "decode", "miss", "prefix", "rag"]

DECODE_BATCH: Final = 32
"""Generated tokens for which an entry is read once more."""

PREFIX_ENTRY: Final = 0xFFFF_FFF0
"""Number of a system prompt in the flags plus this is the entry that the prompt is looked up as. Nothing is ever stored there (F9)."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """One whole-entry operation; ``bytes`` is 0 for a miss. Reason ``miss`` is the write in place of the reads of an absent entry."""

    kind: OperationKind
    entry: int
    bytes: int
    reason: Reason


class Request(NamedTuple):
    """One row of a schedule in plain numbers; its fields are those of ``REQUEST_DTYPE``."""

    t_arrival_ns: int
    user: int
    qos: int
    conversation: int
    turn: int
    phase: int
    context: int
    generate: int
    entry: int
    flags: int

    @classmethod
    def of(cls, schedule: Schedule, place: int) -> Request:
        """That row of the schedule."""
        return cls(*schedule.requests[place].item())


def decode_reads(generate: int, batch: int = DECODE_BATCH) -> int:
    """Reads of the entry after the probe: one for each batch of generated tokens, at least one."""
    return max(1, -(-generate // batch))


def operations(
    request: Request,
    held_bytes: Callable[[int], int | None],
    entry_bytes: Callable[[int], int],
    *,
    remembered: bool = True,
    documents: Sequence[tuple[int, int]] = (),
    decode_batch: int = DECODE_BATCH,
) -> Iterator[Operation]:
    """What the request does, one operation after the other.

    ``held_bytes`` gives the bytes of an entry that the cache holds, None for one that it does not; it is asked right before each
    operation, so the caller must have done (and placed) one before it asks for the next. ``entry_bytes`` gives the bytes of so many
    tokens. A conversation that the bookkeeping has dropped (``remembered`` false) has no earlier turns to read. ``documents`` are
    the chunks to retrieve, each by entry and tokens.
    """
    prompt = request.flags & FLAG_PREFIX
    if prompt:
        yield Operation("miss", PREFIX_ENTRY + prompt, 0, "prefix")
    size = entry_bytes(request.context)
    if request.phase != PHASE_DECODE:
        if remembered:
            for entry in earlier_entries(request.entry, request.turn):
                yield _read(entry, held_bytes(entry), "turn")
        if held_bytes(request.entry) is None:
            yield Operation("write", request.entry, size, "prefill")
    for entry, tokens in documents:
        held = held_bytes(entry)
        yield _read(entry, held, "rag")
        if held is None:
            yield Operation("write", entry, entry_bytes(tokens), "rag")
    if request.phase == PHASE_PREFILL:
        return
    held = held_bytes(request.entry)
    yield _read(request.entry, held, "probe")
    if held is None:
        yield Operation("write", request.entry, size, "miss")
        return
    for _ in range(decode_reads(request.generate, decode_batch)):
        # Another request may have evicted it since: then the official tool counts a miss and goes on.
        yield _read(request.entry, held_bytes(request.entry), "decode")


def _read(entry: int, held: int | None, reason: Reason) -> Operation:
    return Operation("miss", entry, 0, reason) if held is None else Operation("read", entry, held, reason)


class ConversationBook:
    """The official bookkeeping of conversations: the last so many that spoke are known, of the others no earlier turn is read.

    Their entries stay where they are. A request is noted as it is queued and asked about as it is served.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._known: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def arrived(self, conversation: int) -> None:
        """Note a request of that conversation; the one that was silent longest is dropped where there are too many."""
        self._known[conversation] = None
        self._known.move_to_end(conversation)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def remembers(self, conversation: int) -> bool:
        """Whether earlier turns of the conversation are still known."""
        return conversation in self._known
