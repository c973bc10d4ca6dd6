"""Package locks with real threads, of which one goes on at a time."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ipywarmup.importlock.graph import EVERYTHING
from ipywarmup.importlock.locks import Counts, PackageLocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.importlock.crew import Crew, Steered

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 10.0


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

    def __init__(
        self,
        graph: dict[str, list[str]],
        programs: list[list[str]],
        new_crew: type[Crew],
    ) -> None:
        self.graph = graph
        self.reports: list[str] = []
        self.locks = PackageLocks(
            apart=("A",), patience=100 * TIMEOUT, report=self.reports.append
        )
        self.crew = new_crew(self.locks)
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
    graph: dict[str, list[str]],
    programs: list[list[str]],
    schedule: list[int],
    new_crew: type[Crew],
) -> None:
    """Whoever goes on when: one runs in a package, all end, nothing is held."""
    imports = Imports(graph, programs, new_crew)
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
    one, two = steered.crew.ident("one"), steered.crew.ident("two")
    assert steered.locks._graph.waits_for(one, two) is True
    assert steered.acquire("two", "P") is False
    steered.release("two", "P")
    assert steered.crew.sleeps("one")
    steered.release("two", "Q")
    assert steered.crew.results["one"] is True
    assert steered.locks._graph.waits_for(one, two) is False
    steered.release("one", "Q")
    steered.release("one", "P")
    assert steered.locks.counts == Counts(waits=1, circles=1)
    [report] = steered.reports
    assert report.endswith("'P' and 'Q' import each other")


def test_alone(steered: Steered) -> None:
    """Nobody is inside anything while a thread is alone, and nobody enters."""
    block = steered.locks.alone()
    steered.acquire("holder", "P")
    assert steered.acquire("two", "Q") is True
    steered.crew.do("one", block.__enter__)
    assert steered.crew.sleeps("one")
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


def test_who_waits_to_be_alone_comes_before_those_who_begin(steered: Steered) -> None:
    """Who is inside may enter more, nobody else anything, until that one gives up."""
    block = steered.locks.alone()
    steered.acquire("holder", "P")
    steered.crew.do("one", block.__enter__)
    assert steered.acquire("two", "R") is None
    assert steered.acquire("holder", "Q") is True
    steered.release("holder", "Q")
    steered.release("holder", "P")
    assert not steered.crew.sleeps("one")
    assert steered.crew.sleeps("two")
    steered.crew.do("one", block.__exit__, None, None, None)
    assert not steered.crew.sleeps("two")
    steered.release("two", "R")


def test_a_wait_for_a_thread_counts(steered: Steered) -> None:
    """Who waits for a thread by other means lets it pass, and does not wait back."""
    over = threading.Event()
    steered.acquire("one", "P")
    steered.acquire("two", "Q")
    two, one = steered.crew.ident("two"), steered.crew.ident("one")
    assert steered.crew.do("one", steered.locks.wait_for, two, over.is_set, "m") is None
    assert (
        steered.crew.do("two", steered.locks.wait_for, one, over.is_set, "m") is False
    )
    assert steered.acquire("two", "P") is False
    steered.release("two", "P")
    over.set()
    steered.crew.look()
    assert steered.crew.results["one"] is True
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
