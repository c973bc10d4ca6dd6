"""Who holds which package, and who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

EVERYTHING = "*"
"""Conflicts with every package; no module can be called so."""


def nobody_yields(_holder: int, _thread: int) -> bool:
    """Let no holder make way."""
    return False


def nothing_is_complete(_package: str) -> bool:
    """Take every package for one that is being built."""
    return False


# Guarantees
# - In each package at most one thread runs: of several holders, all but one wait,
#   directly or through others, for that one.
# - The waits never form a circle. A thread whose wait would close one is let in at
#   once instead: whom it would have waited for cannot go on before this thread does
#   and so stands as still as if it were deeper down on this thread's own stack.
#   What the thread sees of a package then is what a circular import sees of it. Or
#   it waits, and those who wait for it are let in in the same way, if what they see
#   then is more: a package that is complete but for one part.
# - Nobody who is nowhere inside enters anything before a thread that waits until all
#   have left.
# - Whoever was passed so goes on after those who passed it have left, even if a thread
#   between them gives up meanwhile.
# - Once all threads have left, nothing is held and nobody waits.
# This code assumes
# - that its caller lets one thread in at a time (`PackageLocks` does);
# - that a thread leaves packages in the reverse order of entering them.
# Where `yields` lets a thread pass a holder that runs, the first guarantee does not
# cover that pair.


class LockGraph:
    """
    Re-entrant locks, one per package, without any blocking.

    Parameters
    ----------
    apart : collection of str
        Packages that never merge with those they import in a circle.
    yields : callable
        ``yields(holder, thread)``: whether a holder makes way for a thread,
        although it does not wait for it.
    is_complete : callable
        ``is_complete(package)``: whether the top level of a package is all there.
    """

    def __init__(
        self,
        *,
        apart: Collection[str] = (),
        yields: Callable[[int, int], bool] = nobody_yields,
        is_complete: Callable[[str], bool] = nothing_is_complete,
    ) -> None:
        self._apart = apart
        self._is_complete = is_complete
        self._yields = yields
        # By package, by thread: how many times it is entered.
        self._holders: dict[str, dict[int, int]] = {}
        # By thread: what it waits for, and which threads have to leave first.
        self._wanted: dict[int, str] = {}
        self._blockers: dict[int, set[int]] = {}
        # By thread: who has entered what it is inside of while it waited. Those have
        # to leave first as well, even if the wait that suspended it is broken off.
        self._passed: dict[int, set[tuple[int, str]]] = {}
        # By package: the one it counts as.
        self._merged: dict[str, str] = {}
        self._circles: list[set[str]] = []

    def __bool__(self) -> bool:
        """Whether any package is held, or anybody waits."""
        # One without holders is there for a moment, or after a Ctrl-C at that moment.
        return any(self._holders.values()) or bool(self._blockers)

    def is_held(self, package: str) -> bool:
        """Whether any thread has entered a package and not left it."""
        return bool(self._holders.get(self._root(package)))

    def is_alone(self, thread: int, package: str) -> bool:
        """Whether a thread is the only one that has entered a package."""
        return self._holders.get(self._root(package), {}).keys() == {thread}

    def others(self, thread: int, package: str) -> set[int]:
        """Return the threads inside of what a thread would have to itself."""
        return self._conflicting(self._root(package)) - {thread}

    def is_inside(self, thread: int, package: str) -> bool:
        """Whether a thread has entered a package and not left it."""
        holders = self._holders.get(self._merged.get(package, package))
        return holders is not None and thread in holders

    def holders(self) -> set[int]:
        """Return the threads that hold anything."""
        return {thread for holders in self._holders.values() for thread in holders}

    def threads(self) -> set[int]:
        """Return the threads that hold anything, or wait."""
        return self.holders() | set(self._blockers)

    # Only a thread itself changes its depth, so these two calls need no lock.

    def again(self, thread: int, package: str) -> bool:
        """Enter a package once more; False if the thread is not inside."""
        holders = self._holders.get(self._root(package))
        if holders is None or thread not in holders:
            return False
        holders[thread] += 1
        return True

    def back(self, thread: int, package: str) -> bool:
        """Leave a package once; False if the thread would not be inside then."""
        holders = self._holders.get(self._root(package))
        if holders is None or holders.get(thread, 0) <= 1:
            return False
        holders[thread] -= 1
        return True

    def enter(
        self, thread: int, package: str, *, force: bool = False
    ) -> set[str] | None:
        """
        Enter a package, or wait for it.

        Parameters
        ----------
        thread : int
        package : str
        force : bool
            Whether to enter whoever is inside.

        Returns
        -------
        set of str or None
            None if the thread now waits; it is to call again once its `blockers`
            are empty, or `stop_waiting`. Otherwise the packages that turned out to
            import each other just now, mostly none.
        """
        if self.again(thread, package):
            return set()
        root = self._root(package)
        inside = self.others(thread, root)
        in_the_way = inside | self._passers(thread) | self._first_in_line(thread)
        blockers = {
            holder
            for holder in in_the_way
            if not self._yields(holder, thread) and not self.waits_for(holder, thread)
        }
        if not (blockers or force) and self._lets_others_go_first(root, thread):
            blockers = {
                holder for holder in in_the_way if not self._yields(holder, thread)
            }
        if blockers and not force:
            self._wanted[thread] = root
            self._blockers[thread] = blockers
            return None
        circle = self._circle(thread, root, in_the_way)
        for other in inside:
            if self.waits_for(other, thread):
                self._passed.setdefault(other, set()).add((thread, root))
        self.stop_waiting(thread)
        self._holders.setdefault(root, {})[thread] = 1
        self._block_waiters(thread, root)
        return circle

    def wait_for(self, thread: int, other: int) -> bool:
        """Wait for another thread as such; False if that waits for this one."""
        if self.waits_for(other, thread):
            return False
        self._blockers[thread] = {other}
        return True

    def blockers(self, thread: int) -> set[int]:
        """Return the threads that a waiting thread still has to wait for."""
        blockers = self._blockers.get(thread)
        return set() if blockers is None else blockers | self._passers(thread)

    def stop_waiting(self, thread: int) -> None:
        """End a wait, whatever came of it; the thread runs again."""
        if self._blockers.pop(thread, None) is None:
            return
        if self._wanted.pop(thread, None) == EVERYTHING:
            self._unblock_waiters(thread)
        # Whoever took it for suspended has to wait for it after all.
        for root, holders in self._holders.items():
            if thread in holders:
                self._block_waiters(thread, root)

    def leave(self, thread: int, package: str) -> bool:
        """
        Leave a package once.

        Returns
        -------
        bool
            Whether nobody is inside any more.
        """
        if self.back(thread, package):
            return False
        root = self._root(package)
        holders = self._holders.get(root, {})
        holders.pop(thread, None)
        self._forget_passing(
            lambda passed, passer, where: where == root and thread in {passed, passer}
        )
        if not holders:
            self._holders.pop(root, None)
            self._merge()
        self._unblock_waiters(thread)
        return not holders

    def drop(self, thread: int) -> None:
        """Forget a thread that is gone, with all it held."""
        for root, holders in list(self._holders.items()):
            if holders.pop(thread, 0) and not holders:
                del self._holders[root]
        self._blockers.pop(thread, None)
        self._wanted.pop(thread, None)
        self._forget_passing(lambda passed, passer, _: thread in {passed, passer})
        for blockers in self._blockers.values():
            blockers.discard(thread)
        self._merge()

    def waits_for(self, thread: int, other: int) -> bool:
        """Whether a thread cannot go on before another does."""
        return other in self.ahead_of(thread)

    def runners(self, thread: int) -> set[int]:
        """Return the threads that run and that a thread waits for in the end."""
        return {other for other in self.ahead_of(thread) if other not in self._blockers}

    def ahead_of(self, thread: int) -> set[int]:
        """Return all that have to go on before a thread does, running or not."""
        found: set[int] = set()
        unvisited = [thread]
        while unvisited:
            for blocker in self.blockers(unvisited.pop()):
                if blocker not in found:
                    found.add(blocker)
                    unvisited.append(blocker)
        return found

    def _passers(self, thread: int) -> set[int]:
        return {passer for passer, _ in self._passed.get(thread, ())}

    def _first_in_line(self, thread: int) -> set[int]:
        """
        Return the threads that wait until all have left, for one that is not inside.

        Somebody would always be inside otherwise. Who is inside may enter more, and so
        may those that it makes way for: they belong to what is waited for.
        """
        first = {other for other, root in self._wanted.items() if root == EVERYTHING}
        if not first:
            return first
        holders = self.holders()
        if thread in holders or any(self._yields(each, thread) for each in holders):
            return set()
        return first - {thread}

    def _forget_passing(self, is_over: Callable[[int, int, str], bool]) -> None:
        for passed, passers in list(self._passed.items()):
            left = {each for each in passers if not is_over(passed, *each)}
            if left:
                self._passed[passed] = left
            else:
                del self._passed[passed]

    def _conflicting(self, root: str) -> set[int]:
        """Return the threads inside anything that excludes `root`."""
        if root == EVERYTHING:
            return self.holders()
        return {
            *self._holders.get(root, ()),
            *self._holders.get(EVERYTHING, ()),
        }

    def _block_waiters(self, thread: int, root: str) -> None:
        """Make those wait for a running thread who want what it has."""
        for waiter, wanted in self._wanted.items():
            if (
                (wanted == root or EVERYTHING in {wanted, root})
                and waiter != thread
                and not self._yields(thread, waiter)
            ):
                self._blockers[waiter].add(thread)

    def _unblock_waiters(self, thread: int) -> None:
        """Let those go on who waited for a thread that has left."""
        for waiter, wanted in self._wanted.items():
            if thread not in self._conflicting(wanted):
                self._blockers[waiter].discard(thread)

    def _lets_others_go_first(self, root: str, thread: int) -> bool:
        """
        Let those in who wait for what a thread has, if they see more than it would.

        A package whose top level is complete, of which a thread imports one more part,
        can be used; one whose top level is still being built may lack anything.
        """
        if self._is_complete(root):
            return False
        ahead = {
            other
            for holder in self.others(thread, root)
            if self.waits_for(holder, thread)
            for other in {holder, *self.ahead_of(holder)}
        }
        waiters = [other for other in ahead if thread in self._blockers.get(other, ())]
        if (
            not waiters
            or any(thread in self._passers(other) for other in ahead)
            or not all(
                self._is_complete(self._wanted.get(waiter, EVERYTHING))
                for waiter in waiters
            )
        ):
            return False
        for waiter in waiters:
            self._blockers[waiter].discard(thread)
        return True

    def _circle(self, thread: int, root: str, holders: Iterable[int]) -> set[str]:
        """Note which packages import each other, if a thread passes `holders`."""
        circle: set[str] = set()
        for holder in holders:
            for other in {holder, *self.ahead_of(holder)} - {thread}:
                wanted = self._wanted.get(other)
                if wanted is not None and self.waits_for(other, thread):
                    circle.add(wanted)
        if circle:
            circle.add(root)
        circle -= {EVERYTHING, *self._apart}
        if len(circle) < 2:  # noqa: PLR2004 - it takes two to merge
            return set()
        self._circles.append(circle)
        return circle

    def _merge(self) -> None:
        """Make packages count as one that nobody is inside of, or waits for."""
        held = {root for root, holders in self._holders.items() if holders}
        busy = held | set(self._wanted.values())
        waiting = []
        for circle in self._circles:
            roots = {self._root(package) for package in circle}
            if roots & busy:
                waiting.append(circle)
                continue
            first = min(roots)
            merged = {
                package for package, root in self._merged.items() if root in roots
            }
            self._merged.update(dict.fromkeys(roots | merged, first))
        self._circles = waiting

    def _root(self, package: str) -> str:
        return self._merged.get(package, package)
