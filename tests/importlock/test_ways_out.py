"""The ways out of a wait for a package, and what each of them leaves behind."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.importlock import locks as locks_module
from ipywarmup.importlock.locks import Counts

if TYPE_CHECKING:
    from tests.importlock.crew import Steered

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0


def test_a_circle_of_a_package_that_stays_apart(steered: Steered) -> None:
    """What never merges is reported and counted all the same."""
    steered.acquire("one", "P")
    steered.acquire("two", "S")
    assert steered.acquire("one", "S") is None
    assert steered.acquire("two", "P") is False
    assert steered.locks.counts.circles == 1
    assert steered.reports == [
        "entered 'P' while others are in it: they wait for this thread"
    ]
    steered.release("two", "P")
    steered.release("two", "S")
    steered.release("one", "S")
    steered.release("one", "P")


def test_a_thread_passes_the_one_that_started_it(steered: Steered) -> None:
    """Threads born during an import, however far down, do not wait for it."""
    steered.acquire("parent", "P")
    steered.start("parent", "child")
    steered.start("child", "grandchild")
    assert steered.acquire("child", "P") is False
    steered.release("child", "P")
    assert steered.acquire("grandchild", "P") is False
    steered.release("grandchild", "P")
    assert steered.acquire("unrelated", "P") is None
    steered.release("parent", "P")
    assert not steered.crew.sleeps("unrelated")
    steered.release("unrelated", "P")
    assert (
        steered.reports
        == ["entered 'P' while others are in it: it was started by one of them"] * 2
    )


def test_a_birth_counts_for_one_import_only(steered: Steered) -> None:
    """Once the import that a thread was born in is over, it waits like others."""
    steered.acquire("parent", "P")
    steered.start("parent", "child")
    steered.release("parent", "P")
    steered.acquire("parent", "P")
    assert steered.acquire("child", "P") is None
    steered.release("parent", "P")
    steered.release("child", "P")


def test_an_identity_that_is_used_again(steered: Steered) -> None:
    """A thread started by nobody who imports is no child, whoever was called so."""
    steered.acquire("parent", "P")
    steered.start("parent", "child")
    steered.end("child")
    steered.start("idle", "child")
    assert steered.acquire("child", "P") is None
    steered.release("parent", "P")
    steered.release("child", "P")


def test_a_holder_without_progress_is_passed(steered: Steered) -> None:
    """After `patience` without progress the lock opens, later at once."""
    steered.acquire("holder", "P")
    assert steered.acquire("one", "P") is None
    steered.pass_time(99)
    assert steered.crew.sleeps("one")
    steered.pulses["holder"] = "a step further"
    steered.pass_time(99)
    steered.pass_time(99)
    assert steered.crew.sleeps("one")
    steered.pass_time(1)
    assert steered.crew.results["one"] is False
    assert steered.reports == [
        (
            "entered 'P' while others are in it: no progress for 100 s, what it lacks"
            " yet is missing"
        )
    ]
    steered.release("one", "P")
    assert steered.acquire("two", "P") is False
    assert not steered.reports[1:]
    steered.release("two", "P")
    assert steered.locks.counts == Counts(waits=1, opened=1)
    steered.release("holder", "P")


def test_a_holder_with_progress_again_is_waited_for(steered: Steered) -> None:
    """Having been passed once means nothing as soon as the holder goes on."""
    steered.acquire("holder", "P")
    steered.acquire("one", "P")
    steered.pass_time(100)
    steered.release("one", "P")
    steered.pulses["holder"] = "a step further"
    assert steered.acquire("two", "P") is None
    steered.release("holder", "P")
    steered.release("two", "P")


def test_a_new_import_begins_with_new_patience(steered: Steered) -> None:
    """A thread that was passed and has left is waited for in its next import."""
    steered.acquire("holder", "P")
    steered.acquire("one", "P")
    steered.pass_time(100)
    steered.release("one", "P")
    steered.release("holder", "P")
    steered.acquire("holder", "P")
    assert steered.acquire("two", "P") is None
    steered.release("holder", "P")
    steered.release("two", "P")


def test_a_holder_that_is_gone_is_dropped(steered: Steered) -> None:
    """What a thread left locked that imports no more is free."""
    steered.acquire("holder", "P")
    steered.acquire("holder", "Q")
    assert steered.acquire("one", "P") is None
    steered.pulses["holder"] = None
    steered.pass_time(0)
    assert steered.crew.results["one"] is True
    assert steered.acquire("two", "Q") is True
    [report] = steered.reports
    assert "does not import any more" in report
    steered.release("holder", "P")
    assert steered.acquire("two", "P") is None
    steered.release("one", "P")
    steered.release("two", "P")
    steered.release("two", "Q")


def test_a_thread_that_is_gone_is_nobodys_parent(steered: Steered) -> None:
    """Whoever gets the identity of a dropped thread has no children from it."""
    steered.acquire("parent", "P")
    steered.start("parent", "child")
    steered.pulses["parent"] = None
    steered.acquire("one", "P")
    steered.release("one", "P")
    steered.pulses["parent"] = 0
    steered.acquire("parent", "P")
    assert steered.acquire("child", "P") is None
    steered.release("parent", "P")
    steered.release("child", "P")


def interrupt_when_asleep(
    steered: Steered, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Send the main thread a signal as soon as it sleeps."""
    falls_asleep = steered.crew.falls_asleep

    def act() -> None:
        falls_asleep()
        if threading.current_thread() is threading.main_thread():
            monkeypatch.setattr(steered.crew, "falls_asleep", falls_asleep)
            signal.raise_signal(number)

    monkeypatch.setattr(steered.crew, "falls_asleep", act)


def test_an_interrupt_ends_a_wait(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C gets through to a thread that waits, and leaves nothing behind."""
    steered.acquire("holder", "P")

    def send() -> None:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)

    sender = threading.Thread(target=send)
    falls_asleep = steered.crew.falls_asleep

    def act() -> None:
        falls_asleep()
        sender.start()

    monkeypatch.setattr(steered.crew, "falls_asleep", act)
    with steered.locks.holding("Q"), pytest.raises(KeyboardInterrupt):
        steered.locks.acquire("P")
    sender.join(TIMEOUT)
    assert not steered.locks.is_inside("P")
    assert not steered.locks.is_inside("Q")
    steered.release("holder", "P")
    assert not steered.locks


def test_an_interrupted_thread_is_not_taken_for_suspended(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom others passed because it waited goes on, and they do not pass again."""
    steered.acquire("other", "Q")
    with steered.locks.holding("P"):
        interrupt_when_asleep(steered, monkeypatch, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            steered.locks.acquire("Q")
        assert steered.acquire("other", "P") is None
    steered.crew.settle()
    steered.release("other", "P")
    steered.release("other", "Q")


def test_no_interrupt_leaves_a_wait_behind(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whichever instruction on the way to a wait Ctrl-C comes, the wait is over."""
    steered.acquire("holder", "P")
    files = {locks_module.__file__}
    reached = 0
    limit = 0

    def trace(frame: Any, _event: str, _argument: object) -> Any:  # noqa: ANN401
        nonlocal reached
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        if steered.locks.counts.waits > waits:
            reached += 1
            if reached == limit:
                raise KeyboardInterrupt
        return trace

    def fall_asleep() -> None:
        sys.settrace(None)
        raise EOFError

    monkeypatch.setattr(steered.crew, "falls_asleep", fall_asleep)
    while True:
        limit, reached, waits = limit + 1, 0, steered.locks.counts.waits
        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            steered.locks.acquire("P")
        except KeyboardInterrupt:
            ended = False
        except EOFError:
            ended = True
        finally:
            sys.settrace(previous)
        assert steered.locks._graph.threads() == {steered.crew.ident("holder")}
        if ended:
            break
    # Some versions trace lines only.
    assert limit > 5
    steered.release("holder", "P")


def test_a_signal_handler_acquires_during_a_wait(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import in a signal handler is done, and the wait that it cut into, too."""
    steered.acquire("holder", "P")
    # Whoever is cut into before it sleeps finds out when it looks next.
    steered.locks.patience = 0.1
    entered: list[bool] = []

    def handle(*_: object) -> None:
        with steered.locks.holding("Q"):
            entered.append(steered.locks.is_inside("Q"))
        releaser.start()
        with steered.locks.holding("P"):
            entered.append(steered.locks.is_inside("P"))

    releaser = threading.Thread(target=steered.release, args=("holder", "P"))
    before = signal.signal(signal.SIGUSR1, handle)
    try:
        interrupt_when_asleep(steered, monkeypatch, signal.SIGUSR1)
        assert steered.locks.acquire("P")
    finally:
        signal.signal(signal.SIGUSR1, before)
    releaser.join(TIMEOUT)
    assert entered == [True, True]
    steered.locks.release("P")


def test_a_finalizer_acquires_under_the_lock(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The garbage collector may import at any point of a wait."""
    locks, entered = steered.locks, []

    class Finalized:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            with locks.holding("Q"):
                entered.append(locks.is_inside("Q"))

    def pulse(_: int) -> int:
        if not entered:
            Finalized()
            gc.collect()
        return 0

    monkeypatch.setattr(locks, "_pulse", pulse)
    steered.acquire("holder", "P")
    assert steered.acquire("one", "P") is None
    assert entered == [True]
    steered.release("holder", "P")
    assert steered.crew.results["one"] is True
    steered.release("one", "P")


def test_patience_with_a_module_that_is_waited_for(steered: Steered) -> None:
    """A wait for something else than a package ends when its thread stands still."""
    over = threading.Event()
    ident = steered.crew.ident("other")
    wait = steered.locks.wait_for
    assert steered.crew.do("one", wait, ident, over.is_set, "m") is None
    steered.pass_time(600)
    steered.pulses["other"] = 1
    steered.pass_time(600)
    assert steered.crew.sleeps("one")
    steered.pass_time(1000)
    assert steered.crew.results["one"] is False
    assert steered.reports == [
        "waits no longer for 'm': no progress for 1000 s, what it lacks yet is missing"
    ]
    assert steered.locks.counts.opened == 1
    # Nobody has to find out again, unless it goes on.
    assert steered.crew.do("one", wait, ident, over.is_set, "m") is False
    steered.pulses["other"] = 2
    assert steered.crew.do("one", wait, ident, over.is_set, "m") is None
    over.set()
    steered.crew.look()
    assert steered.crew.results["one"] is True


def test_a_module_of_a_thread_that_is_gone_is_not_waited_for(steered: Steered) -> None:
    """What nobody imports any more, nobody waits for."""
    steered.pulses["other"] = None
    ident = steered.crew.ident("other")
    assert steered.crew.do("one", steered.locks.wait_for, ident, bool, "m") is False
