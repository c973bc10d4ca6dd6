"""The graph of package locks: every order in which three threads can go on."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipywarmup.importlock.graph import EVERYTHING, LockGraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Program: TypeAlias = tuple[str, ...]

LEAVE = ")"
"""Ends the innermost import of a program; any other step begins one."""


class State(NamedTuple):
    """Where the threads are: the steps done, and who waits, by thread."""

    done: tuple[int, ...]
    waiting: frozenset[int]
    interrupted: frozenset[int]
    graph: LockGraph

    def key(self) -> object:
        """Return what makes two states the same."""
        graph = repr(sorted(vars(self.graph).items(), key=lambda item: item[0]))
        return self.done, self.waiting, self.interrupted, graph


def inside(program: Program, done: int) -> list[str]:
    """Return the packages that a thread is in after some of its steps."""
    stack: list[str] = []
    for step in program[:done]:
        if step == LEAVE:
            stack.pop()
        else:
            stack.append(step)
    return stack


def programs(packages: Sequence[str], imports: int) -> Iterator[Program]:
    """Yield every nesting and sequence of exactly so many imports."""
    if not imports:
        yield ()
    for nested in range(imports):
        for package in packages:
            for body in programs(packages, nested):
                for rest in programs(packages, imports - nested - 1):
                    yield (package, *body, LEAVE, *rest)


def check(state: State, threads: Sequence[Program]) -> None:
    """Check what holds at every moment."""
    holds = [
        set(inside(program, done))
        for program, done in zip(threads, state.done, strict=True)
    ]
    running = [thread for thread in range(len(threads)) if thread not in state.waiting]
    for one, other in itertools.combinations(running, 2):
        assert not holds[one] & holds[other], "two threads run in a package"
        for first, second in ((one, other), (other, one)):
            assert not (EVERYTHING in holds[first] and holds[second]), "not alone"
    for thread in state.waiting:
        assert not state.graph.waits_for(thread, thread), "a circle of waits"


def moves(
    state: State, threads: Sequence[Program], *, interrupts: bool
) -> Iterator[State]:
    """Yield every state that one step of one thread leads to."""
    for thread, program in enumerate(threads):
        position = state.done[thread]
        if position == len(program) or thread in state.interrupted:
            continue
        blocked = state.graph.blockers(thread)
        if interrupts and thread in state.waiting:
            graph = copy.deepcopy(state.graph)
            graph.stop_waiting(thread)
            for package in reversed(inside(program, position)):
                graph.leave(thread, package)
            done = list(state.done)
            done[thread] = 0
            yield State(
                tuple(done),
                state.waiting - {thread},
                state.interrupted | {thread},
                graph,
            )
        if thread in state.waiting and blocked:
            continue
        graph = copy.deepcopy(state.graph)
        step = program[position]
        if step == LEAVE:
            graph.leave(thread, inside(program, position)[-1])
        elif graph.enter(thread, step) is None:
            assert graph.blockers(thread), "a thread waits for nobody"
            yield state._replace(waiting=state.waiting | {thread}, graph=graph)
            continue
        done = list(state.done)
        done[thread] += 1
        yield State(tuple(done), state.waiting - {thread}, state.interrupted, graph)


def explore(
    threads: Sequence[Program], *, interrupts: bool = False, complete: str = ""
) -> int:
    """Go through every order of the threads' steps; return the number of states."""
    seen: set[object] = set()
    unvisited = [
        State(
            (0,) * len(threads),
            frozenset(),
            frozenset(),
            LockGraph(is_complete=complete.__contains__),
        )
    ]
    while unvisited:
        state = unvisited.pop()
        key = state.key()
        if key in seen:
            continue
        seen.add(key)
        check(state, threads)
        following = list(moves(state, threads, interrupts=interrupts))
        unvisited += following
        if not following:
            for thread, program in enumerate(threads):
                over = state.done[thread] == len(program)
                assert over or thread in state.interrupted, "nobody can go on"
            assert not state.graph, "something is still held"
    return len(seen)


SMALL = [program for imports in (1, 2) for program in programs("AB", imports)]
LARGER = [program for imports in (2, 3) for program in programs("ABC", imports)]


@pytest.mark.parametrize("complete", ["", "A", "AB"])
@pytest.mark.parametrize("interrupts", [False, True])
def test_three_threads_over_two_packages(*, interrupts: bool, complete: str) -> None:
    """In every order of every three small programs all invariants hold."""
    states = sum(
        explore(threads, interrupts=interrupts, complete=complete)
        for threads in itertools.combinations_with_replacement(SMALL, 3)
    )
    assert states > len(SMALL) ** 3


@settings(max_examples=60, deadline=None)
@given(
    threads=st.lists(st.sampled_from(LARGER), min_size=2, max_size=3),
    alone=st.booleans(),
    interrupts=st.booleans(),
    complete=st.sampled_from(["", "A", "AB", "ABC"]),
)
def test_larger_programs(
    threads: list[Program], *, alone: bool, interrupts: bool, complete: str
) -> None:
    """Deeper imports of three packages hold them, too, and one that is alone."""
    if alone:
        threads[0] = (EVERYTHING, *threads[0], LEAVE)
    assert explore(threads, interrupts=interrupts, complete=complete)


def test_the_explorer_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an eye on the circles of waits, two threads get stuck."""
    monkeypatch.setattr(LockGraph, "waits_for", lambda *_: False)
    with pytest.raises(AssertionError, match="nobody can go on"):
        explore([("A", "B", LEAVE, LEAVE), ("B", "A", LEAVE, LEAVE)])


def test_the_explorer_finds_two_in_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody waiting, two threads run in one package."""
    monkeypatch.setattr(LockGraph, "_conflicting", lambda *_: set[int]())
    with pytest.raises(AssertionError, match="two threads run"):
        explore([("A", LEAVE), ("A", LEAVE)])


def test_who_would_close_a_circle_is_let_in() -> None:
    """Of two threads that want each other's package the later one enters."""
    graph = LockGraph()
    assert graph.enter(1, "A") == set()
    assert graph.enter(2, "B") == set()
    assert graph.enter(1, "B") is None
    assert graph.enter(2, "A") == {"A", "B"}
    assert graph.blockers(1) == {2}


def test_who_would_see_more_is_let_in() -> None:
    """The later one waits if the other wants a package that lacks a part only."""
    graph = LockGraph(is_complete="B".__contains__)
    graph.enter(1, "A")
    graph.enter(2, "B")
    assert graph.enter(1, "B") is None
    assert graph.enter(2, "A") is None
    assert graph.blockers(2) == {1}
    assert not graph.blockers(1)
    assert graph.enter(1, "B") == {"A", "B"}
    graph.leave(1, "B")
    graph.leave(1, "A")
    assert graph.enter(2, "A") is not None


def test_who_comes_third_waits_for_both() -> None:
    """A thread outside of the circle waits until all of it have left."""
    graph = LockGraph()
    graph.enter(1, "A")
    graph.enter(2, "B")
    graph.enter(1, "B")
    graph.enter(2, "A")
    assert graph.enter(3, "A") is None
    assert graph.blockers(3) == {1, 2}


def test_who_was_passed_waits_whatever_becomes_of_the_others() -> None:
    """A thread in between that gives up does not set two threads off in a package."""
    graph = LockGraph()
    graph.enter(1, "A")
    graph.enter(2, "B")
    graph.enter(3, "C")
    assert graph.enter(1, "C") is None
    assert graph.enter(3, "A") is not None
    assert graph.enter(3, "B") is None
    # The second passes both in A, who wait for it: the first through the third only.
    assert graph.enter(2, "A") is not None
    graph.stop_waiting(3)
    graph.leave(3, "A")
    graph.leave(3, "C")
    assert graph.blockers(1) == {2}
    assert graph.enter(1, "C") is None
    graph.leave(2, "A")
    assert graph.enter(1, "C") is not None


def test_packages_in_a_circle_count_as_one_afterwards() -> None:
    """Once their holders have left, who is in one of them keeps others out of both."""
    graph = LockGraph()
    graph.enter(1, "A")
    graph.enter(2, "B")
    graph.enter(1, "B")
    graph.enter(2, "A")
    for thread, package in ((2, "A"), (2, "B")):
        graph.leave(thread, package)
    assert graph.enter(1, "B") == set()
    graph.leave(1, "B")
    assert graph.leave(1, "A")
    assert graph.enter(1, "A") == set()
    assert graph.enter(2, "B") is None
    assert graph.enter(3, "C") == set()


def test_some_packages_never_merge() -> None:
    """What is kept apart stays a package of its own, circle or not."""
    graph = LockGraph(apart=("S",))
    graph.enter(1, "A")
    graph.enter(2, "S")
    graph.enter(1, "S")
    assert graph.enter(2, "A") == set()
    for thread, package in ((2, "A"), (2, "S")):
        graph.leave(thread, package)
    graph.enter(1, "S")
    graph.leave(1, "S")
    graph.leave(1, "A")
    graph.enter(1, "A")
    assert graph.enter(2, "S") == set()


def test_a_thread_that_is_gone_holds_nothing() -> None:
    """Dropping a thread frees what it held, and who waited for it."""
    graph = LockGraph()
    graph.enter(1, "A")
    graph.enter(1, "B")
    assert graph.enter(2, "A") is None
    graph.drop(1)
    assert not graph.blockers(2)
    assert graph.enter(2, "A") == set()
    assert not graph.is_held("B")
