"""Package locks with real threads, of which one goes on at a time."""

from __future__ import annotations

import contextlib
import gc
import queue
import signal
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipywarmup.importlock import locks as locks_module
from ipywarmup.importlock.graph import EVERYTHING
from ipywarmup.importlock.locks import Counts, PackageLocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0


class _Condition(threading.Condition):
    """Tells a crew which threads are asleep."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(threading.RLock())
        self._crew = crew

    def wait(self, timeout: float | None = None) -> bool:
        self._crew.falls_asleep()
        return super().wait(timeout)

    def notify_all(self) -> None:
        self._crew.wake()
        super().notify_all()


class Crew:
    """
    Threads that do what they are told, one call after the other.

    `do` returns once nobody runs: each thread has done its call, or is asleep in it.
    """

    def __init__(self, locks: PackageLocks) -> None:
        self._condition = _Condition(self)
        locks._condition = self._condition
        self._calls: dict[str, queue.SimpleQueue[Callable[[], object] | None]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._board = threading.Condition()
        self._running: set[int] = set()
        self._asleep: set[int] = set()
        self._slept: set[int] = set()
        self.waits = 0
        self.results: dict[str, Any] = {}

    def do(self, name: str, function: Callable[..., object], *arguments: object) -> Any:  # noqa: ANN401
        """Have a thread call something; return what it returned, None if it sleeps."""
        ident = self.ident(name)
        assert ident not in self._asleep, f"{name} is asleep"
        self.results[name] = None
        with self._board:
            self._running.add(ident)
            self._slept.discard(ident)
        self._calls[name].put(lambda: function(*arguments))
        self.settle()
        return self.results[name]

    def settle(self) -> None:
        """Wait until nobody runs."""
        with self._board:
            assert self._board.wait_for(lambda: not self._running, TIMEOUT)

    def ident(self, name: str) -> int:
        """Return the identity of a thread, which is started if it is new."""
        if name not in self._threads:
            self._calls[name] = queue.SimpleQueue()
            thread = threading.Thread(target=self._work, args=(name,), daemon=True)
            self._threads[name] = thread
            thread.start()
        ident = self._threads[name].ident
        assert ident is not None
        return ident

    def sleeps(self, name: str) -> bool:
        """Whether a thread is asleep in its call."""
        return self.ident(name) in self._asleep

    def look(self) -> None:
        """Have everybody who is asleep look around, as each does now and then."""
        with self._condition:
            self._condition.notify_all()
        self.settle()

    def falls_asleep(self) -> None:
        """Note that the calling thread is about to sleep."""
        me = threading.get_ident()
        if me not in {thread.ident for thread in self._threads.values()}:
            return
        with self._board:
            self.waits += me not in self._slept
            self._slept.add(me)
            self._asleep.add(me)
            self._running.discard(me)
            self._board.notify_all()

    def wake(self) -> None:
        """Note that all who are asleep are about to go on."""
        with self._board:
            self._running |= self._asleep
            self._asleep.clear()

    def close(self) -> None:
        """End all threads."""
        asleep = [name for name in self._threads if self.sleeps(name)]
        assert not asleep, f"{asleep} sleep for ever"
        for calls in self._calls.values():
            calls.put(None)
        for thread in self._threads.values():
            thread.join(TIMEOUT)
            assert not thread.is_alive()

    def _work(self, name: str) -> None:
        while (call := self._calls[name].get()) is not None:
            try:
                self.results[name] = call()
            except BaseException as error:
                self.results[name] = error
            with self._board:
                self._running.discard(threading.get_ident())
                self._board.notify_all()


class Steered:
    """Locks whose clock, pulses and reports are the test's own."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, apart: tuple[str, ...] = ()
    ) -> None:
        self.now = 0.0
        self.pulses: dict[str, object | None] = {}
        self.reports: list[str] = []
        self.locks = PackageLocks(
            apart=apart,
            patience=100.0,
            pulse=self._pulse,
            report=self.reports.append,
        )
        self.crew = Crew(self.locks)
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(locks_module, "time", clock)

    def acquire(self, name: str, package: str) -> bool | None:
        """Have a thread acquire; None if it sleeps, else whether it is alone."""
        alone = self.crew.do(name, self.locks.acquire, package)
        assert (alone is None) == self.crew.sleeps(name)
        assert alone in {None, True, False}
        return None if alone is None else bool(alone)

    def release(self, name: str, package: str) -> None:
        """Have a thread release."""
        self.crew.do(name, self.locks.release, package)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and everybody look."""
        self.now += seconds
        self.crew.look()

    def _pulse(self, ident: int) -> object | None:
        for name, pulse in self.pulses.items():
            if self.crew.ident(name) == ident:
                return pulse
        return 0


@pytest.fixture
def steered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    """Return locks that the test steers; nothing is held in the end."""
    steered = Steered(monkeypatch)
    yield steered
    steered.crew.close()
    assert not steered.locks


class Imports:
    """
    Threads that import packages at random, and what must hold meanwhile.

    Parameters
    ----------
    graph : dict of str to list of str
        By package: what its body imports.
    programs : list of list of str
        By thread: what it imports.
    """

    def __init__(self, graph: dict[str, list[str]], programs: list[list[str]]) -> None:
        self.graph = graph
        self.reports: list[str] = []
        self.locks = PackageLocks(
            apart=("A",), patience=100 * TIMEOUT, report=self.reports.append
        )
        self.crew = Crew(self.locks)
        self.begun: set[str] = set()
        self.complete: set[str] = set()
        self.stacks: dict[str, list[str]] = {}
        self.unfinished = {
            str(number): self._run(str(number), program)
            for number, program in enumerate(programs)
        }

    def step(self, name: str) -> None:
        """Let a thread do its next step."""
        if self.crew.do(name, lambda: next(self.unfinished[name], "over")) == "over":
            del self.unfinished[name]

    def ready(self) -> list[str]:
        """Return the threads that can do a step."""
        return [name for name in self.unfinished if not self.crew.sleeps(name)]

    def check(self) -> None:
        """Check what holds whenever nobody runs."""
        for name, result in self.crew.results.items():
            if isinstance(result, BaseException):
                raise result
            if result == "over":
                self.unfinished.pop(name, None)
        awake = [self.stacks[name] for name in self.ready() if self.stacks.get(name)]
        for package in self.graph:
            assert sum(package in stack for stack in awake) <= 1
        assert len(awake) <= 1 or not any(EVERYTHING in stack for stack in awake)
        assert self.ready() or not self.unfinished, "nobody can go on"

    def _run(self, name: str, program: list[str]) -> Iterator[str]:
        self.stacks[name] = []
        for package in program:
            yield from self._import(name, package)
        yield "over"

    def _import(self, name: str, package: str) -> Iterator[str]:
        if package in self.complete:
            return
        yield "go"
        self.locks.acquire(package)
        self.stacks[name].append(package)
        yield "go"
        if package not in self.begun:
            self.begun.add(package)
            for other in self.graph[package]:
                yield from self._import(name, other)
            self.complete.add(package)
        # Can be had again and again.
        self.begun.discard(EVERYTHING)
        self.complete.discard(EVERYTHING)
        assert self.stacks[name].pop() == package
        self.locks.release(package)
        yield "go"


PACKAGES = "ABCD"
IMPORTS = st.lists(st.sampled_from(PACKAGES), max_size=3)


@settings(max_examples=150, deadline=None)
@given(
    graph=st.fixed_dictionaries(dict.fromkeys((*PACKAGES, EVERYTHING), IMPORTS)),
    programs=st.lists(
        st.lists(st.sampled_from((*PACKAGES, EVERYTHING)), min_size=1, max_size=3),
        min_size=2,
        max_size=4,
    ),
    schedule=st.lists(st.integers(0, 3), min_size=1, max_size=60),
)
def test_random_imports(
    graph: dict[str, list[str]], programs: list[list[str]], schedule: list[int]
) -> None:
    """Whoever goes on when: one runs in a package, all end, nothing is held."""
    imports = Imports(graph, programs)
    with contextlib.closing(imports.crew):
        turn = 0
        while imports.unfinished:
            ready = imports.ready()
            imports.step(ready[schedule[turn % len(schedule)] % len(ready)])
            imports.check()
            turn += 1
    assert not imports.locks
    assert imports.begun == imports.complete
    circles = len(imports.reports)
    assert imports.locks.counts == Counts(waits=imports.crew.waits, circles=circles)


def test_a_thread_enters_again_and_again(steered: Steered) -> None:
    """Who is inside passes at once, and is inside until it has left as often."""
    for _ in range(3):
        assert steered.acquire("one", "P") is True
    assert steered.acquire("two", "P") is None
    assert steered.acquire("three", "Q") is True
    for _ in range(2):
        steered.release("one", "P")
        assert steered.crew.sleeps("two")
    steered.release("one", "P")
    assert steered.crew.results["two"] is True
    assert steered.crew.do("two", steered.locks.is_inside, "P") is True
    assert steered.crew.do("one", steered.locks.is_inside, "P") is False
    steered.release("two", "P")
    steered.release("three", "Q")
    assert steered.locks.counts == Counts(waits=1)
    assert steered.reports == []


def test_a_circle_lets_one_in(steered: Steered) -> None:
    """Whose wait would close a circle enters, the other one goes on after it."""
    steered.acquire("one", "P")
    steered.acquire("two", "Q")
    assert steered.acquire("one", "Q") is None
    suspended = steered.locks.is_suspended
    assert steered.crew.do("two", suspended, steered.crew.ident("one")) is True
    assert steered.acquire("two", "P") is False
    steered.release("two", "P")
    assert steered.crew.sleeps("one")
    steered.release("two", "Q")
    assert steered.crew.results["one"] is True
    assert steered.crew.do("two", suspended, steered.crew.ident("one")) is False
    steered.release("one", "Q")
    steered.release("one", "P")
    assert steered.locks.counts == Counts(waits=1, circles=1)
    [report] = steered.reports
    assert report.endswith("'P' and 'Q' import each other")


def test_a_circle_of_a_package_that_stays_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What never merges is reported and counted all the same."""
    steered = Steered(monkeypatch, apart=("S",))
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
    steered.crew.close()
    assert not steered.locks


def start(steered: Steered, parent: str, child: str) -> None:
    """Have a thread start another."""
    steered.crew.do(parent, steered.locks.started, steered.crew.ident(child))


def test_a_thread_passes_the_one_that_started_it(steered: Steered) -> None:
    """Threads born during an import, however far down, do not wait for it."""
    steered.acquire("parent", "P")
    start(steered, "parent", "child")
    start(steered, "child", "grandchild")
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


def test_a_thread_that_waits_is_told_who_started_it(steered: Steered) -> None:
    """A thread that was quicker than the news of its birth goes on with them."""
    steered.acquire("parent", "P")
    assert steered.acquire("child", "P") is None
    start(steered, "parent", "child")
    assert steered.crew.results["child"] is False
    steered.release("child", "P")
    steered.release("parent", "P")


def test_a_birth_counts_for_one_import_only(steered: Steered) -> None:
    """Once the import that a thread was born in is over, it waits like others."""
    steered.acquire("parent", "P")
    start(steered, "parent", "child")
    steered.release("parent", "P")
    steered.acquire("parent", "P")
    assert steered.acquire("child", "P") is None
    steered.release("parent", "P")
    steered.release("child", "P")


def test_an_identity_that_is_used_again(steered: Steered) -> None:
    """A thread started by nobody who imports is no child, whoever was called so."""
    steered.acquire("parent", "P")
    start(steered, "parent", "child")
    start(steered, "idle", "child")
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
        "entered 'P' while others are in it: no progress for 100 s"
    ]
    steered.release("one", "P")
    assert steered.acquire("two", "P") is False
    assert steered.reports[1:] == [
        "entered 'P' while others are in it: still no progress"
    ]
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
    start(steered, "parent", "child")
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


def test_a_finalizer_acquires_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The garbage collector may import at any point of a wait."""
    steered = Steered(monkeypatch)
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
    steered.crew.close()
    assert not locks


def test_alone(steered: Steered) -> None:
    """Nobody is inside anything while a thread is alone, and nobody enters."""
    block = steered.locks.alone()
    steered.acquire("holder", "P")
    steered.crew.do("one", block.__enter__)
    assert steered.crew.sleeps("one")
    assert steered.acquire("two", "Q") is True
    steered.release("holder", "P")
    assert steered.crew.sleeps("one")
    steered.release("two", "Q")
    assert not steered.crew.sleeps("one")
    assert steered.acquire("one", "P") is True
    assert steered.acquire("two", "Q") is None
    steered.release("one", "P")
    steered.crew.do("one", block.__exit__, None, None, None)
    assert not steered.crew.sleeps("two")
    steered.release("two", "Q")


def test_a_wait_for_a_thread_counts(steered: Steered) -> None:
    """Who waits for a thread by other means lets it pass, and does not wait back."""
    steered.acquire("one", "P")
    steered.acquire("two", "Q")
    block = steered.locks.waiting_for(steered.crew.ident("two"))
    assert steered.crew.do("one", block.__enter__) is True
    back = steered.locks.waiting_for(steered.crew.ident("one"))
    assert steered.crew.do("two", back.__enter__) is False
    steered.crew.do("two", back.__exit__, None, None, None)
    assert steered.acquire("two", "P") is False
    steered.release("two", "P")
    steered.crew.do("one", block.__exit__, None, None, None)
    assert steered.acquire("two", "P") is None
    steered.release("one", "P")
    steered.release("two", "P")
    steered.release("two", "Q")


def test_forget_others(steered: Steered) -> None:
    """After a fork only what its own thread held is held, once it is alone."""
    steered.acquire("one", "P")
    steered.acquire("two", "Q")
    assert steered.acquire("two", "P") is None
    steered.locks.acquire("R")
    asleep = steered.crew._condition
    steered.locks.forget_others()
    assert not steered.locks.is_held("P")
    assert not steered.locks.is_held("Q")
    assert steered.locks.is_inside("R")
    assert steered.locks.acquire("P")
    steered.locks.release("P")
    steered.locks.release("R")
    assert not steered.locks
    # In this process, which has not been forked, the other one still sleeps.
    with asleep:
        asleep.notify_all()
    steered.crew.settle()
    steered.release("two", "P")
    steered.release("two", "Q")


def test_open(steered: Steered) -> None:
    """Once the locks are open, nobody waits any more."""
    steered.acquire("holder", "P")
    assert steered.acquire("one", "P") is None
    steered.locks.open()
    assert steered.acquire("two", "P") is False
    steered.crew.look()
    steered.crew.look()
    assert not steered.crew.sleeps("one")
    for name in ("one", "two", "holder"):
        steered.release(name, "P")


def test_whoever_listens_hears_that_a_package_is_free(steered: Steered) -> None:
    """It is told when the last one leaves, before the next one enters."""
    heard: list[tuple[bool, bool]] = []
    locks, crew = steered.locks, steered.crew

    def hear() -> None:
        heard.append((locks.is_held("P"), crew.sleeps("next")))

    locks._on_free = hear
    steered.acquire("one", "P")
    steered.acquire("one", "P")
    steered.acquire("next", "P")
    steered.release("one", "P")
    assert heard == []
    steered.release("one", "P")
    assert heard == [(False, True)]
    steered.release("next", "P")
