"""Progress of a run, seen by wrapping DLIO's own counters: they are called as before and return as before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pytest_mlpstorage.dlio.session import Session

__all__ = ["watch_generation", "watch_loading", "watch_training"]


def watch_training(session: Session, counter: Any) -> None:
    """Note epochs and steps of ``counter`` (DLIO's StatsCounter class), and mark the I/O counters after each epoch.

    Before an epoch the data set is dropped from memory: nothing of it is read, and no clock of DLIO's runs, until then.
    """
    began = {"epoch": 0.0}

    def starts(_stats: Any, epoch: Any, *_rest: Any) -> None:
        if session.cold is not None:
            session.cold.before_epoch(int(epoch))

    def started(_stats: Any, _epoch: Any, *_rest: Any) -> None:
        began["epoch"] = time.monotonic()

    def report(stats: Any, epoch: int, step: int, *, due: bool) -> None:
        arguments = stats.args
        steps = int(getattr(stats, "steps", 0))
        record = float(getattr(arguments, "record_length", 0))
        finished = list(getattr(stats, "train_au", []))
        session.progress.train(
            epoch=int(epoch),
            epochs=int(arguments.epochs),
            step=int(step),
            steps=steps,
            au=float(finished[-1]) if finished else None,
            epoch_bytes=step * int(arguments.batch_size) * record * session.size,
            seconds=time.monotonic() - began["epoch"],
            due=due,
        )

    def stepped(stats: Any, epoch: Any, step: Any, *_rest: Any) -> None:
        report(stats, epoch, step, due=False)

    def ended(stats: Any, epoch: Any, steps: Any, *_rest: Any) -> None:
        report(stats, epoch, steps, due=True)
        if session.counters is not None:
            session.counters.mark(epoch)

    _before(counter, "start_train", starts)
    _after(counter, "start_train", started)
    # Only rank 0 tells of its steps, so only there is a step made any longer.
    if session.rank == 0:
        _after(counter, "batch_processed", stepped)
    _after(counter, "end_train", ended)


def watch_loading(session: Session, counter: Any) -> None:
    """Before the first checkpoint is read, and before DLIO times it, drop all that will be read from memory.

    A DLIO whose ``counter`` has no such mark reads as it would, and leaves no record of the page cache.
    """
    if not hasattr(counter, "start_load_ckpt"):
        return

    def starts(_stats: Any, *_rest: Any) -> None:
        if session.begin_loads is not None and session.cold is None:
            session.cold = session.begin_loads()
            session.cold.before_epoch(1)

    _before(counter, "start_load_ckpt", starts)


def watch_generation(session: Session) -> None:
    """Note the files that DLIO's own generators make; they import this function when they are chosen."""
    import dlio_benchmark.utils.utility as utility

    original = utility.progress

    def progress(count: Any, total: Any, *args: Any, **kwargs: Any) -> Any:
        session.progress.datagen(int(count), int(total))
        return original(count, total, *args, **kwargs)

    utility.progress = progress


def _before(owner: Any, name: str, first: Callable[..., None]) -> None:
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        first(self, *args, *kwargs.values())
        return original(self, *args, **kwargs)

    setattr(owner, name, wrapped)


def _after(owner: Any, name: str, then: Callable[..., None]) -> None:
    original = getattr(owner, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        then(self, *args, *kwargs.values())
        return result

    setattr(owner, name, wrapped)
