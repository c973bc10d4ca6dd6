"""on_complete: one call when the run is done."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Gated = tuple[str, threading.Event, threading.Event]
    Holding = tuple[Executor, deque[Callable[[], None]]]

TIMEOUT = 10.0


@pytest.mark.parametrize("early", [True, False])
def test_a_callback_is_called_once_when_the_run_is_done(
    new_manager: Callable[..., WarmupManager], holding: Holding, *, early: bool
) -> None:
    """A callback from before or after submit is called once, with the last status."""
    pool, jobs = holding
    manager = new_manager(pool)
    told: list[dict[str, list[str]]] = []
    if early:
        manager.on_complete(told.append)
    manager.submit(["json", "no_such_module_at_all"])
    if not early:
        manager.on_complete(told.append)
    jobs.popleft()()
    assert told == []
    jobs.popleft()()
    assert told == [
        {"pending": [], "completed": ["json"], "failed": ["no_such_module_at_all"]}
    ]
    manager.extend(["re"])
    jobs.popleft()()
    assert len(told) == 1


def test_a_callback_of_a_done_run_is_called_at_once(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """When the run is done already, the callback runs on the calling thread."""
    name = write_module()
    manager = new_manager()
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    told: list[tuple[object, int]] = []
    manager.on_complete(lambda status: told.append((status, threading.get_ident())))
    assert told == [
        ({"pending": [], "completed": [name], "failed": []}, threading.get_ident())
    ]


def test_otherwise_it_is_called_where_the_last_import_ends(
    new_manager: Callable[..., WarmupManager], write_gated: Callable[..., Gated]
) -> None:
    """While the run goes on, nothing is called on the registering thread."""
    name, _, gate = write_gated()
    manager = new_manager()
    called = threading.Event()
    threads: list[str] = []

    def callback(status: object) -> None:
        del status
        threads.append(threading.current_thread().name)
        called.set()

    manager.submit([name])
    manager.on_complete(callback)
    gate.set()
    assert called.wait(TIMEOUT)
    assert threads == ["ipywarmup-0"]


def _note(calls: list[object], text: str, _: object) -> None:
    calls.append(text)


def test_callbacks_come_in_the_order_registered(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Those that want the end come in order, after those that want each record."""
    pool, jobs = holding
    manager = new_manager(pool)
    calls: list[object] = []
    manager.on_complete(lambda _: calls.append("complete 0"))
    manager.on_canary(lambda _: calls.append("canary"))
    for number in range(1, 4):
        manager.on_complete(functools.partial(_note, calls, f"complete {number}"))
    manager.submit(["json"])
    jobs.popleft()()
    assert calls == ["canary", "canary", *(f"complete {number}" for number in range(4))]


def test_a_callback_registered_twice_is_called_twice(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Each registration counts."""
    manager = new_manager(inline)
    told: list[object] = []
    manager.on_complete(told.append)
    manager.on_complete(told.append)
    manager.submit(["json"])
    assert len(told) == 2


def test_the_callback_sees_the_end(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Within the callback the manager is done, and says the same as the argument."""
    manager = new_manager(inline)
    seen: list[tuple[object, ...]] = []

    def callback(status: dict[str, list[str]]) -> None:
        seen.append((manager.is_done(), manager.wait(0), manager.status() == status))

    manager.on_complete(callback)
    manager.submit(["json", "re"])
    assert seen == [(True, True, True)]


def test_each_callback_gets_a_status_of_its_own(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """A callback that spoils its argument does not spoil the next one's."""
    manager = new_manager(inline)
    told: list[dict[str, list[str]]] = []

    def spoil(status: dict[str, list[str]]) -> None:
        status["completed"].clear()
        del status["failed"]

    manager.on_complete(spoil)
    manager.on_complete(told.append)
    manager.submit(["json"])
    expected = {"pending": [], "completed": ["json"], "failed": []}
    assert told == [expected]
    manager.on_complete(spoil)
    assert manager.status() == expected


def test_cancel_of_the_rest_is_an_end(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """When cancel leaves nothing pending the run is done, and callbacks fire."""
    pool, jobs = holding
    manager = new_manager(pool)
    told: list[dict[str, list[str]]] = []
    manager.on_complete(told.append)
    manager.submit(["json", "re"])
    jobs.popleft()()
    manager.cancel()
    assert told == [{"pending": [], "completed": ["json"], "failed": []}]
    jobs.popleft()()
    manager.cancel()
    assert len(told) == 1


def test_reset_forgets_callbacks(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Neither the forgotten run nor the next one calls a callback of before reset."""
    pool, jobs = holding
    manager = new_manager(pool)
    told: list[object] = []
    manager.submit(["json"])
    manager.on_complete(told.append)
    manager.reset()
    manager.submit(["re"])
    for job in jobs:
        job()
    assert manager.is_done()
    assert told == []


def test_a_callback_after_reset_waits_for_the_next_run(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """After reset nothing is done: a new callback belongs to the run to come."""
    manager = new_manager(inline)
    manager.submit(["json"])
    manager.reset()
    told: list[dict[str, list[str]]] = []
    manager.on_complete(told.append)
    assert told == []
    manager.submit(["re"])
    assert [status["completed"] for status in told] == [["re"]]
