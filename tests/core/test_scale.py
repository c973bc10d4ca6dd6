"""Ten thousand modules: the work grows with their number, not with its square.

Steps are counted, not timed: calls that Python makes, and entries that are read
from the manager's own containers.
"""

from __future__ import annotations

import sys
import threading
import types
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.pool import WarmupPool

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Holding = tuple[Executor, deque[Callable[[], None]]]

FEW, MANY = 1_000, 10_000


class _Steps:
    """A count of steps."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        sys.setprofile(self._profile)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _profile(self, _frame: object, event: str, _argument: object) -> None:
        self.count += event in {"call", "c_call"}


class _CountingDict(dict[Any, Any]):
    """A dict that counts the entries that are read one after the other."""

    def __init__(self, steps: _Steps) -> None:
        super().__init__()
        self._steps = steps

    def _counted(self, entries: Iterable[Any]) -> Iterator[Any]:
        for entry in entries:
            self._steps.count += 1
            yield entry

    def __iter__(self) -> Iterator[Any]:
        return self._counted(super().__iter__())

    def values(self) -> Iterator[Any]:  # type: ignore[override]
        return self._counted(super().values())

    def items(self) -> Iterator[Any]:  # type: ignore[override]
        return self._counted(super().items())


class _CountingList(list[Any]):
    """A list that counts the entries that are read or copied."""

    def __init__(self, steps: _Steps) -> None:
        super().__init__()
        self._steps = steps

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            self._steps.count += 1
            yield entry

    def copy(self) -> list[Any]:
        self._steps.count += len(self)
        return super().copy()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of many modules that are loaded already."""
    names = [f"loaded_{number}" for number in range(MANY)]
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    return names


def _counting(manager: WarmupManager) -> _Steps:
    """Make a fresh manager count the steps it takes."""
    steps = _Steps()
    run = manager._run
    run.ids, run.pending = _CountingDict(steps), _CountingDict(steps)
    run.completed, run.failed = _CountingDict(steps), _CountingDict(steps)
    manager._canaries = _CountingList(steps)
    return steps


def _run_all(manager: WarmupManager, jobs: deque[Callable[[], None]]) -> None:
    while jobs:
        jobs.popleft()()
    assert manager.is_done()


def _cancel(manager: WarmupManager, jobs: deque[Callable[[], None]]) -> None:
    assert len(manager.cancel()) == len(jobs)


def _reset(manager: WarmupManager, jobs: deque[Callable[[], None]]) -> None:
    manager.reset()
    for job in jobs:
        job()


def _drop(manager: WarmupManager, _: deque[Callable[[], None]]) -> None:
    for future in manager.pool.futures:  # type: ignore[attr-defined]
        future.cancel()
    assert manager.is_done()


def _require(manager: WarmupManager, _: deque[Callable[[], None]]) -> None:
    for name in list(dict.keys(manager._run.pending)):
        manager.require(name)


def _extend(manager: WarmupManager, _: deque[Callable[[], None]]) -> None:
    for name in list(dict.keys(manager._run.pending)):
        manager.extend([name, f"{name}_new"])


def _wait(manager: WarmupManager, jobs: deque[Callable[[], None]]) -> None:
    names = list(dict.keys(manager._run.pending))
    _run_all(manager, jobs)
    assert manager.wait(0, names)


@pytest.mark.parametrize(
    "end", [_run_all, _cancel, _reset, _drop, _require, _extend, _wait]
)
def test_work_grows_with_the_number_of_modules(
    new_manager: Callable[..., WarmupManager],
    record_stderr: Callable[[], list[str]],
    holding: Holding,
    names: list[str],
    end: Callable[[WarmupManager, deque[Callable[[], None]]], None],
) -> None:
    """Ten times the modules take about ten times the steps, from submit to the end."""
    pool, jobs = holding
    record_stderr()
    counts: list[int] = []
    for number in (FEW, MANY):
        manager = new_manager(pool, log_to_stderr=True)
        manager.on_canary(lambda _: None)
        steps = _counting(manager)
        with steps:
            manager.submit(names[:number])
            end(manager, jobs)
        jobs.clear()
        counts.append(steps.count)
        pool.futures.clear()  # type: ignore[attr-defined]
    assert counts[0] > FEW
    assert counts[1] / counts[0] == pytest.approx(MANY / FEW, rel=0.1)


def test_the_pool_takes_jobs_at_a_constant_price(
    gates: list[threading.Event],
) -> None:
    """What it costs to queue a job does not depend on how many are queued."""
    counts: list[int] = []
    for number in (FEW, MANY):
        pool = WarmupPool(1)
        entered, gate = threading.Event(), threading.Event()
        gates.append(gate)
        pool.submit(entered.set)
        pool.submit(gate.wait)
        assert entered.wait(10)
        steps = _Steps()
        with steps:
            for _ in range(number):
                pool.submit(int)
        gate.set()
        pool.shutdown(cancel_futures=True)
        counts.append(steps.count)
    assert counts[1] / counts[0] == pytest.approx(MANY / FEW, rel=0.1)


class _CountingFuture(Future[Any]):
    """A future that is not found without a step."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


@pytest.mark.parametrize("at_once", [True, False])
def test_to_wait_for_many_has_a_price_for_each(
    new_manager: Callable[..., WarmupManager],
    gates: list[threading.Event],
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    at_once: bool,
) -> None:
    """To put a job first costs the same however many are queued."""
    monkeypatch.setattr("ipywarmup.pool.Future", _CountingFuture)
    counts: list[int] = []
    for number in (FEW, MANY):
        pool = WarmupPool(1)
        entered, gate = threading.Event(), threading.Event()
        gates.append(gate)
        pool.submit(entered.set)
        pool.submit(gate.wait)
        assert entered.wait(10)
        manager = new_manager(pool)
        steps = _counting(manager)
        manager.submit(names[:number])
        wanted = [names[:number]] if at_once else [[name] for name in names[:number]]
        steps.count = 0
        with steps:
            for each in wanted:
                assert not manager.wait(0, each[::-1])
        counts.append(steps.count)
        assert next(job[1][1] for job in pool._jobs.values()) == number
        manager.cancel()
        gate.set()
        pool.shutdown(cancel_futures=True)
    assert counts[1] / counts[0] == pytest.approx(MANY / FEW, rel=0.1)
