"""WarmupPool: order, lanes, patience, and threads that are never retired."""

from __future__ import annotations

import queue
import sys
import threading
import types
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING

import pytest

from ipywarmup.pool import WarmupPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipywarmup.manager import WarmupManager

TIMEOUT = 10.0


@pytest.fixture
def new_pool(gates: list[threading.Event]) -> Iterator[Callable[..., WarmupPool]]:
    """Return a function that makes a pool, which is shut down in the end."""
    pools: list[WarmupPool] = []

    def make(lanes: int | None = 1, **keywords: float) -> WarmupPool:
        pools.append(WarmupPool(lanes, **keywords))
        return pools[-1]

    yield make
    for gate in gates:
        gate.set()
    for pool in pools:
        pool.shutdown(cancel_futures=True)


class _Blocked:
    """A job that blocks until it is let go."""

    def __init__(self, pool: WarmupPool, gates: list[threading.Event]) -> None:
        self.entered, self.gate = threading.Event(), threading.Event()
        gates.append(self.gate)
        self.future: Future[threading.Thread] = pool.submit(self._run)

    def _run(self) -> threading.Thread:
        self.entered.set()
        self.gate.wait()
        return threading.current_thread()

    def end(self) -> threading.Thread:
        """Let it go, and return the thread that ran it."""
        self.gate.set()
        return self.future.result(TIMEOUT)


class _Waits:
    """Who waits for something to do, and how long at most."""

    def __init__(self, pool: WarmupPool, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seen: queue.SimpleQueue[tuple[str, float | None]] = queue.SimpleQueue()
        self._wait = pool._condition.wait
        monkeypatch.setattr(pool._condition, "wait", self._watched)

    def _watched(self, timeout: float | None = None) -> bool:
        self._seen.put((threading.current_thread().name, timeout))
        return self._wait(timeout)

    def until(self, index: int) -> float | None:
        """Return how long a worker waits, once it does again."""
        while True:
            name, timeout = self._seen.get(timeout=TIMEOUT)
            if name == f"ipywarmup-{index}":
                return timeout


def test_jobs_start_in_the_order_submitted(
    new_pool: Callable[..., WarmupPool], gates: list[threading.Event]
) -> None:
    """What piles up behind a job runs one by one, first come first served."""
    pool = new_pool()
    first = _Blocked(pool, gates)
    order: list[int] = []
    futures = [pool.submit(order.append, number) for number in range(50)]
    first.end()
    for future in futures:
        future.result(TIMEOUT)
    assert order == list(range(50))


def test_jobs_that_are_put_first_start_before_all_others(
    new_pool: Callable[..., WarmupPool], gates: list[threading.Event]
) -> None:
    """They start in the order given, once each; those of elsewhere are no matter."""
    pool, other = new_pool(), new_pool()
    ended = other.submit(int)
    ended.result(TIMEOUT)
    first = _Blocked(pool, gates)
    assert first.entered.wait(TIMEOUT)
    order: list[int] = []
    futures = [pool.submit(order.append, number) for number in range(6)]
    pool.put_first([futures[4]])
    pool.put_first(futures[each] for each in (3, 5))
    assert futures[1].cancel()
    pool.put_first([first.future, futures[1], ended])
    pool.put_first([])
    first.end()
    for future in (*futures[:1], *futures[2:]):
        future.result(TIMEOUT)
    assert order == [3, 5, 4, 0, 2]


def test_as_many_jobs_run_as_there_are_lanes(
    new_pool: Callable[..., WarmupPool],
) -> None:
    """Three lanes take three jobs at a time, never a fourth."""
    pool = new_pool(3)
    together = threading.Barrier(3)
    lock = threading.Lock()
    running = 0
    most: list[int] = []

    def job() -> None:
        nonlocal running
        with lock:
            running += 1
            most.append(running)
        together.wait(TIMEOUT)
        with lock:
            running -= 1

    for future in [pool.submit(job) for _ in range(12)]:
        future.result(TIMEOUT)
    assert max(most) == 3


def test_a_lane_more_takes_a_job_at_once(
    new_pool: Callable[..., WarmupPool],
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lanes raised while jobs are queued let the next ones start."""
    pool = new_pool(1, patience=600.0)
    waits = _Waits(pool, monkeypatch)
    blocked = [_Blocked(pool, gates)]
    assert blocked[0].entered.wait(TIMEOUT)
    blocked += [_Blocked(pool, gates) for _ in range(3)]
    waits.until(1)
    assert not blocked[1].entered.is_set()
    pool.lanes = 3
    assert pool.lanes == 3
    assert blocked[1].entered.wait(TIMEOUT)
    assert blocked[2].entered.wait(TIMEOUT)
    assert not blocked[3].entered.is_set()


def test_a_lane_less_starts_nothing_until_jobs_have_ended(
    new_pool: Callable[..., WarmupPool],
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lanes lowered stop no job, but the next starts only when all lanes are free."""
    pool = new_pool(2)
    first, second = _Blocked(pool, gates), _Blocked(pool, gates)
    assert first.entered.wait(TIMEOUT)
    assert second.entered.wait(TIMEOUT)
    pool.lanes = 1
    third = _Blocked(pool, gates)
    waits = _Waits(pool, monkeypatch)
    thread = first.end()
    waits.until(int(thread.name.removeprefix("ipywarmup-")))
    assert not third.entered.is_set()
    second.end()
    assert third.entered.wait(TIMEOUT)


def test_a_job_that_does_not_end_gives_its_lane_away(
    new_pool: Callable[..., WarmupPool],
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next job starts when the first has run for `patience`, and not before."""
    now = [1000.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("ipywarmup.pool.time", clock)
    pool = new_pool(patience=600.0)
    waits = _Waits(pool, monkeypatch)
    endless = _Blocked(pool, gates)
    assert endless.entered.wait(TIMEOUT)
    second, third = _Blocked(pool, gates), _Blocked(pool, gates)
    while waits.until(1) != 600:
        pass
    now[0] += 599
    with pool._condition:
        pool._condition.notify_all()
    assert waits.until(1) == 1
    assert not second.entered.is_set()
    now[0] += 1
    with pool._condition:
        pool._condition.notify_all()
    assert second.entered.wait(TIMEOUT)
    assert not third.entered.is_set()
    second.end()
    assert third.entered.wait(TIMEOUT)
    assert not endless.future.done()
    assert endless.end().name == "ipywarmup-0"


def test_patience_lasts_ten_seconds_unless_told_otherwise(
    new_pool: Callable[..., WarmupPool],
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that finds the lane taken wakes by itself when patience ends."""
    monkeypatch.setattr(
        "ipywarmup.pool.time", types.SimpleNamespace(monotonic=lambda: 0.0)
    )
    pool = new_pool()
    waits = _Waits(pool, monkeypatch)
    assert _Blocked(pool, gates).entered.wait(TIMEOUT)
    pool.submit(int)
    assert waits.until(1) == 10


def test_threads_start_when_there_is_something_to_do(
    new_pool: Callable[..., WarmupPool], gates: list[threading.Event]
) -> None:
    """A new pool has no thread, one job takes one, and they are numbered daemons."""
    pool = new_pool(3)
    assert not pool._threads
    first = _Blocked(pool, gates)
    assert first.entered.wait(TIMEOUT)
    assert len(pool._threads) == 1
    others = [_Blocked(pool, gates) for _ in range(2)]
    assert all(blocked.entered.wait(TIMEOUT) for blocked in others)
    threads = [blocked.end() for blocked in (first, *others)]
    assert {thread.name for thread in threads} == {
        "ipywarmup-0",
        "ipywarmup-1",
        "ipywarmup-2",
    }
    assert all(thread.daemon for thread in threads)


def test_the_lowest_number_works_first(
    new_pool: Callable[..., WarmupPool], gates: list[threading.Event]
) -> None:
    """One job after the other runs on one thread, however many idle ones there are."""
    pool = new_pool(3)
    blocked = [_Blocked(pool, gates) for _ in range(3)]
    assert all(job.entered.wait(TIMEOUT) for job in blocked)
    for job in blocked:
        job.end()
    with pool._condition:
        assert pool._condition.wait_for(lambda: not pool._started_at, TIMEOUT)
    pool.lanes = 1
    interval = sys.getswitchinterval()
    # Threads change at nearly every step, so that an idle one often comes first.
    sys.setswitchinterval(1e-6)
    try:
        futures = [pool.submit(threading.current_thread) for _ in range(500)]
        names = {future.result(TIMEOUT).name for future in futures}
    finally:
        sys.setswitchinterval(interval)
    assert names == {"ipywarmup-0"}


def test_who_stands_back_is_woken_when_the_first_one_has_a_job(
    new_pool: Callable[..., WarmupPool],
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two lanes take two jobs, even if the second worker is there before the first."""
    pool = new_pool(2)
    waits = _Waits(pool, monkeypatch)
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def hold_back(thread: threading.Thread) -> None:
        started.append(thread)

    monkeypatch.setattr(threading.Thread, "start", hold_back)
    jobs = [_Blocked(pool, gates) for _ in range(3)]
    first, second = started
    start(second)
    waits.until(1)
    start(first)
    assert jobs[0].entered.wait(TIMEOUT)
    assert jobs[1].entered.wait(TIMEOUT)


def test_a_worker_goes_from_job_to_job_and_wakes_nobody(
    new_pool: Callable[..., WarmupPool],
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker that stands by for one that hangs sleeps while none does."""
    pool = new_pool(patience=600.0)
    waits = _Waits(pool, monkeypatch)
    first = _Blocked(pool, gates)
    assert first.entered.wait(TIMEOUT)
    jobs = [pool.submit(int) for _ in range(100)]
    notified: list[int] = []
    notify_all = pool._condition.notify_all

    def note_and_notify() -> None:
        notified.append(len(pool._jobs))
        notify_all()

    monkeypatch.setattr(pool._condition, "notify_all", note_and_notify)
    waits.until(1)
    first.end()
    assert jobs[-1].result(TIMEOUT) == 0
    waits.until(0)
    assert notified == [0]


@pytest.mark.parametrize("end", ["idle", "shutdown", "reset"])
def test_threads_are_never_retired(
    new_pool: Callable[..., WarmupPool],
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    """Neither the end of all jobs nor shutdown nor a manager's reset ends a thread."""
    pool = new_pool()
    manager = new_manager(pool)
    manager.submit([write_module()])
    assert manager.wait(TIMEOUT)
    thread = pool.submit(threading.current_thread).result(TIMEOUT)
    if end == "shutdown":
        pool.shutdown(wait=True, cancel_futures=True)
    elif end == "reset":
        manager.reset()
    waits = _Waits(pool, monkeypatch)
    with pool._condition:
        pool._condition.notify_all()
    waits.until(0)
    assert thread.is_alive()
    if end != "shutdown":
        assert pool.submit(threading.current_thread).result(TIMEOUT) is thread


def test_shutdown_waits_for_what_was_accepted(
    new_pool: Callable[..., WarmupPool],
    gates: list[threading.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The job under way and those queued run to their end before shutdown returns."""
    pool = new_pool()
    blocked = _Blocked(pool, gates)
    queued = pool.submit(int, "7")
    assert blocked.entered.wait(TIMEOUT)
    wait = pool._condition.wait

    def releasing_wait(timeout: float | None = None) -> bool:
        if threading.current_thread() is threading.main_thread():
            assert not queued.done()
            blocked.gate.set()
        return wait(timeout)

    monkeypatch.setattr(pool._condition, "wait", releasing_wait)
    pool.shutdown()
    assert blocked.future.done()
    assert queued.result(0) == 7


def test_shutdown_without_wait_returns_meanwhile(
    new_pool: Callable[..., WarmupPool], gates: list[threading.Event]
) -> None:
    """What was accepted still runs, after shutdown has returned."""
    pool = new_pool()
    blocked = _Blocked(pool, gates)
    queued = pool.submit(int, "7")
    pool.shutdown(wait=False)
    assert not blocked.future.done()
    blocked.end()
    assert queued.result(TIMEOUT) == 7


def test_shutdown_may_drop_what_is_queued(
    new_pool: Callable[..., WarmupPool], gates: list[threading.Event]
) -> None:
    """With cancel_futures the job under way goes on, and the others never start."""
    pool = new_pool()
    blocked = _Blocked(pool, gates)
    assert blocked.entered.wait(TIMEOUT)
    queued = [pool.submit(int) for _ in range(3)]
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in queued)
    assert blocked.end().is_alive()


@pytest.mark.parametrize("wait", [True, False])
def test_nothing_is_accepted_after_shutdown(
    new_pool: Callable[..., WarmupPool], *, wait: bool
) -> None:
    """Submit then raises RuntimeError; a second shutdown is no error."""
    pool = new_pool()
    pool.shutdown(wait)
    pool.shutdown(wait)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(int)


def test_as_a_context_manager_it_waits_at_the_end() -> None:
    """The pool is an Executor: leaving its block waits, and shuts it down."""
    with WarmupPool(1) as pool:
        futures = list(pool.map(str, range(5)))
        last = pool.submit(int)
    assert futures == ["0", "1", "2", "3", "4"]
    assert last.done()
    with pytest.raises(RuntimeError):
        pool.submit(int)


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3)], ids=repr)
def test_what_a_job_raises_is_in_its_future(
    new_pool: Callable[..., WarmupPool], error: BaseException
) -> None:
    """The worker outlives the exception, SystemExit too."""

    def fail() -> None:
        raise error

    pool = new_pool()
    assert pool.submit(fail).exception(TIMEOUT) is error
    assert pool.submit(int).result(TIMEOUT) == 0


def test_a_cancelled_job_is_passed_over(
    new_pool: Callable[..., WarmupPool], gates: list[threading.Event]
) -> None:
    """A future cancelled while queued never runs, and holds up nobody."""
    pool = new_pool()
    blocked = _Blocked(pool, gates)
    assert blocked.entered.wait(TIMEOUT)
    runs: list[int] = []
    dropped, kept = pool.submit(runs.append, 1), pool.submit(runs.append, 2)
    assert dropped.cancel()
    assert not blocked.future.cancel()
    blocked.end()
    kept.result(TIMEOUT)
    assert runs == [2]
    with pytest.raises(CancelledError):
        dropped.result(0)
