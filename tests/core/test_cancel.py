"""cancel: drops what has not started."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

TIMEOUT = 10.0


def test_what_is_queued_is_dropped(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., tuple[str, threading.Event, threading.Event]],
    write_module: Callable[..., str],
) -> None:
    """Cancel returns the queued names in order; the import under way goes on."""
    name, entered, gate = write_gated()
    queued = [write_module() for _ in range(3)]
    done = write_module()
    manager = new_manager()
    manager.submit([done, name, *queued])
    assert entered.wait(TIMEOUT)
    assert manager.cancel() == queued
    assert manager.status() == {"pending": [name], "completed": [done], "failed": []}
    assert not manager.is_done()
    gate.set()
    assert manager.wait(TIMEOUT)
    assert manager.status() == {"pending": [], "completed": [done, name], "failed": []}
    records = manager.canaries()
    assert [record["status"] for record in records] == [
        "completed",
        "completed",
        *["cancelled"] * 3,
    ]
    for record in records[2:]:
        assert record["start_ts"] is record["elapsed_ms"] is record["error"] is None
        assert record["end_ts"] >= record["submit_ts"]


def test_what_was_dropped_is_never_imported(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
    write_module: Callable[..., str],
) -> None:
    """The jobs that the pool still holds do nothing, and tell nobody."""
    pool, jobs = holding
    name = write_module()
    manager = new_manager(pool)
    manager.submit([name])
    assert manager.cancel() == [name]
    before = manager.canaries()
    told: list[object] = []
    manager.on_canary(told.append)
    for job in jobs:
        job()
    assert name not in sys.modules
    assert manager.canaries() == before
    assert told == []


def test_cancel_with_nothing_queued_does_nothing(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    record_stderr: Callable[[], list[str]],
) -> None:
    """Before submit, after an empty one, and after the end there is nothing to drop."""
    manager = new_manager(inline, log_to_stderr=True)
    lines = record_stderr()
    told: list[object] = []
    manager.on_complete(told.append)
    assert manager.cancel() == []
    assert not manager.is_done()
    assert told == []
    manager.submit([])
    del lines[:]
    assert manager.cancel() == []
    assert lines == []
    manager.extend(["json"])
    del lines[:]
    assert manager.cancel() == []
    assert lines == []
    assert len(told) == 1
    assert [record["status"] for record in manager.canaries()] == ["completed"]


def test_a_second_cancel_finds_nothing(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
) -> None:
    """What was dropped once is not dropped again."""
    manager = new_manager(holding[0])
    manager.submit(["json", "re"])
    assert manager.cancel() == ["json", "re"]
    before = manager.canaries()
    assert manager.cancel() == []
    assert manager.canaries() == before
