"""terminal.wait: a line of progress that is gone when the wait is over."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING

import pytest

from ipywarmup.panel import terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.panel.conftest import Clock, Records, ScriptedManager

COLUMNS = 60


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and knows what one shows of it."""

    def isatty(self) -> bool:
        """Return True."""
        return True

    def screens(self) -> list[str]:
        """Return what its line showed, from one erasure to the next."""
        written = self.getvalue()
        assert "\n" not in written
        before, *screens = written.split("\r\x1b[2K")
        assert before == ""
        return screens


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a narrow terminal."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    return Terminal()


def wait(
    manager: ScriptedManager, screen: io.StringIO, timeout: float | None = None
) -> bool:
    """Wait with `screen` as stdout."""
    with contextlib.redirect_stdout(screen):
        return terminal.wait(manager, timeout, None)


def succeed_after(
    looks: int, error: BaseException | None = None
) -> Callable[[float | None], bool]:
    """Return what a manager does that is done, or fails, after some looks."""
    countdown = iter(range(looks, -1, -1))

    def look(timeout: float | None) -> bool:
        assert timeout is not None
        if next(countdown):
            return False
        if error is not None:
            raise error
        return True

    return look


def test_progress_is_one_line_that_goes_away(
    manager: ScriptedManager, records: Records, screen: Terminal
) -> None:
    """Each line takes the place of the one before; the last is empty."""
    manager.records = [
        records.completed("numpy"),
        records.running("torch"),
        records.queued("pandas"),
    ]
    manager.on_wait = succeed_after(2)
    assert wait(manager, screen) is True
    *lines, last = screen.screens()
    assert last == ""
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(r"Warming up: 1 of 3 done, torch \(.* m?s\)", line)


def test_nothing_is_shown_of_a_wait_that_is_over_at_once(
    manager: ScriptedManager, screen: Terminal
) -> None:
    """What is warm already needs no progress."""
    assert wait(manager, screen) is True
    assert screen.screens() == [""]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("reset")])
def test_the_line_goes_away_on_an_error_too(
    manager: ScriptedManager, records: Records, screen: Terminal, error: BaseException
) -> None:
    """After Ctrl-C the prompt stands where it would have stood."""
    manager.records = [records.running("torch")]
    manager.on_wait = succeed_after(1, error)
    with pytest.raises(type(error)):
        wait(manager, screen)
    assert [line != "" for line in screen.screens()] == [True, False]


def test_time_is_up_when_it_was_said(
    manager: ScriptedManager,
    records: Records,
    screen: Terminal,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pieces of the wait add up to the timeout, and to no more."""
    asked: list[float] = []

    def look(timeout: float | None) -> bool:
        assert timeout is not None
        asked.append(timeout)
        clock.now += timeout
        return False

    monkeypatch.setattr("ipywarmup.panel.terminal.time.monotonic", clock)
    manager.records = [records.running("torch")]
    manager.on_wait = look
    assert wait(manager, screen, 0.95) is False
    assert sum(asked) == pytest.approx(0.95)
    assert max(asked) == pytest.approx(0.1)
    assert screen.screens()[-1] == ""


def test_no_time_at_all_is_a_look(manager: ScriptedManager, screen: Terminal) -> None:
    """A timeout of zero asks once, and waits for nothing."""
    manager.on_wait = succeed_after(1)
    assert wait(manager, screen, 0) is False
    assert screen.screens() == [""]


def test_the_line_fits_the_terminal(
    manager: ScriptedManager, records: Records, screen: Terminal
) -> None:
    """A line that wrapped could not be overwritten, so it is cut."""
    manager.records = [records.running("m" * 500) for _ in range(20)]
    manager.on_wait = succeed_after(1)
    wait(manager, screen)
    assert max(map(len, screen.screens())) == COLUMNS - 1


@pytest.mark.parametrize("timeout", [None, 0.5])
def test_nothing_is_written_where_stdout_is_no_terminal(
    manager: ScriptedManager, timeout: float | None
) -> None:
    """In a file or a notebook, wait is the manager's own wait."""
    stream = io.StringIO()
    asked: list[float | None] = []

    def look(seconds: float | None) -> bool:
        asked.append(seconds)
        return False

    manager.on_wait = look
    assert wait(manager, stream, timeout) is False
    assert asked == [timeout]
    assert stream.getvalue() == ""
