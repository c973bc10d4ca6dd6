"""How long threads import for a warmup, and wait for that, by a steered clock."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipywarmup.importlock import times as times_module
from ipywarmup.importlock.locks import PackageLocks
from ipywarmup.importlock.times import Stopwatch, Times, waiting_for
from tests.core.totals import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Calls = float | tuple[str, list["Calls"]]

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0
ME = threading.get_ident()


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test steers."""
    return Clock()


def elsewhere(call: Callable[[], object]) -> int:
    """Make a call on another thread, to its end; return which it was."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    assert thread.ident is not None
    return thread.ident


def test_calls_add_up(clock: Clock) -> None:
    """What passes during calls counts, what passes in between does not."""
    watch = Stopwatch(clock)
    assert watch.seconds() == {}
    watch.run(clock.advance, 3.0)
    clock.advance(100.0)
    assert watch.run(lambda word: word, word="result") == "result"
    watch.run(clock.advance, seconds=4.0)
    assert watch.seconds() == {ME: 7.0}


def test_a_call_within_a_call_counts_once(clock: Clock) -> None:
    """The outer one counts, whatever happens inside of it."""
    watch = Stopwatch(clock)

    def outer() -> None:
        clock.advance(1.0)
        watch.run(clock.advance, 2.0)
        clock.advance(4.0)

    watch.run(outer)
    assert watch.seconds() == {ME: 7.0}


def test_a_call_that_goes_on_counts_as_far_as_it_has_come(clock: Clock) -> None:
    """Whoever looks, on whichever thread, sees the time up to now."""
    watch = Stopwatch(clock)
    seen: list[dict[int, float]] = []

    def call() -> None:
        for seconds in (1.0, 2.0):
            clock.advance(seconds)
            elsewhere(lambda: seen.append(watch.seconds()))

    watch.run(call)
    assert seen == [{ME: 1.0}, {ME: 3.0}]


def test_each_thread_has_its_own_time(clock: Clock) -> None:
    """Calls on two threads at once both count in full, each for its thread."""
    watch = Stopwatch(clock)
    other: list[int] = []

    def call() -> None:
        clock.advance(1.0)
        other.append(elsewhere(lambda: watch.run(clock.advance, 2.0)))
        clock.advance(4.0)

    watch.run(call)
    assert watch.seconds() == {ME: 7.0, other[0]: 2.0}


@pytest.mark.parametrize("error", [OSError(), KeyboardInterrupt(), SystemExit()])
def test_a_call_that_raises_counts(clock: Clock, error: BaseException) -> None:
    """Its time is counted, and ends with it; so does that of a rest."""
    watch = Stopwatch(clock)

    def call() -> None:
        clock.advance(1.0)
        raise error

    for make in (watch.run, lambda call: watch.run(watch.rest, call)):
        with pytest.raises(type(error)):
            make(call)
        clock.advance(10.0)
    assert watch.seconds() == {ME: 1.0}


def test_a_rest_within_a_call_does_not_count(clock: Clock) -> None:
    """What rests is left out, a call within it counts again, and no rest is lasting."""
    watch = Stopwatch(clock)

    def rest() -> None:
        clock.advance(10.0)
        watch.rest(clock.advance, 20.0)
        watch.run(clock.advance, 2.0)
        assert watch.seconds() == {ME: 3.0}

    def call() -> None:
        clock.advance(1.0)
        watch.rest(rest)
        clock.advance(4.0)

    watch.rest(clock.advance, 5.0)
    watch.run(call)
    watch.rest(clock.advance, 5.0)
    assert watch.seconds() == {ME: 7.0}


class Interrupt:
    """Raises KeyboardInterrupt at one of the points where Ctrl-C can come."""

    def __init__(self, point: int) -> None:
        self.left = point

    def __call__(self, frame: FrameType, _event: str, _: object) -> None:
        """Be a profiler: it is called when functions begin and end, as handlers are."""
        code = frame.f_code
        ours = {Clock.__call__.__code__, Clock.advance.__code__}
        if code in ours or code.co_filename == times_module.__file__:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


@pytest.mark.parametrize("within", ["run", "rest"])
def test_no_interrupt_makes_it_count_for_ever(clock: Clock, within: str) -> None:
    """Wherever Ctrl-C comes, the clock stands afterwards, and the next call counts."""
    for point in itertools.count(1):
        watch = Stopwatch(clock)
        interrupt = Interrupt(point)
        with contextlib.suppress(KeyboardInterrupt):
            sys.setprofile(interrupt)
            watch.run(getattr(watch, within), clock.advance, 1.0)
        sys.setprofile(None)
        counted = watch.seconds().get(ME, 0.0)
        assert counted <= 1.0
        clock.advance(100.0)
        watch.run(clock.advance, 2.0)
        assert watch.seconds() == {ME: counted + 2.0}
        if interrupt.left > 0:
            break
    assert point > 10


CALLS = st.recursive(
    st.integers(0, 9).map(float),
    lambda calls: st.tuples(st.sampled_from(["run", "rest"]), st.lists(calls)),
)


@given(calls=CALLS)
def test_any_nesting_adds_up(calls: Calls) -> None:
    """What counts is what the innermost of run and rest around it says."""
    clock = Clock()
    watch = Stopwatch(clock)
    expected = 0.0

    def do(call: Calls, around: str) -> None:
        nonlocal expected
        if isinstance(call, float):
            clock.advance(call)
            expected += call * (around == "run")
        else:
            kind, parts = call
            # Without a call around it, a rest is nothing.
            inside = "out" if (kind, around) == ("rest", "out") else kind
            for part in parts:
                getattr(watch, kind)(do, part, inside)

    do(calls, "out")
    assert watch.seconds().get(ME, 0.0) == expected


def test_waiting_for_a_thread_is_waiting_for_what_it_imports_for(clock: Clock) -> None:
    """Of several warmups those are told that the threads waited for import for."""
    mine, other, third = (Times(clock) for _ in range(3))

    def nested() -> None:
        worker = threading.get_ident()
        waiter = elsewhere(lambda: waiting_for([worker, ME], clock.advance)(1.0))
        assert mine.waited_ms(waiter) == other.waited_ms(waiter) == 1000

    elsewhere(mine.importing(other.importing(nested)))
    assert third.waited_ms(ME) == mine.waited_ms(ME) == 0
    # A thread that imports no more, or never did, is nobody's.
    waiting_for([ME, 7], clock.advance)(5.0)
    assert mine.waited_ms(ME) == 0
    mine.waiting(clock.advance)(3.0)
    assert (mine.waited_ms(ME), other.waited_ms(ME)) == (3000, 0)


def test_a_thread_imports_for_a_warmup_until_it_has_ended(clock: Clock) -> None:
    """After an import within another one, it still imports for the outer one."""
    outer, inner = Times(clock), Times(clock)

    def call() -> None:
        inner.importing(int)()
        elsewhere(lambda: waiting_for([ME], clock.advance)(4.0))

    outer.importing(call)()
    assert sum(outer._waits.seconds().values()) == 4
    elsewhere(lambda: waiting_for([ME], clock.advance)(8.0))
    assert sum(outer._waits.seconds().values()) == 4
    assert inner._waits.seconds() == {}


def test_who_waits_does_not_import(clock: Clock) -> None:
    """Waits of an importing thread for any other are no part of its import."""
    times, other = Times(clock), Times(clock)

    def call() -> None:
        clock.advance(1.0)
        waiting_for([7], clock.advance)(10.0)
        times.waiting(clock.advance)(20.0)
        other.waiting(clock.advance)(40.0)
        clock.advance(2.0)

    times.importing(call)()
    assert times.imported_ms(except_on=7) == 3000
    assert times.imported_ms(except_on=ME) == 0
    assert times.waited_ms(ME) == 20_000


def test_who_waits_for_a_lock_waits_for_all_that_are_ahead(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one inside counts, and the one that it waits for; both once."""
    locks = PackageLocks(patience=600.0)
    inner, outer = Times(clock), Times(clock)
    begun, gate, waiting = threading.Event(), threading.Event(), threading.Event()
    wait = locks._condition.wait

    def acting_wait(timeout: float | None = None) -> bool:
        if threading.get_ident() == ME and not gate.is_set():
            clock.advance(2.0)
            gate.set()
        waiting.set()
        return wait(timeout)

    def import_inner() -> None:
        with locks.holding("inner"):
            begun.set()
            assert gate.wait(TIMEOUT)

    def import_outer() -> None:
        assert begun.wait(TIMEOUT)
        with locks.holding("outer"), locks.holding("inner"):
            pass

    monkeypatch.setattr(locks._condition, "wait", acting_wait)
    threads = [
        threading.Thread(target=times.importing(call))
        for times, call in ((inner, import_inner), (outer, import_outer))
    ]
    for thread in threads:
        thread.start()
    assert waiting.wait(TIMEOUT)
    with locks.holding("outer"):
        pass
    for thread in threads:
        thread.join(TIMEOUT)
    assert inner.waited_ms(ME) == outer.waited_ms(ME) == 2000


def test_who_waits_for_a_module_waits_for_who_imports_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait for what another thread does counts like one for a package."""
    locks = PackageLocks(patience=600.0)
    times = Times(clock)
    begun, gate = threading.Event(), threading.Event()
    wait = locks._condition.wait

    def acting_wait(timeout: float | None = None) -> bool:
        clock.advance(3.0)
        gate.set()
        return wait(timeout)

    def import_module() -> None:
        begun.set()
        assert gate.wait(TIMEOUT)

    monkeypatch.setattr(locks._condition, "wait", acting_wait)
    thread = threading.Thread(target=times.importing(import_module))
    thread.start()
    assert thread.ident is not None
    assert begun.wait(TIMEOUT)
    assert locks.wait_for(thread.ident, gate.is_set, "module")
    assert times.waited_ms(ME) == 3000
    thread.join(TIMEOUT)
