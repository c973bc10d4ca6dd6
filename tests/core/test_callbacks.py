"""Callbacks that raise, and callbacks that call back in."""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Holding = tuple[Executor, deque[Callable[[], None]]]

TIMEOUT = 10.0


@pytest.mark.parametrize(
    "error",
    [ValueError("a callback's own"), SystemExit(3), KeyboardInterrupt()],
    ids=["ValueError", "SystemExit", "KeyboardInterrupt"],
)
def test_a_callback_that_raises_stops_nobody(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    """What callbacks raise is logged; the other callbacks and the imports go on."""

    def raising(_: object) -> None:
        raise error

    names = [write_module(), write_module()]
    manager = new_manager()
    told: list[object] = []
    done = threading.Event()
    manager.on_canary(raising)
    manager.on_canary(told.append)
    manager.on_complete(raising)
    manager.on_complete(lambda _: done.set())
    manager.submit(names)
    assert done.wait(TIMEOUT)
    assert manager.status()["completed"] == names
    assert len(told) == 4
    records = [record for record in caplog.records if record.name == "ipywarmup"]
    assert len(records) == 5
    for record in records:
        assert record.levelno == logging.ERROR
        assert "raising" in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[1] is error


def test_a_callback_that_raises_at_once_raises_nothing_in_the_caller(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A callback of a run that is done is logged like any other."""

    def raising(status: object) -> None:
        raise LookupError(status)

    manager = new_manager(inline)
    manager.submit([])
    manager.on_complete(raising)
    assert [record.name for record in caplog.records] == ["ipywarmup"]


class _Unprintable:
    """A callback that cannot be shown, and fails."""

    def __call__(self, argument: object) -> None:
        """Fail."""
        raise ValueError(argument)

    def __repr__(self) -> str:
        """Fail, too."""
        raise RuntimeError("no name for this")


def test_a_callback_that_cannot_be_logged_stops_nobody(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither a broken repr nor a closed stderr turns a bad callback into a failure."""
    logger = logging.getLogger("ipywarmup")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(sys, "stderr", _closed_stream())
    manager = new_manager(inline)
    told: list[object] = []
    manager.on_canary(_Unprintable())
    manager.on_canary(told.append)
    manager.on_complete(_Unprintable())
    manager.on_complete(told.append)
    manager.submit(["json"])
    assert manager.status()["completed"] == ["json"]
    assert len(told) == 3


def _closed_stream() -> object:
    stream = io.StringIO()
    stream.close()
    return stream


def test_on_complete_may_extend(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """A chain of extensions from within on_complete runs link by link."""
    manager = new_manager(inline)
    links = iter([["re"], ["ast"]])
    seen: list[list[str]] = []

    def link(status: dict[str, list[str]]) -> None:
        seen.append(status["completed"])
        for names in links:
            manager.extend(names)
            manager.on_complete(link)
            break

    manager.on_complete(link)
    manager.submit(["json"])
    assert seen == [["json"], ["json", "re"], ["json", "re", "ast"]]
    assert manager.is_done()


def test_on_complete_may_reset_and_submit(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """A new run may be started by the callback that ends the old one."""
    first, second = write_module(), write_module()
    manager = new_manager()
    done = threading.Event()

    def again(status: object) -> None:
        del status
        manager.reset()
        manager.on_complete(lambda _: done.set())
        manager.submit([second])

    manager.on_complete(again)
    manager.submit([first])
    assert done.wait(TIMEOUT)
    assert manager.status() == {"pending": [], "completed": [second], "failed": []}
    assert [record["canary_id"] for record in manager.canaries()] == [1, 2]


def test_a_submit_from_within_is_refused_like_any_other(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """Within a callback there is a run, so submit raises RuntimeError."""
    manager = new_manager(inline)
    raised: list[BaseException] = []

    def callback(argument: object) -> None:
        del argument
        try:
            manager.submit(["re"])
        except RuntimeError as error:
            raised.append(error)

    manager.on_canary(callback)
    manager.on_complete(callback)
    manager.submit(["json"])
    assert len(raised) == 3
    assert manager.status()["completed"] == ["json"]


def test_every_question_may_be_asked_from_within(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """No call of the manager blocks on a lock while a callback runs."""
    names = [write_module(), write_module()]
    manager = new_manager()
    answers: list[object] = []
    done = threading.Event()

    def ask(argument: object) -> None:
        del argument
        answers.append(manager.wait(0))
        manager.status()
        manager.is_done()
        manager.canaries()
        manager.extend([])
        manager.on_canary(lambda _: None)()

    manager.on_canary(ask)
    manager.on_complete(ask)
    manager.on_complete(lambda _: done.set())
    manager.submit(names)
    assert done.wait(TIMEOUT)
    assert answers == [False, False, False, True, True]


def test_another_thread_gets_answers_while_a_callback_runs(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    on_thread: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    """Callbacks run outside every lock: a callback may wait for another thread."""
    manager = new_manager(inline)
    answers: list[object] = []

    def callback(argument: object) -> None:
        del argument
        thread = on_thread(lambda: answers.append((manager.status(), manager.wait(0))))
        thread.join(TIMEOUT)

    manager.on_canary(callback)
    manager.submit(["json"])
    assert answers == [
        ({"pending": ["json"], "completed": [], "failed": []}, False),
        ({"pending": [], "completed": ["json"], "failed": []}, True),
    ]


def test_a_start_callback_may_require_the_next_module(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """Require from within imports a queued module there and then."""
    first, second = write_module(), write_module()
    manager = new_manager(inline)
    modules: list[object] = []

    def callback(record: dict[str, Any]) -> None:
        if record["module"] == first and record["status"] == "running":
            modules.append(manager.require(second))

    manager.on_canary(callback)
    manager.submit([first, second])
    assert modules == [sys.modules[second]]
    assert manager.status()["completed"] == [second, first]


def test_a_start_callback_may_cancel_the_rest(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Cancel from within drops what is queued, and the import under way goes on."""
    pool, jobs = holding
    manager = new_manager(pool)
    dropped: list[list[str]] = []
    ends: list[object] = []
    manager.on_canary(lambda _: dropped.append(manager.cancel()))
    manager.on_complete(ends.append)
    manager.submit(["json", "re"])
    for job in jobs:
        job()
    # What it drops is told from within, so that the call for "re" ends first.
    assert dropped == [[], ["re"], []]
    assert ends == [{"pending": [], "completed": ["json"], "failed": []}]
