"""on_canary: a call each time a record starts or ends."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Holding = tuple[Executor, deque[Callable[[], None]]]

TIMEOUT = 10.0


def brief(record: dict[str, Any]) -> tuple[str, str, bool]:
    """Reduce a record to its module, its status, and whether it has started."""
    return record["module"], record["status"], record["start_ts"] is not None


def test_each_start_and_each_end_is_told(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """An import gives two events, its start and its end, and queueing gives none."""
    good, bad = write_module(), write_module("raise OSError")
    manager = new_manager(inline)
    events: list[tuple[str, str, bool]] = []
    manager.on_canary(lambda record: events.append(brief(record)))
    manager.submit([good, bad])
    assert events == [
        (good, "running", True),
        (good, "completed", True),
        (bad, "running", True),
        (bad, "failed", True),
    ]


def test_what_never_starts_is_told_at_its_end(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """A cancelled or refused record gives one event, without a start."""
    pool, _ = holding
    manager = new_manager(pool)
    events: list[tuple[str, str, bool]] = []
    manager.on_canary(lambda record: events.append(brief(record)))
    manager.submit(["json", "re", "ast"])
    pool.futures[1].cancel()  # type: ignore[attr-defined]
    manager.cancel()
    assert events == [
        ("re", "failed", False),
        ("json", "cancelled", False),
        ("ast", "cancelled", False),
    ]


def test_events_come_while_the_import_is_under_way(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """The start is told before the module's code runs, on the thread that runs it."""
    trace: list[tuple[str, int]] = []
    name = write_module(
        "import threading\nshared.trace.append(('code', threading.get_ident()))",
        trace=trace,
    )
    manager = new_manager()
    manager.on_canary(
        lambda record: trace.append((record["status"], threading.get_ident()))
    )
    done = threading.Event()
    manager.on_complete(lambda _: done.set())
    manager.submit([name])
    assert done.wait(TIMEOUT)
    worker = manager.canaries()[0]["thread_id"]
    assert trace == [("running", worker), ("code", worker), ("completed", worker)]


def test_a_callback_gets_a_copy(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Spoiling a record spoils neither the manager's nor the next callback's."""
    manager = new_manager(inline)
    seen: list[dict[str, Any]] = []

    def spoil(record: dict[str, Any]) -> None:
        record.clear()

    manager.on_canary(spoil)
    manager.on_canary(seen.append)
    manager.submit(["json"])
    assert seen[-1] == manager.canaries()[0]


def test_a_callback_sees_the_state_it_reports(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """Records and status include the event when it is told."""
    names = [write_module(), write_module("raise OSError"), write_module()]
    manager = new_manager(inline)
    events: list[str] = []

    def callback(record: dict[str, Any]) -> None:
        events.append(record["status"])
        assert manager.canaries()[record["canary_id"] - 1] == record
        place = "pending" if record["status"] == "running" else record["status"]
        assert record["module"] in manager.status()[place]

    seen: list[object] = []
    manager.on_canary(lambda record: seen.append(_outcome(callback, record)))
    manager.submit(names)
    assert seen == [None] * 6
    assert events == [
        "running",
        "completed",
        "running",
        "failed",
        "running",
        "completed",
    ]


def _outcome(callback: Callable[[Any], None], record: object) -> object:
    """Return what a callback raises: the manager would only log it."""
    try:
        callback(record)
    except AssertionError as error:
        return error
    return None


def test_the_last_event_sees_a_done_run(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """When the last record's end is told, the run is done."""
    manager = new_manager(inline)
    seen: list[bool] = []
    manager.on_canary(lambda _: seen.append(manager.is_done()))
    manager.submit(["json"])
    assert seen == [False, True]


def _note(calls: list[tuple[int, str]], number: int, record: dict[str, Any]) -> None:
    calls.append((number, record["status"]))


def test_callbacks_come_in_the_order_registered_for_each_event(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Each event goes to all callbacks, in order, before the next event does."""
    manager = new_manager(inline)
    calls: list[tuple[int, str]] = []
    for number in range(3):
        manager.on_canary(functools.partial(_note, calls, number))
    manager.submit(["json"])
    assert calls == [
        (number, status) for status in ("running", "completed") for number in range(3)
    ]


def test_events_come_run_after_run_until_unsubscribed(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Unsubscribing ends one registration, of several of the same callback."""
    pool, jobs = holding
    manager = new_manager(pool)
    events: list[object] = []
    unsubscribe = manager.on_canary(events.append)
    manager.on_canary(events.append)
    manager.submit(["json"])
    manager.extend(["re"])
    jobs.popleft()()
    assert len(events) == 4
    unsubscribe()
    jobs.popleft()()
    assert len(events) == 6


def test_unsubscribing_again_does_nothing(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """A second call is no error, not even after reset, and hits nobody else."""
    manager = new_manager(inline)
    events: list[object] = []
    unsubscribe = manager.on_canary(events.append)
    unsubscribe()
    unsubscribe()
    manager.reset()
    manager.on_canary(events.append)
    unsubscribe()
    manager.submit(["json"])
    assert len(events) == 2


def test_a_callback_may_unsubscribe_itself(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Unsubscribed from within, it hears no further event; the others hear all."""
    manager = new_manager(inline)
    once: list[object] = []
    every: list[object] = []

    def callback(record: dict[str, Any]) -> None:
        once.append(record)
        unsubscribe()

    unsubscribe = manager.on_canary(callback)
    manager.on_canary(every.append)
    manager.submit(["json", "re"])
    assert len(once) == 1
    assert len(every) == 4


def test_reset_forgets_subscriptions(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Reset tells that records were cancelled; then nothing more is told."""
    pool, jobs = holding
    manager = new_manager(pool)
    events: list[tuple[str, str, bool]] = []
    manager.on_canary(lambda record: events.append(brief(record)))
    manager.submit(["json"])
    manager.reset()
    assert events == [("json", "cancelled", False)]
    manager.submit(["re"])
    for job in jobs:
        job()
    assert len(events) == 1
