"""WarmupPool: jobs held back, references let go, and systems without a thread left."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from ipywarmup.defaults import default_lanes
from ipywarmup.pool import WarmupPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from ipywarmup.manager import WarmupManager

TIMEOUT = 10.0


@pytest.fixture
def pool() -> Iterator[WarmupPool]:
    """Return a pool of one lane, shut down in the end."""
    pool = WarmupPool(1)
    yield pool
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def idle(
    pool: WarmupPool, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], threading.Event]:
    """Return a function whose event is set when a worker waits from now on."""
    events: list[threading.Event] = []
    wait = pool._condition.wait

    def watched(timeout: float | None = None) -> bool:
        while events:
            events.pop().set()
        return wait(timeout)

    monkeypatch.setattr(pool._condition, "wait", watched)

    def watch() -> threading.Event:
        with pool._condition:
            events.append(threading.Event())
            return events[0]

    return watch


def test_jobs_are_held_until_the_block_ends(
    pool: WarmupPool, idle: Callable[[], threading.Event]
) -> None:
    """Within `holding` a worker that wakes takes nothing; afterwards it takes all."""
    waits = idle()
    pool.submit(int).result(TIMEOUT)
    assert waits.wait(TIMEOUT)
    with pool.holding():
        with pool.holding():
            future = pool.submit(int)
        waits = idle()
        with pool._condition:
            pool._condition.notify_all()
        assert waits.wait(TIMEOUT)
        assert not future.running()
        assert not future.done()
    assert future.result(TIMEOUT) == 0


def test_no_thread_starts_while_jobs_are_held(pool: WarmupPool) -> None:
    """The threads that held jobs call for come at the end of the block."""
    with pool.holding():
        futures = [pool.submit(int) for _ in range(3)]
        assert not pool._threads
    assert [future.result(TIMEOUT) for future in futures] == [0, 0, 0]


def test_an_exception_ends_the_hold(pool: WarmupPool) -> None:
    """Jobs submitted in a block that raises are run all the same."""

    def hold_and_fail() -> None:
        with pool.holding():
            futures.append(pool.submit(int))
            raise LookupError

    futures: list[Future[int]] = []
    with pytest.raises(LookupError):
        hold_and_fail()
    assert futures[0].result(TIMEOUT) == 0


class _Thing:
    """Something that a weak reference can be made to."""


@pytest.mark.parametrize("outcome", ["returns", "raises", "cancelled"])
def test_nothing_of_a_job_outlives_it(
    pool: WarmupPool, idle: Callable[[], threading.Event], outcome: str
) -> None:
    """A worker that waits for the next job holds no argument and no result."""

    def job(thing: _Thing, **keywords: _Thing) -> tuple[_Thing, _Thing]:
        del thing, keywords
        if outcome == "raises":
            raise LookupError
        return _Thing(), _Thing()

    argument, keyword = _Thing(), _Thing()
    seen = [weakref.ref(argument), weakref.ref(keyword)]
    with pool.holding():
        future = pool.submit(job, argument, keyword=keyword)
        if outcome == "cancelled":
            future.cancel()
        waits = idle()
    del argument, keyword
    assert waits.wait(TIMEOUT)
    if outcome == "returns":
        result = future.result(0)
        seen += [weakref.ref(thing) for thing in result]
        del result
    del future
    assert [reference() for reference in seen] == [None] * len(seen)


@pytest.mark.parametrize("lanes", [0, -1])
def test_less_than_one_lane_is_a_value_error(pool: WarmupPool, lanes: int) -> None:
    """The number of lanes is checked whenever it is set, and then stays as it was."""
    with pytest.raises(ValueError, match=f"not {lanes}"):
        WarmupPool(lanes)
    with pytest.raises(ValueError, match=f"not {lanes}"):
        pool.lanes = lanes
    assert pool.lanes == 1


@pytest.mark.parametrize(
    ("gil", "processors", "lanes"),
    [
        (None, 64, 1),
        (True, 64, 1),
        (False, 64, 8),
        (False, 3, 3),
        (False, None, 1),
    ],
)
def test_default_lanes(
    monkeypatch: pytest.MonkeyPatch,
    gil: bool | None,  # noqa: FBT001 - a case of the table
    processors: int | None,
    lanes: int,
) -> None:
    """With a GIL there is one lane, without it one a processor, at most 8."""
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    if gil is not None:
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: gil, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    assert default_lanes() == lanes
    assert WarmupPool().lanes == lanes


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let no thread start until the patch is undone."""

    def start(thread: threading.Thread) -> None:
        del thread
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    return monkeypatch


def test_without_a_first_thread_a_job_is_refused(
    no_threads: pytest.MonkeyPatch,
) -> None:
    """Submit raises what the system says, keeps nothing, and works again later."""
    pool = WarmupPool(1)
    runs: list[int] = []
    with pytest.raises(RuntimeError, match="can't start new thread"):
        pool.submit(runs.append, 1)
    no_threads.undo()
    pool.submit(runs.append, 2).result(TIMEOUT)
    pool.shutdown()
    assert runs == [2]


def test_without_a_second_thread_the_first_does_the_work(
    pool: WarmupPool, request: pytest.FixtureRequest
) -> None:
    """Too few threads make a pool slower, not worse."""
    pool.lanes = 4
    first = pool.submit(threading.current_thread).result(TIMEOUT)
    request.getfixturevalue("no_threads")
    futures = [pool.submit(threading.current_thread) for _ in range(10)]
    assert {future.result(TIMEOUT) for future in futures} == {first}


def test_without_a_thread_every_module_fails(
    new_manager: Callable[..., WarmupManager], no_threads: pytest.MonkeyPatch
) -> None:
    """A warmup on a system that has no thread left ends, with the reason."""
    manager = new_manager()
    manager.submit(["json", "re"])
    no_threads.undo()
    assert manager.is_done()
    assert [record["error"] for record in manager.canaries()] == [
        "RuntimeError: can't start new thread"
    ] * 2
    manager.reset()
    manager.submit(["json"])
    assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == ["json"]
