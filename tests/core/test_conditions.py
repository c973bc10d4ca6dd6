"""The condition that Ctrl-C cannot leave owned."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import Future, as_completed, wait
from typing import TYPE_CHECKING

from ipywarmup.conditions import Condition, SafeFuture

if TYPE_CHECKING:
    from types import FrameType


def python_calls(condition: threading.Condition | Condition) -> list[str]:
    """Return the functions in Python that run while a condition is entered and left."""
    calls: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        with condition:
            pass
    finally:
        sys.setprofile(None)
    return calls


def test_no_handler_can_run_between_the_lock_and_its_block() -> None:
    """It is entered and left without a function in Python, where one could raise."""
    assert python_calls(threading.Condition()) == ["__enter__", "__exit__"]
    assert python_calls(Condition()) == []
    assert python_calls(Future[int]()._condition) == ["__enter__", "__exit__"]
    assert python_calls(SafeFuture[int]()._condition) == []


def test_a_future_does_what_one_does() -> None:
    """It is waited for in every way, and may be cancelled."""
    future, other = SafeFuture[int](), SafeFuture[int]()
    told: list[Future[int]] = []
    future.add_done_callback(told.append)
    assert other.cancel()
    assert other.cancelled()
    thread = threading.Thread(target=future.set_result, args=(42,))
    thread.start()
    assert list(as_completed([future], 30)) == [future]
    assert not wait([future], 30).not_done
    assert future.result(30) == 42
    thread.join(30)
    assert told == [future]


def test_it_waits_and_wakes() -> None:
    """It does what a condition of `threading` does."""
    condition = Condition()
    seen: list[int] = []

    def work() -> None:
        with condition:
            seen.append(1)
            condition.notify_all()
            assert condition.wait_for(lambda: len(seen) > 1, 30)
            seen.append(3)

    thread = threading.Thread(target=work)
    with condition:
        thread.start()
        assert condition.wait_for(lambda: bool(seen), 30)
        assert not condition.wait(0)
        seen.append(2)
        condition.notify_all()
    thread.join(30)
    assert seen == [1, 2, 3]
