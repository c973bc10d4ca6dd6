"""reset: forgets the run, so that submit may be called again."""

from __future__ import annotations

import threading
import time
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
NOTHING: dict[str, list[str]] = {"pending": [], "completed": [], "failed": []}


def test_submit_works_again(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """After reset there is no run: status is empty, and submit starts one."""
    manager = new_manager(inline)
    manager.submit(["json"])
    manager.reset()
    assert manager.status() == NOTHING
    assert not manager.is_done()
    manager.submit(["json", "re"])
    assert manager.status() == {**NOTHING, "completed": ["json", "re"]}


def test_reset_before_any_submit_does_nothing(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """Reset of a fresh manager is no error, nor is a second reset."""
    manager = new_manager()
    manager.reset()
    manager.reset()
    assert manager.status() == NOTHING
    assert manager.canaries() == []


def test_records_still_running_become_cancelled(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    write_module: Callable[..., str],
) -> None:
    """Ended records stay as they are; those under way or queued are cancelled."""
    done, (name, entered, _), queued = write_module(), write_gated(), write_module()
    manager = new_manager()
    manager.submit([done, name, queued])
    assert entered.wait(TIMEOUT)
    before = manager.canaries()
    manager.reset()
    now = time.time()
    after = manager.canaries()
    assert after[0] == before[0]
    assert [record["status"] for record in after] == [
        "completed",
        "cancelled",
        "cancelled",
    ]
    assert after[1]["start_ts"] <= after[1]["end_ts"] <= now
    assert after[1]["elapsed_ms"] == (after[1]["end_ts"] - after[1]["start_ts"]) * 1000
    assert after[1]["thread_id"] == before[1]["thread_id"]
    assert after[2]["start_ts"] is after[2]["elapsed_ms"] is None
    assert after[2]["submit_ts"] <= after[2]["end_ts"] <= now
    assert [record["error"] for record in after] == [None] * 3


@pytest.mark.parametrize("source", ["", "raise OSError"], ids=["completes", "fails"])
@pytest.mark.parametrize("same", [True, False], ids=["same module", "another"])
def test_a_late_worker_never_shows(  # noqa: PLR0913
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
    source: str,
    *,
    same: bool,
) -> None:
    """An import of the old run that ends during the new one leaves no trace in it."""
    name, entered, gate = write_gated(source)
    manager = new_manager(log_to_stderr=True)
    lines = record_stderr()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    manager.reset()
    old = manager.canaries()
    told: list[int] = []
    done = threading.Event()
    manager.on_canary(lambda record: told.append(record["canary_id"]))
    manager.on_complete(lambda _: done.set())
    new = name if same else write_module()
    manager.submit([new])
    assert manager.status() == {**NOTHING, "pending": [new]}
    assert not manager.is_done()
    gate.set()
    assert done.wait(TIMEOUT)
    outcome = "failed" if same and source else "completed"
    assert manager.status() == {**NOTHING, outcome: [new]}
    assert manager.canaries()[:1] == old
    assert told == [2, 2]
    assert [line.split()[:2] for line in lines] == [
        ["[warmup", "2]"],
        ["[warmup", "done]"],
    ]
    assert lines[1].startswith("[warmup done] 1 modules: ")


def test_what_the_old_run_had_queued_is_never_imported(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
) -> None:
    """Jobs of the old run do nothing, even when the new one asks for the module."""
    runs: list[int] = []
    name = write_module("shared.runs.append(1)", runs=runs)
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit([name])
    manager.reset()
    manager.submit([name])
    jobs.popleft()()
    assert runs == []
    assert manager.status()["pending"] == [name]
    jobs.popleft()()
    assert runs == [1]
    assert manager.status()["completed"] == [name]


def test_a_future_of_the_old_run_changes_nothing(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """A job that is dropped after reset fails no module of the new run."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["json"])
    manager.reset()
    manager.submit(["json"])
    before = manager.canaries()
    assert pool.futures[0].cancel()  # type: ignore[attr-defined]
    assert manager.canaries() == before
    assert manager.status() == {**NOTHING, "pending": ["json"]}
    for job in jobs:
        job()
    assert manager.status() == {**NOTHING, "completed": ["json"]}


def test_worker_threads_stay(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """The thread that worked before reset is the one that works after it."""
    manager = new_manager()
    for _ in range(3):
        manager.submit([write_module()])
        assert manager.wait(TIMEOUT)
        manager.reset()
    assert len({record["thread_id"] for record in manager.canaries()}) == 1


def test_a_half_that_was_prepared_before_reset_starts_nothing(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """Records prepared for the old run are cancelled, and stay so."""
    manager = new_manager(inline)
    hand_over = manager.prepare([write_module()])
    manager.reset()
    before = manager.canaries()
    hand_over()
    assert manager.canaries() == before
    assert manager.status() == NOTHING
    assert not manager.is_done()


def test_reset_writes_no_line(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    record_stderr: Callable[[], list[str]],
) -> None:
    """A run that is forgotten has no summary."""
    pool, jobs = holding
    manager = new_manager(pool, log_to_stderr=True)
    lines = record_stderr()
    manager.submit(["json"])
    manager.reset()
    jobs.popleft()()
    assert lines == []
