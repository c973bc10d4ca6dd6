"""How long the interpreter was kept from those who wanted it."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ipywarmup.responsiveness.stalls import BEAT, StallWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipywarmup.responsiveness.stalls import Stall

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0


class Clock:
    """Time as the test wants it; whoever sleeps is woken by the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self._asleep: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._wake = threading.Semaphore(0)

    def sleep(self, seconds: float) -> None:
        """Sleep until `wake`."""
        self._asleep.put(seconds)
        assert self._wake.acquire(timeout=TIMEOUT)

    def until_asleep(self) -> None:
        """Wait until the thread sleeps, for as long as it always does."""
        assert self._asleep.get(timeout=TIMEOUT) == BEAT

    def wake(self, after: float) -> None:
        """Let so many seconds pass, and the thread wake."""
        self.now += after
        self._wake.release()

    def close(self) -> None:
        """Let the thread sleep no more."""
        self._wake.release(1000)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Return a clock that the test steers."""
    clock = Clock()
    yield clock
    clock.close()


@pytest.fixture
def watch(clock: Clock) -> StallWatch:
    """Return a watch by that clock."""
    return StallWatch(sleep=clock.sleep, clock=lambda: clock.now)


def test_the_worst_stall_is_how_much_too_late_the_thread_woke(
    clock: Clock, watch: StallWatch
) -> None:
    """Of several waits the longest counts, without the sleep itself."""
    with watch.watching() as stalls:
        for late in (0.001, 0.150, 0.020):
            clock.until_asleep()
            clock.wake(BEAT + late)
        clock.until_asleep()
    assert stalls.worst_ms == pytest.approx(150)


def test_a_wait_that_is_not_over_counts_as_far_as_it_has_come(
    clock: Clock, watch: StallWatch
) -> None:
    """What has kept the thread to the end of the block is part of it."""
    with watch.watching() as stalls:
        clock.until_asleep()
        clock.now += BEAT + 0.070
    assert stalls.worst_ms == pytest.approx(70)


def test_each_watch_has_its_own(clock: Clock, watch: StallWatch) -> None:
    """A stall belongs to those who watch while it lasts."""
    with watch.watching() as outer:
        clock.until_asleep()
        clock.wake(BEAT + 0.100)
        clock.until_asleep()
        with watch.watching() as inner:
            clock.wake(BEAT + 0.030)
            clock.until_asleep()
    assert (outer.worst_ms, inner.worst_ms) == pytest.approx((100, 30))


def test_a_stall_that_is_felt_is_told_of(clock: Clock, watch: StallWatch) -> None:
    """Who watches is told of each stall of 10 ms and more, once."""
    told: list[Stall] = []
    before = time.time()
    with watch.watching(told.append):
        for late in (0.050, 0.009, 0.010001):
            clock.until_asleep()
            clock.wake(BEAT + late)
        clock.until_asleep()
        clock.now += BEAT + 0.070
    assert [stall["duration_ms"] for stall in told] == pytest.approx([50, 10, 70], 0.01)
    ends = [stall["start_ts"] + stall["duration_ms"] / 1000 for stall in told]
    assert before - 1e-3 <= min(ends) <= max(ends) <= time.time() + 1e-3


def test_nobody_looks_while_nobody_watches(clock: Clock, watch: StallWatch) -> None:
    """Between two watches the thread waits, and what passes then is no stall."""
    with watch.watching():
        clock.until_asleep()
    clock.wake(BEAT)
    clock.now += 100
    with watch.watching() as stalls:
        clock.until_asleep()
        clock.wake(BEAT + 0.010)
        clock.until_asleep()
    assert stalls.worst_ms == pytest.approx(10)


def test_who_wants_to_is_called_at_each_look(clock: Clock) -> None:
    """The thread has time for something else that is to be looked after."""
    beats: queue.SimpleQueue[float] = queue.SimpleQueue()
    watch = StallWatch(
        lambda: beats.put(clock.now), sleep=clock.sleep, clock=lambda: clock.now
    )
    with watch.watching():
        for expected in (BEAT, 2 * BEAT):
            clock.until_asleep()
            clock.wake(BEAT)
            assert beats.get(timeout=TIMEOUT) == expected
        clock.until_asleep()


def test_without_a_thread_nothing_is_known(
    clock: Clock, watch: StallWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no more threads can be started the block runs all the same."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with watch.watching() as stalls:
            clock.now += 1.0
        assert stalls.worst_ms is None
    with watch.watching() as stalls:
        clock.until_asleep()
        clock.wake(BEAT + 0.030)
        clock.until_asleep()
    assert stalls.worst_ms == pytest.approx(30)


def test_a_call_at_a_look_that_raises_ends_nothing(clock: Clock) -> None:
    """The thread goes on to look."""
    calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def fail() -> None:
        calls.put(None)
        raise OSError

    watch = StallWatch(fail, sleep=clock.sleep, clock=lambda: clock.now)
    with watch.watching() as stalls:
        for late in (0.0, 0.040):
            clock.until_asleep()
            clock.wake(BEAT + late)
            calls.get(timeout=TIMEOUT)
        clock.until_asleep()
    assert stalls.worst_ms == pytest.approx(40)


def test_a_thread_that_keeps_the_interpreter_is_seen() -> None:
    """In earnest: a call that does not let go is noticed."""
    watch = StallWatch()
    with watch.watching() as stalls:
        sum(range(20_000_000))
    assert stalls.worst_ms
