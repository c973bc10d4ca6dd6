"""totals: how much waiting a warmup saved, by a clock that the test steers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ipywarmup.importing import Outcome
from tests.core.totals import saved, until_done

if TYPE_CHECKING:
    import threading
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager
    from tests.core.totals import Clock

    Action = Callable[[], object]
    Gated = tuple[str, threading.Event, threading.Event]
    Holding = tuple[Executor, deque[Callable[[], None]]]
    OnThread = Callable[[Action], threading.Thread]
    WhenWaiting = Callable[[WarmupManager, Action], None]

TIMEOUT = 10.0
pytestmark = pytest.mark.usefixtures("clock")
NOTHING = {"worst_stall_ms": None, "hidden_ms": 0.0, "waited_ms": 0.0}


def test_without_a_warmup_there_is_nothing_to_tell(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Before a submit, and before anything has started, nothing was saved."""
    manager = new_manager(holding[0])
    assert manager.totals() == NOTHING
    manager.submit(["json"])
    assert manager.totals() == NOTHING
    assert manager.cancel() == ["json"]
    assert manager.totals() == NOTHING


def test_what_workers_import_is_saved(
    new_manager: Callable[..., WarmupManager],
    write_slow: Callable[..., str],
    write_gated: Callable[..., Gated],
    clock: Clock,
) -> None:
    """Imports of a run add up, failed ones too; one under way up to now."""
    manager = new_manager()
    manager.submit([write_slow(2.0)])
    until_done(manager)
    assert saved(manager) == (2, 0)
    clock.advance(100.0)
    name, entered, gate = write_gated()
    manager.extend([write_slow(3.0, "raise OSError"), name])
    assert entered.wait(TIMEOUT)
    clock.advance(4.0)
    assert saved(manager) == (9, 0)
    gate.set()
    until_done(manager)
    assert saved(manager) == (9, 0)
    manager.retry()
    until_done(manager)
    assert saved(manager) == (12, 0)


@pytest.mark.parametrize("call", ["wait()", "wait(10, [name])", "require(name, 10)"])
def test_what_the_main_thread_waits_for_is_not_saved(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    when_waiting: WhenWaiting,
    clock: Clock,
    call: str,
) -> None:
    """A wait counts while it lasts, and is less than saved, however it is done."""
    name, entered, gate = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    clock.advance(5.0)
    assert saved(manager) == (5, 0)
    seen: list[tuple[float, float]] = []

    def pass_time() -> None:
        for seconds in (1.0, 2.0):
            clock.advance(seconds)
            seen.append(saved(manager))
        gate.set()

    when_waiting(manager, pass_time)
    eval(f"manager.{call}", {"manager": manager, "name": name})  # noqa: S307
    assert seen == [(5, 1), (5, 3)]
    clock.advance(100.0)
    assert saved(manager) == (5, 3)


@pytest.mark.parametrize("call", ["wait", "require"])
@pytest.mark.parametrize("raises", [True, False])
def test_a_wait_that_is_broken_off_counts(  # noqa: PLR0913
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    call: str,
    *,
    raises: bool,
) -> None:
    """Ctrl-C and the end of a timeout end a wait, and its time is counted."""
    name, entered, _ = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)

    def wait(_: float | None) -> bool:
        clock.advance(2.0)
        if raises:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(manager._condition, "wait", wait)
    if raises:
        with pytest.raises(KeyboardInterrupt):
            getattr(manager, call)(*[name] * (call == "require"))
    elif call == "wait":
        assert not manager.wait(1e-9)
    else:
        with pytest.raises(TimeoutError):
            manager.require(name, 1e-9)
    clock.advance(100.0)
    assert saved(manager) == (100, 2)


def test_no_more_than_all_of_it_is_not_saved(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_slow: Callable[..., str],
    when_waiting: WhenWaiting,
    clock: Clock,
) -> None:
    """Where waiting takes longer than importing, nothing was saved, and no less."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit([write_slow(1.0)])

    def run_late() -> None:
        clock.advance(5.0)
        jobs.popleft()()

    when_waiting(manager, run_late)
    assert manager.wait(TIMEOUT)
    assert saved(manager) == (0, 6)


def test_what_require_imports_on_the_main_thread_is_not_saved(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_slow: Callable[..., str],
    on_thread: OnThread,
) -> None:
    """Nor is it waiting; on another thread it is as good as on a worker."""
    names = [write_slow(1.0), write_slow(2.0), write_slow(4.0)]
    manager = new_manager(holding[0])
    manager.submit(names[:2])
    manager.require(names[0])
    assert saved(manager) == (0, 0)
    on_thread(lambda: manager.require(names[1])).join(TIMEOUT)
    assert saved(manager) == (2, 0)
    manager.require(names[2])
    assert saved(manager) == (2, 0)


def test_an_import_within_an_import_counts_once(
    new_manager: Callable[..., WarmupManager], write_slow: Callable[..., str]
) -> None:
    """A module that requires a queued one takes as long as both."""
    inner = write_slow(2.0)
    manager = new_manager()
    source = "shared.require(shared.inner)"
    outer = write_slow(1.0, source, require=manager.require, inner=inner)
    manager.submit([outer, inner])
    until_done(manager)
    assert saved(manager) == (3, 0)


def test_the_main_thread_is_the_one_that_built_the_manager(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    when_waiting: WhenWaiting,
    on_thread: OnThread,
    clock: Clock,
) -> None:
    """Of a manager built elsewhere, waits there count, and those here do not."""
    managers: list[WarmupManager] = []
    gated = [write_gated(), write_gated()]

    def pass_time(gate: threading.Event) -> None:
        clock.advance(3.0)
        gate.set()

    def begin(number: int) -> None:
        name, entered, gate = gated[number]
        managers[0].extend([name])
        assert entered.wait(TIMEOUT)
        when_waiting(managers[0], lambda: pass_time(gate))

    def build_and_wait() -> None:
        managers.append(new_manager())
        begin(0)
        managers[0].wait(TIMEOUT)

    thread = on_thread(build_and_wait)
    thread.join(TIMEOUT)
    assert saved(managers[0]) == (0, 3)
    begin(1)
    assert managers[0].wait(TIMEOUT)
    assert saved(managers[0]) == (3, 3)


def test_the_worst_stall_is_that_of_all_imports(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The longest of a run counts, of what was tried again, too, until reset."""
    stalls = iter([None, 4.0, 16.0, 0.5, 1.0])

    def importer(name: str, **_: object) -> Outcome:
        error = OSError() if name == "bad" else None
        return Outcome(sys, error, worst_stall_ms=next(stalls))

    monkeypatch.setattr("ipywarmup.manager.import_on_worker", importer)
    manager = new_manager(inline)
    seen: list[float | None] = []
    for name in ("a", "b", "bad", "c"):
        manager.extend([name])
        seen.append(manager.totals()["worst_stall_ms"])
    manager.retry()
    seen.append(manager.totals()["worst_stall_ms"])
    assert seen == [None, 4, 16, 16, 16]
    manager.reset()
    assert manager.totals() == NOTHING


def test_a_real_import_has_a_stall_and_real_times(
    write_module: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In earnest: plain values of the documented names come of a warmup."""
    monkeypatch.undo()
    from ipywarmup.manager import WarmupManager  # noqa: PLC0415

    manager = WarmupManager(log_to_stderr=False)
    del write_module
    manager.submit(["json"])
    assert manager.wait(TIMEOUT)
    totals = manager.totals()
    assert totals.keys() == NOTHING.keys()
    assert all(type(value) is float for value in totals.values())
    assert totals["waited_ms"] > 0
