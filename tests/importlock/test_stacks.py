"""Looks at other threads, which go on meanwhile."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.importlock.hooks import hooks
from ipywarmup.importlock.stacks import stacks

if TYPE_CHECKING:
    from tests.importlock.conftest import Write

# A bound on failure only.
TIMEOUT = 10.0

# Threads come and go while their frames are followed, and the collector runs finalizers
# that let them: up to Python 3.11 a process crashes so within a second.
PROGRAM = """
import gc, sys, threading, time
from ipywarmup.importlock.stacks import stacks

class Cycle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        time.sleep(0.0005)

def descend(depth):
    return descend(depth - 1) if depth else time.sleep(0.0002)

def work():
    started.set()
    descend(25)

def come_and_go():
    global started, newest
    while not over:
        started = threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        newest = thread.ident
        thread.join()

over, newest = False, 0
coming = threading.Thread(target=come_and_go)
coming.start()
gc.set_threshold(25, 10, 10)
sys.setswitchinterval(1e-5)
followed = rounds = 0
while followed <= 1000 or rounds < 1000:
    rounds += 1
    # Not always as many, or the looks fall into step with the threads and miss all.
    for _ in range(rounds % 17):
        Cycle()
    with stacks() as tops:
        frame = tops.get(newest)
        while frame is not None:
            frame = frame.f_back
            followed += 1
over = True
coming.join()
print(followed > 1000)
"""


def test_frames_can_be_followed_while_their_threads_end() -> None:
    """Nothing runs meanwhile that could let a thread leave them half-way."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "True\n"), run.stderr


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was(*, enabled: bool) -> None:
    """Who has switched it off finds it so, also after an exception."""
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with stacks() as tops:
            assert threading.get_ident() in tops
        assert gc.isenabled() == enabled
        with pytest.raises(KeyError), stacks() as tops:
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


GENERATING = """
import shared
def some():
    yield from ((number for number in range(3)) for _ in range(3))
shared.begun.set()
while not shared.over.is_set():
    for each in some():
        list(each)
"""


def test_a_thread_in_an_import_that_goes_on_meanwhile(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in it, whatever generator is suspended while its frames are followed."""
    shared: Any = ModuleType("shared")
    shared.begun, shared.over = threading.Event(), threading.Event()
    monkeypatch.setitem(sys.modules, "shared", shared)
    thread = threading.Thread(target=importlib.import_module, args=(write(GENERATING),))
    interval = sys.getswitchinterval()
    with hooks.borrowed():
        thread.start()
        assert shared.begun.wait(TIMEOUT)
        assert thread.ident is not None
        sys.setswitchinterval(1e-6)
        try:
            pulses = [hooks._pulse(thread.ident) for _ in range(20_000)]
        finally:
            sys.setswitchinterval(interval)
            shared.over.set()
            thread.join()
    assert pulses.count(None) == 0
    assert hooks._pulse(thread.ident) is None
