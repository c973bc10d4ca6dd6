"""canaries: one record per submitted module, over the manager's whole life."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from ipywarmup.run import Run

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Holding = tuple[Executor, deque[Callable[[], None]]]
    OnThread = Callable[[Callable[[], object]], threading.Thread]

TIMEOUT = 10.0
KEYS = {
    "canary_id",
    "module",
    "thread_name",
    "thread_id",
    "submit_ts",
    "start_ts",
    "end_ts",
    "elapsed_ms",
    "status",
    "error",
}


def test_a_queued_record(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """A queued module is "running" with no start, no thread, no end and no error."""
    manager = new_manager(holding[0])
    before = time.time()
    manager.submit(["json"])
    (record,) = manager.canaries()
    assert record.keys() >= KEYS
    assert record["canary_id"] == 1
    assert record["module"] == "json"
    assert record["status"] == "running"
    assert before <= record["submit_ts"] <= time.time()
    for key in KEYS - {"canary_id", "module", "status", "submit_ts"}:
        assert record[key] is None


def test_a_record_under_way(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., tuple[str, threading.Event, threading.Event]],
) -> None:
    """A record under way is "running" with its start and its thread."""
    name, entered, _ = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    (record,) = manager.canaries()
    assert record["status"] == "running"
    assert record["submit_ts"] <= record["start_ts"] <= time.time()
    assert record["thread_name"] == "ipywarmup-0"
    assert isinstance(record["thread_id"], int)
    assert record["end_ts"] is record["elapsed_ms"] is record["error"] is None


def test_a_record_that_has_ended(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    holding: Holding,
    on_thread: OnThread,
) -> None:
    """It tells when and where the import ran, and how long it took."""
    threads: list[int] = []
    name = write_module(
        "import threading\nshared.threads.append(threading.get_ident())",
        threads=threads,
    )
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit([name])
    thread = on_thread(jobs.popleft())
    thread.join(TIMEOUT)
    (record,) = manager.canaries()
    assert record["status"] == "completed"
    assert record["thread_name"] == thread.name
    assert record["thread_id"] == thread.ident == threads[0]
    assert record["submit_ts"] <= record["start_ts"] <= record["end_ts"]
    assert record["elapsed_ms"] == (record["end_ts"] - record["start_ts"]) * 1000
    assert record["error"] is None
    assert type(record["status"]) is str


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ValueError('no good')", "ValueError: no good"),
        ("raise KeyError('key')", "KeyError: 'key'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "import no_such_module_at_all",
            "ModuleNotFoundError: No module named 'no_such_module_at_all'",
        ),
    ],
)
def test_a_record_that_has_failed(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
    source: str,
    error: str,
) -> None:
    """Its error is the type's name, a colon and the message."""
    manager = new_manager(inline)
    manager.submit([write_module(source)])
    (record,) = manager.canaries()
    assert record["status"] == "failed"
    assert record["error"] == error
    assert record["elapsed_ms"] == (record["end_ts"] - record["start_ts"]) * 1000 >= 0


def test_ids_and_records_outlive_resets(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Ids count up over the manager's life; records stay, oldest first."""
    manager = new_manager(inline)
    manager.submit(["json", "re"])
    first = manager.canaries()
    manager.reset()
    assert manager.canaries() == first
    manager.submit(["re", "ast"])
    manager.extend(["json"])
    records = manager.canaries()
    assert records[:2] == first
    assert [record["canary_id"] for record in records] == [1, 2, 3, 4, 5]
    assert [record["module"] for record in records] == [
        "json",
        "re",
        "re",
        "ast",
        "json",
    ]


def test_records_are_copies(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """What a caller does to the list or its dicts, the manager's stay as they are."""
    manager = new_manager(inline)
    manager.submit(["json"])
    before = manager.canaries()
    spoilt = manager.canaries()
    spoilt[0]["module"] = "spoilt"
    spoilt.clear()
    assert manager.canaries() == before
    assert before[0]["module"] == "json"


def test_two_managers_count_by_themselves(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Each manager has records and ids of its own."""
    one, other = new_manager(inline), new_manager(inline)
    one.submit(["json", "re"])
    other.submit(["json"])
    assert [record["canary_id"] for record in other.canaries()] == [1]


@pytest.mark.parametrize("end", ["completes", "fails", "reset", "cancel", "refuse"])
def test_a_clock_set_back_makes_no_time_negative(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    end: str,
) -> None:
    """With a wall clock that goes backwards the times of a record never do."""
    clock = iter(range(1_000_000, 0, -1_000))
    me, real_time = threading.get_ident(), time.time

    def set_back() -> float:
        # Threads of earlier tests may look at theirs.
        return float(next(clock)) if threading.get_ident() == me else real_time()

    monkeypatch.setattr(time, "time", set_back)
    pool, jobs = holding
    source = {"fails": "raise OSError", "reset": "shared.reset()"}.get(end, "")
    manager = new_manager(pool)
    manager.submit([write_module(source, reset=manager.reset)])
    if end == "cancel":
        manager.cancel()
    elif end == "refuse":
        pool.futures[0].cancel()  # type: ignore[attr-defined]
    jobs.popleft()()
    (record,) = manager.canaries()
    assert record["submit_ts"] == 1_000_000
    assert record["end_ts"] >= record["submit_ts"]
    if end in {"cancel", "refuse"}:
        assert record["start_ts"] is record["elapsed_ms"] is None
    else:
        assert record["end_ts"] >= record["start_ts"] >= record["submit_ts"]
        assert record["elapsed_ms"] == (record["end_ts"] - record["start_ts"]) * 1000
        assert 0 <= record["elapsed_ms"] < 1_000


@pytest.mark.parametrize("jump", [-3_600.0, 3_600.0])
def test_a_clock_that_jumps_during_an_import_does_not_count(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    jump: float,
) -> None:
    """A wall clock set back or forth while a module is imported is not its doing."""
    clock = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    name = write_module("shared.clock[0] += shared.jump", clock=clock, jump=jump)
    manager = new_manager(inline)
    manager.submit([name])
    (record,) = manager.canaries()
    assert record["start_ts"] == 1_000_000
    assert 0 <= record["elapsed_ms"] < 60_000


def test_the_latest_record_of_each_module_of_a_run(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """`snapshot` of a run leaves out other runs, and records that retry replaced."""
    manager = new_manager(inline)
    manager.submit(["no_such_module_at_all", "json"])
    manager.retry()
    run = manager.run
    manager.reset()
    manager.submit(["re"])
    assert [canary.canary_id for canary in manager.snapshot(run)] == [3, 2]
    assert [canary.canary_id for canary in manager.snapshot(manager.run)] == [4]
    assert [canary.canary_id for canary in manager.snapshot()] == [1, 2, 3, 4]


def test_stalls_are_told_of_while_they_happen(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """A module that keeps the interpreter to itself shows when, and for how long."""
    manager = new_manager()
    assert manager.stalls() == []
    name = write_module("sum(range(20_000_000))")
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    (record,) = manager.canaries()
    stalls = manager.stalls()
    longest = max(stalls, key=lambda stall: stall["duration_ms"])
    assert longest["duration_ms"] == record["worst_stall_ms"]
    assert longest["duration_ms"] == manager.totals()["worst_stall_ms"]
    assert all(stall["duration_ms"] >= 10 for stall in stalls)
    starts = [stall["start_ts"] for stall in stalls]
    assert starts == sorted(starts)
    # Both are of the wall clock, read one after the other.
    assert record["start_ts"] - 0.1 <= starts[0] <= record["end_ts"]
    run = manager.run
    manager.reset()
    assert manager.stalls() == []
    assert manager.stalls(run) == stalls


def test_the_longest_of_many_stalls_are_kept() -> None:
    """However many there are, a warmup keeps 256, in the order of their beginning."""
    run = Run()
    for number in range(2000):
        run.note_stall(
            {"start_ts": float(number), "duration_ms": float(number * 997 % 2000)}
        )
    stalls = run.stalls()
    assert [stall["duration_ms"] for stall in stalls] == [
        number * 997 % 2000 for number in range(2000) if number * 997 % 2000 >= 1744
    ]
