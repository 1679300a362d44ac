"""What engines do while a call takes long, and how a collection on a server is dropped that could not be at first."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.vectordb import long_call, milvus_engine, pgvector_engine, zvec_engine
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec

SPEC = IndexSpec("x", 8, "COSINE", "HNSW", {})


def test_a_long_call_is_heard_of_until_it_ends_and_goes_on_where_nobody_waits(monkeypatch):
    monkeypatch.setattr(long_call, "_SIGN_OF_LIFE_SECONDS", 0.01)
    go, signs = threading.Event(), []

    def progress(share):
        signs.append(share)
        if len(signs) == 3:
            raise KeyboardInterrupt

    running = long_call.LongCall("test", go.wait)
    with pytest.raises(KeyboardInterrupt):
        running.wait(progress, lambda: 0.5)
    assert signs == [None, 0.5, 0.5]
    assert not running.ended(0.01)
    go.set()
    running.wait(signs.append)
    running.result()
    assert running.ended(0)


@pytest.mark.parametrize(("raised", "kind"), [(MemoryError("no room"), MemoryError), (RuntimeError("broken"), EngineError)])
def test_a_build_of_zvec_that_fails_ends_with_what_made_it_fail(monkeypatch, raised, kind):
    def optimize(_option):
        raise raised

    monkeypatch.setattr(zvec_engine, "_zvec", lambda *_: SimpleNamespace(OptimizeOption=lambda **_: None))
    engine = zvec_engine.ZvecEngine()
    engine._spec = SPEC
    engine._collection = SimpleNamespace(flush=lambda: None, optimize=optimize, stats=SimpleNamespace(index_completeness={}))
    signs = []
    with pytest.raises(kind) as caught:
        engine.build(signs.append)
    assert (caught.value if kind is MemoryError else caught.value.cause) is raised
    assert signs == [None]


class Server:
    """A client of a server whose collection cannot be dropped at once."""

    def __init__(self, refusals):
        self.refusals, self.dropped, self.client = refusals, 0, SimpleNamespace(drop_collection=None)

    def rows(self, what, *_arguments, **_named):
        if what.startswith("remove the"):
            if self.refusals:
                self.refusals -= 1
                raise EngineError("it is locked")
            self.dropped += 1
        return []

    call = rows

    def close(self):
        pass


@pytest.mark.parametrize(
    ("module", "kind", "look"),
    [(pgvector_engine, "PgvectorEngine", "require_table"), (milvus_engine, "MilvusEngine", "require_collection")],
)
def test_what_could_not_be_dropped_is_dropped_the_next_time(monkeypatch, module, kind, look):
    server = Server(refusals=1)
    monkeypatch.setattr(module, "Connection", lambda _where: server)
    monkeypatch.setattr(module, look, lambda *_: None)
    engine = getattr(module, kind)()
    engine.attach(SPEC, "there")
    engine.close()
    with pytest.raises(EngineError, match="locked"):
        engine.drop()
    engine.close()
    engine.drop()
    engine.drop()
    assert server.dropped == 1
