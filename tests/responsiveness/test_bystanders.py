"""Whether somebody computes who does not import."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ipywarmup.responsiveness.bystanders import LITTLE, Bystanders, thread_clock

if TYPE_CHECKING:
    from collections.abc import Callable

BEAT = 0.02


class Machine:
    """A processor whose time the test hands out."""

    def __init__(self) -> None:
        self.now = 0.0
        self.process = 0.0
        self.importer = 0.0
        self.bystanders = Bystanders(
            clock=lambda: self.now,
            process_clock=lambda: self.process,
            clock_of_thread=lambda: self.clock_of_thread,
        )
        self.clock_of_thread: Callable[[], float] | None = lambda: self.importer

    def spend(self, importer: float, others: float) -> None:
        """Let a beat pass, in which threads use so many seconds of processor time."""
        self.now += BEAT
        self.importer += importer
        self.process += importer + others


@pytest.fixture
def machine() -> Machine:
    """Return a machine on which nothing has happened yet."""
    return Machine()


def test_who_imports_is_no_bystander(machine: Machine) -> None:
    """An import may use all of a processor, and the others are idle."""
    with machine.bystanders.importing():
        machine.bystanders.are_idle()
        machine.spend(importer=BEAT, others=0.1 * LITTLE * BEAT)
        assert machine.bystanders.are_idle()


def test_who_computes_is_not_idle(machine: Machine) -> None:
    """More than a little of a processor is work; each look counts from the last."""
    seen = []
    with machine.bystanders.importing():
        machine.bystanders.are_idle()
        for share in (0.0, 1.1 * LITTLE, 0.9 * LITTLE, 0.2):
            machine.spend(importer=0.5 * BEAT, others=share * BEAT)
            seen.append(machine.bystanders.are_idle())
    assert seen == [True, False, True, False]


def test_the_first_look_sees_nobody_idle(machine: Machine) -> None:
    """What happened before it is not known."""
    with machine.bystanders.importing():
        assert machine.bystanders.are_idle() is None


def test_imports_that_begin_and_end_between_looks_count(machine: Machine) -> None:
    """Many short imports, and blocks within blocks, are imports as one long one is."""
    machine.bystanders.are_idle()
    for _ in range(5):
        with machine.bystanders.importing(), machine.bystanders.importing():
            machine.spend(importer=BEAT, others=0.0)
    assert machine.bystanders.are_idle()
    machine.spend(importer=5 * BEAT, others=0.0)
    assert not machine.bystanders.are_idle()


def test_where_no_clock_can_be_read_nothing_is_known(machine: Machine) -> None:
    """What cannot be known is not guessed, until that import has ended."""
    machine.clock_of_thread = None
    with machine.bystanders.importing():
        for _ in range(2):
            machine.spend(importer=0.0, others=0.0)
            assert machine.bystanders.are_idle() is None
    machine.bystanders.are_idle()
    machine.spend(importer=0.0, others=0.0)
    assert machine.bystanders.are_idle()


@pytest.mark.skipif(
    not hasattr(time, "pthread_getcpuclockid"), reason="no clock of another thread"
)
def test_another_thread_s_clock_tells_what_it_has_used() -> None:
    """In earnest: the clock that a thread gives away goes on as the thread works."""
    clocks: list[Callable[[], float] | None] = []
    go, done, over = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        clocks.append(thread_clock())
        done.set()
        go.wait()
        sum(range(1_000_000))
        done.set()
        over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    done.wait()
    done.clear()
    clock = clocks[0]
    assert clock is not None
    before = clock()
    go.set()
    done.wait()
    after = clock()
    assert after > before
    over.set()
    thread.join()


def test_a_system_without_clocks_of_threads_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on macOS and Windows, where there is no such function."""
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)
    assert thread_clock() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="warns of forks beside threads")
def test_a_forked_child_starts_over(machine: Machine) -> None:
    """The importers of the parent are not there, and the first look is the first."""
    with machine.bystanders.importing():
        machine.bystanders.are_idle()
        child = os.fork()
        if not child:
            machine.spend(importer=0.0, others=0.0)
            first = machine.bystanders.are_idle()
            machine.spend(importer=0.0, others=BEAT)
            last = machine.bystanders.are_idle()
            os._exit(int((first, last) != (None, False)))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
