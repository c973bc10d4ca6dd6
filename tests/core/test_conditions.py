"""The condition that Ctrl-C cannot leave owned."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from ipywarmup.conditions import Condition

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
