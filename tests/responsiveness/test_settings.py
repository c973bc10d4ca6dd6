"""The collector and the switch interval while modules are imported."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ipywarmup.responsiveness.settings import InterpreterSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

# A bound on failure only.
TIMEOUT = 30.0
THEIRS = (700, 10, 10), 0.005
OURS = (5_000, 20, 1_000), 0.001


def now() -> tuple[tuple[int, int, int], float]:
    """Return the settings of the interpreter."""
    return gc.get_threshold(), sys.getswitchinterval()


class Clock:
    """A clock that goes on when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    before, enabled = now(), gc.isenabled()
    gc.set_threshold(*THEIRS[0])
    sys.setswitchinterval(THEIRS[1])
    yield
    gc.set_threshold(*before[0])
    sys.setswitchinterval(before[1])
    if enabled:
        gc.enable()


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the settings."""
    return Clock()


@pytest.fixture
def settings(clock: Clock) -> Iterator[InterpreterSettings]:
    """Return settings that nobody else knows."""
    settings = InterpreterSettings(*OURS, limit=60.0, clock=clock)
    yield settings
    settings.remove()


def test_settings_are_ours_during_a_block_and_theirs_afterwards(
    settings: InterpreterSettings,
) -> None:
    """A block has a calm collector and short turns, and leaves nothing behind."""
    with settings.borrowed():
        assert now() == OURS
    assert now() == THEIRS


def test_settings_are_theirs_after_an_exception(settings: InterpreterSettings) -> None:
    """A block that raises leaves nothing behind."""
    with pytest.raises(KeyboardInterrupt), settings.borrowed():
        raise KeyboardInterrupt
    assert now() == THEIRS


@pytest.mark.parametrize("microseconds", [15, 19, 200, 999, 1_017, 5_000, 100_003])
def test_switch_interval_is_given_back_to_the_digit(
    settings: InterpreterSettings, microseconds: int
) -> None:
    """No rounding shortens the user's switch interval from warmup to warmup."""
    settings.switch_interval = 1e-6
    sys.setswitchinterval((microseconds + 0.5) / 1e6)
    before = now()
    for _ in range(3):
        with settings.borrowed():
            assert now()[1] == 1e-6
    assert now() == before


def test_an_interval_that_the_interpreter_rounds_is_known_again(
    settings: InterpreterSettings,
) -> None:
    """What the interpreter makes of our interval does not pass for the user's."""
    settings.switch_interval = 0.000_200_3
    with settings.borrowed():
        assert now()[1] != settings.switch_interval
    assert now() == THEIRS


def test_the_last_borrower_gives_back(settings: InterpreterSettings) -> None:
    """Threads, objects and nested blocks borrow side by side."""
    owner = Clock()
    settings.borrow(owner)
    settings.borrow(owner)
    with settings.borrowed(), settings.borrowed():
        settings.give_back(owner)
    assert now() == OURS
    settings.give_back(owner)
    assert now() == THEIRS


def test_threads_share_the_settings(settings: InterpreterSettings) -> None:
    """Settings are ours for as long as any of many threads is in a block."""
    seen = []
    together = threading.Barrier(4)

    def work() -> None:
        for _ in range(200):
            with settings.borrowed():
                seen.append(now())
            with settings.borrowed():
                together.wait(TIMEOUT)
                seen.append(now())
                together.wait(TIMEOUT)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert set(seen) == {OURS}
    assert len(seen) == 4 * 200 * 2
    assert now() == THEIRS


def test_a_late_give_back_takes_nothing_from_others(
    settings: InterpreterSettings,
) -> None:
    """Who was sent away by `remove` and gives back later does not give back twice."""
    owner, other = Clock(), Clock()
    settings.borrow(owner)
    settings.remove()
    assert now() == THEIRS
    settings.borrow(other)
    settings.give_back(owner)
    assert now() == OURS
    settings.give_back(other)
    assert now() == THEIRS


def test_remove_gives_back_for_all(settings: InterpreterSettings) -> None:
    """Who had borrowed before `remove` keeps nothing borrowed afterwards."""
    owner = Clock()
    settings.borrow(owner)
    settings.remove()
    with settings.borrowed():
        assert now() == OURS
    assert now() == THEIRS


def test_a_borrower_that_is_gone_has_given_back(settings: InterpreterSettings) -> None:
    """An object that nobody has any more keeps nothing borrowed."""
    owner = Clock()
    settings.borrow(owner)
    settings.check()
    assert now() == OURS
    del owner
    settings.check()
    assert now() == THEIRS


def test_thresholds_that_the_user_sets_meanwhile_stay(
    settings: InterpreterSettings,
) -> None:
    """What a cell sets counts at once and afterwards; the interval goes back."""
    with settings.borrowed():
        gc.set_threshold(1_234, 5, 6)
        with settings.borrowed():
            assert now() == ((1_234, 5, 6), OURS[1])
    assert now() == ((1_234, 5, 6), THEIRS[1])


def test_a_threshold_that_the_user_sets_alone_stays(
    settings: InterpreterSettings,
) -> None:
    """Those that were not given to `gc.set_threshold` are the user's all the same."""
    with settings.borrowed():
        gc.set_threshold(1_234)
    assert now() == ((1_234, *THEIRS[0][1:]), THEIRS[1])


def test_a_borrow_that_is_interrupted_borrows_nothing(
    settings: InterpreterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by Ctrl-C, right after a setting was set; it can be borrowed again."""
    owner = Clock()

    def interrupted(*_: object) -> None:
        set_threshold(*OURS[0])
        raise KeyboardInterrupt

    set_threshold = gc.set_threshold
    monkeypatch.setattr(gc, "set_threshold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        settings.borrow(owner)
    monkeypatch.undo()
    settings.check()
    assert now() == THEIRS
    settings.borrow(owner)
    assert now() == OURS
    settings.give_back(owner)
    assert now() == THEIRS


def test_an_interval_that_the_user_sets_meanwhile_stays(
    settings: InterpreterSettings,
) -> None:
    """What a cell sets counts at once and afterwards; the thresholds go back."""
    with settings.borrowed():
        sys.setswitchinterval(0.25)
        with settings.borrowed():
            assert now() == (OURS[0], 0.25)
    assert now() == (THEIRS[0], 0.25)


def test_a_collector_that_is_disabled_stays_disabled(
    settings: InterpreterSettings,
) -> None:
    """Who disables the collector, before a warmup or during it, has it disabled."""
    with settings.borrowed():
        assert gc.isenabled()
        gc.disable()
    assert not gc.isenabled()
    with settings.borrowed():
        assert not gc.isenabled()
    assert not gc.isenabled()
    assert now() == THEIRS


def test_a_threshold_of_0_stays(settings: InterpreterSettings) -> None:
    """The other way to disable the collector is respected, too."""
    gc.set_threshold(0, 3, 4)
    with settings.borrowed():
        assert now()[0] == (0, 3, 4)
        gc.set_threshold(*THEIRS[0])
        gc.set_threshold(0)
    assert now()[0][0] == 0


def test_calmer_settings_of_the_user_are_not_made_stricter(
    settings: InterpreterSettings,
) -> None:
    """No generation is collected more often, and no thread waits longer."""
    gc.set_threshold(90_000, 10, 10)
    sys.setswitchinterval(0.0001)
    before = now()
    with settings.borrowed():
        assert now() == ((90_000, 10, 112), before[1])
    assert now() == before


def test_settings_go_back_from_an_import_that_never_ends(
    settings: InterpreterSettings, clock: Clock
) -> None:
    """Without a borrow or a give-back for `limit` seconds the user has the settings."""
    settings.borrow()
    clock.seconds += 59.0
    with settings.borrowed():
        clock.seconds += 59.0
        settings.check()
        assert now() == OURS
    clock.seconds += 59.0
    settings.check()
    assert now() == OURS
    clock.seconds += 1.0
    settings.check()
    assert now() == THEIRS
    settings.check()
    assert now() == THEIRS


def test_settings_are_taken_again_after_their_limit(
    settings: InterpreterSettings, clock: Clock
) -> None:
    """The next borrower has them, with what the user has set by then as theirs."""
    owner = Clock()
    settings.borrow()
    clock.seconds += 60.0
    settings.check()
    gc.set_threshold(900, 9, 9)
    settings.borrow(owner)
    assert now() == OURS
    settings.give_back()
    assert now() == OURS
    settings.give_back(owner)
    assert now() == ((900, 9, 9), THEIRS[1])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"thresholds": (0, 10, 10)}, "thresholds"),
        ({"switch_interval": 0.0}, "switch_interval"),
        ({"limit": -1.0}, "limit"),
    ],
)
def test_a_number_that_is_not_positive_is_refused(
    arguments: dict[str, float], name: str
) -> None:
    """A number that makes no sense is named, before anything is set."""
    with pytest.raises(ValueError, match=f"^{name} must be positive, not "):
        InterpreterSettings(**arguments)  # type: ignore[arg-type]
    assert now() == THEIRS


FORK = """
import gc, os, sys, threading
from ipywarmup.responsiveness.settings import settings

def now():
    return gc.get_threshold(), sys.getswitchinterval()

theirs = now()
inside, forked = threading.Event(), threading.Event()

def hold():
    # As if the fork came in the middle of a borrow.
    with settings.borrowed(), settings._lock:
        inside.set()
        forked.wait()

thread = threading.Thread(target=hold)
thread.start()
inside.wait()
import warnings
warnings.simplefilter("ignore")  # 3.12 does not like forks beside threads
child = os.fork()
if not child:
    assert now() == theirs
    assert not settings.taken
    with settings.borrowed():
        assert now() != theirs
    assert now() == theirs
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert now() != theirs
forked.set()
thread.join()
assert now() == theirs

with settings.borrowed():
    # A module that forks while it is imported.
    child = os.fork()
    if not child:
        other = threading.Thread()
        settings.borrow(other)
if not child:
    assert now() != theirs
    settings.give_back(other)
    assert now() == theirs
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(
    not hasattr(os, "fork") or "fork" not in multiprocessing.get_all_start_methods(),
    reason="processes do not fork here",
)
def test_a_forked_child_has_the_settings_of_the_user() -> None:
    """A child has no borrowers, may borrow, and leaves its parent's settings alone."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
