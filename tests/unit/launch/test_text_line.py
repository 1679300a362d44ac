"""One end of a line of text: whole messages, and nothing that waits for the other side."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

import pytest

from pytest_mlpstorage.launch import line as line_module
from pytest_mlpstorage.launch.guard import GUARD_VARIABLE
from pytest_mlpstorage.launch.line import StarterLine
from pytest_mlpstorage.launch.processes import RUN_ID_VARIABLE
from pytest_mlpstorage.launch.text_line import TextLine


@pytest.fixture
def ends():
    """A line, and the other end of it as a plain socket."""
    ours, theirs = socket.socketpair()
    line = TextLine(ours)
    yield line, theirs
    line.close()
    theirs.close()


def test_a_message_is_heard_when_it_is_whole(ends):
    line, other = ends
    assert line.heard() == []
    other.sendall(b"rank\t3\tnode")
    assert line.heard() == []
    other.sendall(b"1\nbye\ncaf\xe9\t\n")
    assert line.heard() == [["rank", "3", "node1"], ["bye"], ["caf\N{REPLACEMENT CHARACTER}", ""]]


def test_the_other_side_is_gone_when_it_has_closed_and_all_is_heard(ends):
    line, other = ends
    other.sendall(b"bye\n")
    other.close()
    assert line.heard() == [["bye"]]
    assert line.heard() is None
    line.say("usage")  # nobody hears it, and nothing is raised


def test_what_is_said_is_words_between_tabs(ends):
    line, other = ends
    line.say("io", 3, 0.5)
    assert other.recv(100) == b"io\t3\t0.5\n"


def test_a_word_cannot_begin_another_word_or_message(ends):
    line, other = ends
    line.say("left", 7, "a\tb\nbye\t0")
    assert other.recv(100) == b"left\t7\ta b bye 0\n"


def test_a_closed_line_says_nothing(ends):
    line, _ = ends
    assert line.open
    line.close()
    assert not line.open
    line.say("usage")


@pytest.mark.parametrize(("patience_seconds", "least", "most"), [(0.0, 0.0, 0.2), (0.3, 0.3, 3.0)])
def test_another_side_that_takes_nothing_is_not_waited_for_above_the_given_time(patience_seconds, least, most):
    ours, _other = socket.socketpair()
    line = TextLine(ours, patience_seconds=patience_seconds)
    begun = time.monotonic()
    line.say("x" * (8 << 20))
    assert least <= time.monotonic() - begun < most
    begun = time.monotonic()
    assert line.heard() == []
    assert time.monotonic() - begun < 0.2


@pytest.mark.fault
def test_a_starter_that_is_stopped_does_not_hold_pytest_up_however_much_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(line_module, "_SAY_SECONDS", 0.005, raising=False)
    line = StarterLine(lambda *_: None)
    environment = {**os.environ, RUN_ID_VARIABLE: "0123456789ab", GUARD_VARIABLE: "127.0.0.1,1,token"}
    with (tmp_path / "out").open("wb") as out, socket.create_server(("127.0.0.1", 0)) as listener:
        line.start(
            [sys.executable, "-c", "import time; time.sleep(60)"], listener,
            ranks=1, deadline_seconds=60.0, ping=False, out=out, err=out, cwd=None, env=environment,
        )  # fmt: skip
    os.kill(line._starter.pid, signal.SIGSTOP)
    told = threading.Thread(target=lambda: [line.say("usage") for _ in range(500)], daemon=True)
    told.start()
    told.join(10)
    held_up = told.is_alive()
    os.kill(line._starter.pid, signal.SIGCONT)
    told.join(10)
    time.sleep(0.5)  # until there is room for a last word
    line.end()
    assert not held_up


def test_a_word_that_is_no_text_is_said_by_its_bytes():
    one, other = socket.socketpair()
    speaker, listener = TextLine(one), TextLine(other)
    speaker.say("hello", "h\udcff1")
    assert listener.heard() == [["hello", "h\\udcff1"]]
    speaker.close()
    listener.close()
