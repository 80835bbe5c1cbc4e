"""What is written to the broker together, and what at once."""

import pytest

from app import writing
from app.writing import HELD_BYTES, QUICKLY, Writer


class Wire:
    """What would be the connection."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, frames: bytes) -> None:
        self.written.append(bytes(frames))


class Clock:
    """The seconds that the test lets pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(writing, "time", clock)
    return clock


@pytest.fixture
def writer(wire: Wire, clock: Clock) -> Writer:
    """A writer that has just written something."""
    writer = Writer(wire)
    writer.write(b"0")
    wire.written.clear()
    return writer


def test_what_comes_quickly_is_written_together(writer: Writer, wire: Wire) -> None:
    """A group costs the broker few reads; nothing is left when everything is asked for."""
    for frames in (b"1", b"2"):
        with writer.holding():
            writer.write(frames)
    assert wire.written == []
    writer.flush()
    writer.flush()
    assert wire.written == [b"12"]


def test_what_comes_slowly_is_written_at_once(writer: Writer, wire: Wire, clock: Clock) -> None:
    """A worker need not wait for a sender that takes its time between two tasks."""
    for frames in (b"1", b"2"):
        clock.now += 2 * QUICKLY
        with writer.holding():
            writer.write(frames)
    assert wire.written == [b"1", b"2"]


def test_what_is_asked_of_the_broker_comes_after_what_was_held(writer: Writer, wire: Wire) -> None:
    """The order stays, and who waits for an answer has asked."""
    with writer.holding():
        writer.write(b"message")
    writer.write(b"question")
    assert wire.written == [b"messagequestion"]


def test_what_is_held_is_bounded(writer: Writer, wire: Wire) -> None:
    """The broker begins with a large group before all of it is made."""
    with writer.holding():
        writer.write(bytes(HELD_BYTES - 1))
        assert wire.written == []
        writer.write(b"1")
    assert [len(frames) for frames in wire.written] == [HELD_BYTES]
