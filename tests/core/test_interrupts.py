"""Ctrl-C before and after whatever a submission calls."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from typing import TYPE_CHECKING, Any

from ipywarmup import manager as manager_module
from ipywarmup.importlock.hooks import hooks
from tests.core.conftest import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ipywarmup.manager import WarmupManager


def interrupt_at(count: int) -> Callable[..., Any]:
    """Return a trace function that interrupts as the manager calls something."""
    left = itertools.count(count, -1)

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401
        caller = frame.f_back and frame.f_back.f_code.co_filename
        home = manager_module.__file__
        if caller != home or frame.f_code.co_filename == home:
            return trace if frame.f_code.co_filename == home else None
        if event in {"call", "return"} and next(left) == 0:
            raise KeyboardInterrupt
        return trace

    return trace


def test_nothing_stays_borrowed_and_nothing_pending(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """What was interrupted is withdrawn or goes on; either way all is given back."""
    names = [write_module(), write_module()]
    settings = (gc.get_threshold(), sys.getswitchinterval())
    interrupted = 0
    for count in itertools.count():
        manager = new_manager()
        trace = sys.gettrace()
        sys.settrace(interrupt_at(count))
        try:
            manager.submit(names)
        except KeyboardInterrupt:
            interrupted += 1
            through = False
        else:
            through = True
        finally:
            sys.settrace(trace)
        # It is as if it had never been, or the same as without the interrupt.
        if not manager.run.submitted:
            manager.submit(names)
        assert manager.wait(TIMEOUT), count
        assert manager.status()["pending"] == []
        assert all(canary.ended for canary in manager.snapshot()), count
        assert manager not in hooks._borrowers, count
        if through:
            break
    assert interrupted > 20
    for thread in threading.enumerate():
        assert thread not in hooks._borrowers
    assert (gc.get_threshold(), sys.getswitchinterval()) == settings
