"""The users of a rank, drawn exactly as the official tool draws them before its first thread starts (kvcache.md §1.2)."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence
from typing import Final, Literal

from pytest_mlpstorage.errors import ConfigurationError

__all__ = [
    "QOS",
    "QOS_PRIORITY",
    "TEMPLATES",
    "QoSShares",
    "Template",
    "User",
    "offered_requests_per_second",
    "population",
    "scaled_contexts",
]

QoS = Literal["interactive", "responsive", "batch"]

QOS: Final[tuple[QoS, QoS, QoS]] = ("interactive", "responsive", "batch")
"""The service classes; the place in this row is the number that schedules and event logs hold."""

QOS_PRIORITY: Final = (3, 2, 1)
"""Priority of each class, in the order of ``QOS``; the highest is served first."""

_JITTER: Final = (0.8, 1.2)


@dataclasses.dataclass(frozen=True)
class Template:
    """What users of one kind ask for; each range with both ends."""

    name: str
    context_tokens: tuple[int, int]
    generate_tokens: tuple[int, int]
    think_seconds: tuple[float, float]


TEMPLATES: Final = (
    Template("chatbot", (512, 4096), (50, 200), (0.1, 0.5)),
    Template("coding", (4096, 25000), (100, 500), (0.2, 1.0)),
    Template("document", (4096, 16384), (200, 800), (0.3, 1.5)),
)
"""The three kinds of users, equally probable. Their order is part of the draw."""


@dataclasses.dataclass(frozen=True)
class QoSShares:
    """Limits of the draw in [0, 1) that gives a user its class: below the first interactive, below the second responsive."""

    interactive_below: float = 0.15
    responsive_below: float = 0.50

    def qos(self, draw: float) -> QoS:
        """The class of that draw."""
        if draw < self.interactive_below:
            return "interactive"
        return "responsive" if draw < self.responsive_below else "batch"


@dataclasses.dataclass(frozen=True)
class User:
    """One simulated user; what is drawn once holds for all its requests."""

    index: int
    template: str
    qos: QoS
    context_tokens: int
    generate_tokens: int
    think_seconds: float

    @property
    def qos_number(self) -> int:
        """Place of the class in ``QOS``."""
        return QOS.index(self.qos)


def population(seed: int, users: int, templates: Sequence[Template] = TEMPLATES, shares: QoSShares | None = None) -> tuple[User, ...]:
    """So many users of that seed: for each the kind, the class, the context, the generation and the think time, in this order.

    Python promises the same numbers of ``random`` for the same seed in all its versions, so the official population is reproduced.
    """
    if not templates:
        raise ConfigurationError("a population needs at least one kind of user", code="MLPS-E115")
    draw = random.Random(seed)  # noqa: S311 - the official tool's own generator; nothing here is a secret
    shares = shares or QoSShares()
    return tuple(_user(draw, index, templates, shares) for index in range(users))


def _user(draw: random.Random, index: int, templates: Sequence[Template], shares: QoSShares) -> User:
    template = draw.choice(templates)
    qos = shares.qos(draw.random())
    context = draw.randint(*template.context_tokens)
    generate = draw.randint(*template.generate_tokens)
    return User(index, template.name, qos, context, generate, draw.uniform(*template.think_seconds))


def scaled_contexts(templates: Sequence[Template], divisor: int) -> tuple[Template, ...]:
    """The same kinds of users with contexts so many times shorter, as in the quick configuration; at least one token."""
    if divisor < 1:
        raise ConfigurationError(f"contexts cannot be divided by {divisor}", details={"allowed": "1 and more"}, code="MLPS-E115")
    return tuple(
        dataclasses.replace(
            template, context_tokens=(max(1, template.context_tokens[0] // divisor), max(1, template.context_tokens[1] // divisor))
        )
        for template in templates
    )


def offered_requests_per_second(users: Sequence[User]) -> float:
    """Requests a second that the users send whether they are served or not: one per mean think time and user."""
    return math.fsum(1 / (user.think_seconds * sum(_JITTER) / 2) for user in users)
