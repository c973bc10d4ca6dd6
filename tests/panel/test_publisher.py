"""Publisher: draws what changes, but not too often, and always the final state."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from ipywarmup.panel.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.panel.conftest import Clock

TIMEOUT = 10.0


class Sketch:
    """Draw a state that the test sets, and note down when."""

    def __init__(self, clock: Clock) -> None:
        self.state = 0
        self.final = False
        self.drawn: list[int] = []
        self.drawn_at: list[float] = []
        self._clock = clock

    def draw(self) -> bool:
        """Note down the state."""
        self.drawn.append(self.state)
        self.drawn_at.append(self._clock())
        return self.final


@pytest.fixture
def sketch(clock: Clock) -> Sketch:
    """Return a drawing."""
    return Sketch(clock)


@pytest.fixture
def publisher(clock: Clock) -> Publisher:
    """Return a publisher that starts no thread: the test calls `draw`."""
    publisher = Publisher(interval=0.125, tick=0.5, clock=clock)
    publisher._thread = threading.current_thread()
    return publisher


@pytest.fixture
def running() -> Iterator[Publisher]:
    """Return a publisher with a thread and no pauses; it is closed in the end."""
    publisher = Publisher(interval=0.0, tick=TIMEOUT)
    yield publisher
    thread = publisher._thread
    publisher.close()
    if thread is not None:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def pass_time(publisher: Publisher, clock: Clock, seconds: float) -> None:
    """Let time pass in small steps, and draw whenever it is due."""
    for _ in range(round(seconds * 1000)):
        clock.now += 0.001
        if publisher.due() == 0.0:
            publisher.draw()


def test_nothing_is_due_without_drawings(publisher: Publisher) -> None:
    """A publisher that follows nothing sleeps, even if woken."""
    assert publisher.due() is None
    publisher.wake()
    assert publisher.due() is None


def test_a_new_drawing_is_due_after_one_interval(
    publisher: Publisher, sketch: Sketch, clock: Clock
) -> None:
    """What is followed was shown a moment ago, so it is not drawn again at once."""
    publisher.follow(sketch)
    assert publisher.due() == pytest.approx(0.125)
    pass_time(publisher, clock, 0.13)
    assert sketch.drawn == [0]


def test_wakes_are_merged(publisher: Publisher, sketch: Sketch, clock: Clock) -> None:
    """However often it is woken, a round comes once in an interval."""
    publisher.follow(sketch)
    publisher.draw()
    for state in range(1, 1001):
        sketch.state = state
        publisher.wake({"module": state}, "any", "arguments")
        clock.now += 0.001
        if publisher.due() == 0.0:
            publisher.draw()
    assert len(sketch.drawn) <= 1 + 8
    pauses = [b - a for a, b in zip(sketch.drawn_at, sketch.drawn_at[1:], strict=False)]
    assert min(pauses) == pytest.approx(0.125)
    # Never more than ten rounds in any second.
    assert max(pauses) < 0.13


def test_the_last_state_is_always_drawn(
    publisher: Publisher, sketch: Sketch, clock: Clock
) -> None:
    """A wake right after a round is drawn when the interval is over, not later."""
    publisher.follow(sketch)
    publisher.draw()
    clock.now += 0.001
    sketch.state = 42
    publisher.wake()
    assert publisher.due() == pytest.approx(0.124)
    pass_time(publisher, clock, 0.2)
    assert sketch.drawn == [0, 42]


def test_a_wake_during_a_round_leads_to_another(
    publisher: Publisher, sketch: Sketch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes while a drawing is drawn is drawn in the next round."""
    draw = sketch.draw

    def draw_and_wake() -> bool:
        final = draw()
        sketch.state = 1
        publisher.wake()
        return final

    publisher.follow(sketch)
    monkeypatch.setattr(sketch, "draw", draw_and_wake)
    publisher.draw()
    monkeypatch.setattr(sketch, "draw", draw)
    pass_time(publisher, clock, 0.2)
    assert sketch.drawn == [0, 1]


def test_many_wakes_wake_the_thread_once(
    publisher: Publisher, sketch: Sketch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that knows of the next round sleeps until it is due."""
    publisher.follow(sketch)
    publisher.draw()
    notified: list[None] = []
    monkeypatch.setattr(
        publisher._condition, "notify_all", lambda: notified.append(None)
    )
    for _ in range(1000):
        publisher.wake()
    assert len(notified) == 1


def test_drawings_that_take_long_are_drawn_less_often(
    publisher: Publisher, sketch: Sketch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the time goes into drawing at most, unless somebody waits for it."""
    draw = sketch.draw

    def draw_slowly() -> bool:
        clock.now += 0.1
        return draw()

    monkeypatch.setattr(sketch, "draw", draw_slowly)
    publisher.follow(sketch)
    publisher.draw()
    publisher.wake()
    assert publisher.due() == pytest.approx(0.9)
    pass_time(publisher, clock, 0.89)
    assert len(sketch.drawn) == 1
    assert not publisher.flush(timeout=0)
    pass_time(publisher, clock, 0.001)
    assert len(sketch.drawn) == 2


def test_flush_is_not_forgotten_by_a_drawing_under_way(
    publisher: Publisher, clock: Clock
) -> None:
    """However long that takes, the next round is due as soon as usual."""

    class Slow(Sketch):
        def draw(self) -> bool:
            clock.now += 0.5
            if not self.drawn:
                assert not publisher.flush(timeout=0)
            return super().draw()

    sketch = Slow(clock)
    publisher.follow(sketch)
    publisher.draw()
    assert publisher.due() == 0.0
    publisher.draw()
    assert publisher.due() == pytest.approx(10 * 0.5 - 0.5)


def test_times_count_up_without_a_wake(
    publisher: Publisher, sketch: Sketch, clock: Clock
) -> None:
    """A drawing is brought up to date at each tick while it is not final."""
    publisher.follow(sketch)
    publisher.draw()
    assert publisher.due() == pytest.approx(0.5)
    pass_time(publisher, clock, 2.01)
    assert len(sketch.drawn) == 1 + 4


def test_a_final_drawing_is_let_go(
    publisher: Publisher, sketch: Sketch, clock: Clock
) -> None:
    """A drawing that says it is final is not drawn again."""
    other = Sketch(clock)
    publisher.follow(sketch)
    publisher.follow(other)
    sketch.final = True
    publisher.draw()
    publisher.draw()
    assert (len(sketch.drawn), len(other.drawn)) == (1, 2)
    other.final = True
    publisher.draw()
    assert publisher.due() is None


def test_several_drawings_share_a_round(
    publisher: Publisher, sketch: Sketch, clock: Clock
) -> None:
    """Many panels are drawn together, so their pace is that of one."""
    sketches = [sketch, *(Sketch(clock) for _ in range(5))]
    for one in sketches:
        publisher.follow(one)
    pass_time(publisher, clock, 0.2)
    assert [one.drawn for one in sketches] == [[0]] * 6


def test_a_drawing_that_raises_is_dropped_and_logged(
    publisher: Publisher,
    sketch: Sketch,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One drawing that fails neither stops the others nor is tried again."""

    class Broken:
        def __init__(self) -> None:
            self.calls = 0

        def draw(self) -> bool:
            self.calls += 1
            raise RuntimeError("the comm is gone")

    broken = Broken()
    publisher.follow(broken)
    publisher.follow(sketch)
    with caplog.at_level(logging.ERROR, logger="ipywarmup"):
        pass_time(publisher, clock, 1)
    assert broken.calls == 1
    assert len(sketch.drawn) > 1
    (logged,) = caplog.records
    assert logged.name == "ipywarmup"
    assert "cannot be drawn" in logged.getMessage()
    assert logged.exc_info is not None


def test_flush_of_nothing_returns_at_once(publisher: Publisher) -> None:
    """Without drawings the present state is as drawn as can be."""
    assert publisher.flush(TIMEOUT) is True


def test_flush_tells_that_time_is_up(publisher: Publisher, sketch: Sketch) -> None:
    """Flush gives up after its timeout, here since nobody draws."""
    publisher.follow(sketch)
    assert publisher.flush(0.001) is False
    assert sketch.drawn == []


def test_close_draws_no_more(publisher: Publisher, sketch: Sketch) -> None:
    """After close nothing is due, and a late wake does no harm."""
    publisher.follow(sketch)
    publisher.close()
    publisher.wake()
    assert publisher.due() is None
    assert publisher.flush(TIMEOUT) is True
    assert sketch.drawn == []


class EventDrawing:
    """Tell which thread draws, and what it sees."""

    def __init__(self) -> None:
        self.state = "first"
        self.seen: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.changed = threading.Condition()

    def draw(self) -> bool:
        """Note down the state; the state "last" is final."""
        with self.changed:
            self.threads.add(threading.current_thread())
            self.seen.append(self.state)
            self.changed.notify_all()
            return self.state == "last"

    def wait_until_seen(self, state: str) -> bool:
        """Block until a state has been drawn."""
        with self.changed:
            return self.changed.wait_for(lambda: state in self.seen, TIMEOUT)


def test_one_daemon_thread_draws(running: Publisher) -> None:
    """All drawings of a publisher are drawn on its one thread, until they are final."""
    drawings = [EventDrawing(), EventDrawing()]
    for drawing in drawings:
        running.follow(drawing)
        assert drawing.wait_until_seen("first")
    for drawing in drawings:
        drawing.state = "last"
    running.wake()
    for drawing in drawings:
        assert drawing.wait_until_seen("last")
        assert drawing.seen.count("last") == 1
    (thread,) = drawings[0].threads | drawings[1].threads
    assert thread is not threading.current_thread()
    assert thread.name == "ipywarmup-publisher"
    assert thread.daemon


def test_flush_returns_once_the_present_state_is_drawn(running: Publisher) -> None:
    """What was so before flush has been drawn after it, even with a round under way."""
    entered, gate = threading.Event(), threading.Event()
    drawing = EventDrawing()

    class Slow:
        def draw(self) -> bool:
            entered.set()
            gate.wait(TIMEOUT)
            return True

    running.follow(drawing)
    assert drawing.wait_until_seen("first")
    running.follow(Slow())
    assert entered.wait(TIMEOUT)
    # `drawing` has had its turn in this round.
    drawing.state = "last"
    assert running.flush(0.001) is False
    gate.set()
    assert running.flush(TIMEOUT) is True
    assert drawing.seen[-1] == "last"


def test_close_ends_the_thread_and_follow_starts_another(running: Publisher) -> None:
    """A closed publisher has no thread; it may be used again."""
    first = EventDrawing()
    running.follow(first)
    assert first.wait_until_seen("first")
    thread = running._thread
    assert thread is not None
    running.close()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    second = EventDrawing()
    running.follow(second)
    assert second.wait_until_seen("first")
    assert thread not in second.threads


def test_an_exit_waits_for_a_drawing_and_lets_no_other_begin() -> None:
    """Handlers that were there before find the thread at rest, its drawing whole."""
    script = """
        import atexit, threading
        from ipywarmup.panel import publisher as module
        begun, go_on = threading.Event(), threading.Event()
        class Slow:
            drawn = []
            def draw(self):
                begun.set()
                go_on.wait()
                self.drawn.append("whole")
                return False
        # Handlers run last in, first out.
        atexit.register(lambda: print(Slow.drawn, thread.is_alive()))
        module._LAST_DRAWING = 10.0
        publisher = module.Publisher(interval=0.0, tick=0.0)
        publisher.follow(Slow())
        thread = publisher._thread
        begun.wait()
        atexit.register(go_on.set)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT * 6,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("'whole'] False\n")


def test_a_closed_publisher_does_not_live_until_the_exit(sketch: Sketch) -> None:
    """With its thread go all references to it."""
    publisher = Publisher()
    publisher.follow(sketch)
    thread, alive = publisher._thread, weakref.ref(publisher)
    assert thread is not None
    publisher.close()
    thread.join(TIMEOUT)
    del publisher
    gc.collect()
    assert alive() is None
