"""Ctrl-C in the middle of what starts a warmup."""

from __future__ import annotations

import sys
import threading
import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import ipywarmup
from ipywarmup.importlock.hooks import hooks
from ipywarmup.manager import WarmupManager
from ipywarmup.pool import WarmupPool
from ipywarmup.responsiveness.settings import settings
from tests.core.conftest import TIMEOUT

if TYPE_CHECKING:
    import collections
    from collections.abc import Callable
    from concurrent.futures import Executor
    from types import FrameType


WARNINGS = ("_add_filter", "_showwarnmsg", "resetwarnings")
PACKAGE = str(Path(ipywarmup.__file__).parent)


class Interrupter:
    """Raise KeyboardInterrupt at one of the moments when Python looks for signals."""

    def __init__(self, moment: int, inside: str) -> None:
        self.left = moment
        self.inside = inside
        self.interrupted = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401
        """Count functions of ours that begin, and calls of C functions that end."""
        ours = frame.f_code.co_filename.startswith(PACKAGE)
        if not ours or event not in {"call", "c_return"} or not self._is_inside(frame):
            return
        self.left -= 1
        if self.left < 0:
            sys.setprofile(None)
            self.interrupted = True
            raise KeyboardInterrupt

    def _is_inside(self, frame: FrameType | None) -> bool:
        while frame is not None and frame.f_code.co_name != self.inside:
            frame = frame.f_back
        return frame is not None


@pytest.mark.parametrize("inside", ["_enlist", "holding"])
def test_nothing_stays_borrowed_whenever_submit_is_interrupted(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    inside: str,
) -> None:
    """What was entered ends; the hooks and the settings are given back."""
    names = [write_module(), write_module()]
    functions = [getattr(warnings, name) for name in WARNINGS]
    for moment in range(1000):
        manager = new_manager()
        interrupter = Interrupter(moment, inside)
        try:
            sys.setprofile(interrupter)
            manager.submit(names)
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        manager.extend(names)
        assert manager.wait(TIMEOUT), moment
        assert sorted(manager.status()["completed"]) == names, moment
        assert not settings.taken, moment
        assert not hooks.installed, moment
        assert [getattr(warnings, name) for name in WARNINGS] == functions, moment
        assert type(warnings) is ModuleType, moment
        if not interrupter.interrupted:
            break
    assert 5 < moment < 999


def test_the_record_ends_whenever_require_is_interrupted(
    write_module: Callable[..., str],
    holding: tuple[Executor, collections.deque[Callable[[], None]]],
) -> None:
    """Whoever waits for it is told; what it has borrowed may go with its manager."""
    executor, jobs = holding
    for moment in range(1000):
        name = write_module("raise ValueError(42)")
        manager = WarmupManager(executor, log_to_stderr=False)
        manager.submit([name])
        interrupter = Interrupter(moment, "_import")
        try:
            sys.setprofile(interrupter)
            manager.require(name)
        except (KeyboardInterrupt, ValueError):
            pass
        finally:
            sys.setprofile(None)
        while jobs:
            jobs.popleft()()
        assert manager.canaries()[0]["status"] in {"failed", "cancelled"}, moment
        assert manager.wait(TIMEOUT), moment
        if not interrupter.interrupted:
            break
    assert 5 < moment < 999
    hooks.remove()


def test_an_interrupted_callback_interrupts_its_caller(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """Ctrl-C is no failure of the callback that it comes in; other errors are."""
    manager = new_manager()
    manager.submit([])

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.on_complete(interrupted)


def test_a_worker_whose_start_was_interrupted_makes_room_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ends without a word, and the pool goes on to work."""
    errors: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", errors.append)
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def start_and_raise(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    pool = WarmupPool()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_and_raise)
        with pytest.raises(KeyboardInterrupt):
            pool.submit(int)
    started[0].join(TIMEOUT)
    assert not started[0].is_alive()
    assert not errors
    assert pool.submit(int, "3").result(TIMEOUT) == 3
