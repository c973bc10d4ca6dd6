"""The names of import cells: bound as their imports end, waited for where used."""

from __future__ import annotations

import ast
import builtins
import itertools
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from ipywarmup.importing import Outcome
from ipywarmup.importlock.bootstrap import is_initializing
from ipywarmup.sources.barriers import Reader
from ipywarmup.sources.installed import find
from ipywarmup.sources.requirements import Requirements
from ipywarmup.sources.uses import (
    bound_names,
    magics_of,
    names_in_functions,
    used_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import CodeType

    from ipywarmup.manager import WarmupManager
    from ipywarmup.run import FollowUp
    from ipywarmup.sources.statements import Statement

MAGIC = "warmup"
"""The magic whose own cells use none of the names in them."""
MARK = "_ipywarmup"
"""A name in the namespace that goes when somebody empties it, as ``%reset`` does."""
_ALL = "*"
_ADVICE = "Imported by %%warmup; once it can be imported, %warmup retry does so."
_MISSING = object()
_numbers = itertools.count()


class _Need(NamedTuple):
    """A name that a cell uses, and the statement that is to bind it."""

    name: str
    arrival: Arrival
    # Not only a word of a magic, or what the cell may bind itself.
    certain: bool


class Arrival:
    """A statement that imports, until it has bound its names."""

    def __init__(self, statement: Statement, code: CodeType) -> None:
        self.statement = statement
        self.code = code
        # In the order of the user's cells.
        self.number = next(_numbers)
        # Modules whose imports have not ended.
        self.left = set(statement.modules)
        # What the names stood for before, and for ``*`` all that there was.
        self.former: dict[str, Any] = {}
        self.all_former: dict[str, Any] = {}
        self.not_to_bind: set[str] = set()
        # What it has bound.
        self.bound: dict[str, Any] = {}
        self.failure: Outcome | None = None
        # Whether a cell has raised that already, where once is enough.
        self.told = False
        # Of a ``try``, by module: what its import has failed with in the background.
        self.handled: dict[str, Outcome] = {}
        # Whether it has to wait for a cell, on whose thread it runs then.
        self.needs_cell = _ALL in statement.binds
        # One thread runs the statement; others wait until it has.
        self.claimed = False
        self.settled = threading.Event()

    def is_for(self, chain: str) -> bool:
        """Tell whether a use of a name, attributes included, may need this."""
        binds = self.statement.binds
        return any(
            f"{chain}.".startswith(f"{wanted}.") or f"{wanted}.".startswith(f"{chain}.")
            for wanted in binds.get(chain.partition(".")[0], ())
        )

    def binds_package(self, name: str) -> bool:
        """Tell whether others may bind the name to the same: ``import name.a``."""
        return isinstance(self.statement.node, ast.Import) and any(
            alias.asname is None and alias.name.partition(".")[0] == name
            for alias in self.statement.node.names
        )

    def run(self) -> dict[str, Any]:
        """
        Run the statement, and return the names that it binds.

        Raises
        ------
        BaseException
            What the statement raises, or has failed with already.
        """
        names: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        if self.handled:
            names["__builtins__"] = {**vars(builtins), "__import__": self._import}
        if self.failure is None:
            exec(self.code, names)  # noqa: S102 - the user's own cell
        else:
            # As if the statement had failed here, with its line in the traceback.
            cell = _at(self.statement.node.lineno, ast.parse("raise error"))
            names["error"] = _error_of(self.failure)
            exec(compile(cell, self.code.co_filename, "exec"), names)  # noqa: S102
        return {
            name: value
            for name, value in names.items()
            if name in self.statement.binds
            or (_ALL in self.statement.binds and not name.startswith("__"))
        }

    def _import(self, name: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Import within the statement; what has failed does not run once more."""
        failed = self.handled.pop(name, None)
        if failed is not None:
            raise _error_of(failed)
        return builtins.__import__(name, *arguments, **named)


# Guarantees
# - A name is bound in one step that does nothing if somebody has bound it meanwhile.
# - A statement runs once: where the last of its modules is imported, or else, when a
#   cell needs it, on that cell's thread, as where a module wants the main thread. There
#   it runs once more if it has failed and its modules are there by now, as after
#   `%warmup retry`. Of the statements of a cell that bind a name to different things,
#   the last one does. One that binds all that a module has runs between two cells,
#   since it may bind anew whatever nobody has bound since.
# - A cell that may change what an import under way does waits until that has ended.
# - A cell runs unchanged. Only where something it needs has failed, or the wait for it
#   was interrupted, that is raised in its place, on the line that needs it. What only
#   may be a need, as the words of a magic, is waited for, but raises nothing: somebody
#   has to be able to install what is missing.
# This code assumes
# - that `add` and `close` are called on one thread; `visit` may be on any that runs
#   cells, each of which runs the cell that it was shown, and `_end` on any at all.


class Arrivals:
    """
    Names on their way into a namespace.

    IPython shows each cell to `visit`, before it runs.

    Parameters
    ----------
    manager : WarmupManager
    namespace : dict of str to object
        The user's.
    wait : callable
        Waits for modules that are under way, and shows that it does.
    """

    def __init__(
        self,
        manager: WarmupManager,
        namespace: dict[str, Any],
        wait: Callable[[Sequence[str]], object],
    ) -> None:
        self._manager = manager
        self._namespace = namespace
        self._wait = wait
        self._lock = threading.Lock()
        # Of the statements that came last.
        self.latest: list[Arrival] = []
        # By name: the statements that are to bind it, or that have failed to.
        self._binders: dict[str, list[Arrival]] = {}
        # Read once: that takes longer than most cells.
        self._requirements = Requirements()

    def add(
        self,
        cell: Iterable[tuple[Statement, CodeType]],
        prepare: Callable[[FollowUp], Callable[[], None]],
    ) -> Callable[[], None]:
        """
        Take in the statements of a cell.

        What is imported already is bound at once.

        Parameters
        ----------
        cell : iterable of tuple of Statement and code
        prepare : callable
            Makes the records of their modules, as `WarmupManager.prepare` does with
            this as its `follow_up`.

        Returns
        -------
        callable
            What `prepare` has returned.
        """
        self._namespace[MARK] = self
        self.latest = arrivals = [Arrival(*each) for each in cell]
        for arrival in arrivals:
            for name in arrival.statement.binds:
                self._enter(name, arrival)

        def ended(module: str, outcome: Outcome) -> None:
            for arrival in arrivals:
                self._end(arrival, module, outcome)

        start = prepare(ended)
        pending = set(self._manager.status()["pending"])
        try:
            for arrival in arrivals:
                self._set_aside(arrival)
                with self._lock:
                    # A cell may have imported what a worker has not come to.
                    arrival.left = {
                        each for each in arrival.left & pending if not is_loaded(each)
                    }
                if not arrival.left:
                    self._settle(arrival)
        except BaseException:
            start()
            raise
        return start

    def visit(self, tree: ast.Module) -> ast.Module:
        """
        Wait for what a cell uses and what is still under way.

        Returns
        -------
        ast.Module
            The cell, or what raises an error in its place.
        """
        if MARK not in self._namespace:
            self._binders.clear()
        self._settle_stars()
        if not self._binders:
            return tree
        needs = list(self._needs(tree))
        try:
            self._arrive(self._awaited(tree, needs), self._wait)
        except BaseException as interrupt:  # Ctrl-C, as a rule
            name = needs[0].name if needs else ""
            return raise_at(tree, name, interrupt.with_traceback(None))
        for name, arrival, certain in needs:
            if certain and arrival.failure is not None and not arrival.told:
                error = _error_of(arrival.failure)
                told = getattr(error, "__notes__", ())
                if isinstance(error, ImportError) and _ADVICE not in told:
                    error.add_note(_ADVICE)
                # Told once: the names are of some use again, or may be anything.
                arrival.told = _ALL in arrival.statement.binds
                if arrival.former:
                    self._restore(arrival)
                return raise_at(tree, name, error)
        if stars := [each for each in self._stars() if each.failure is None]:
            # What this cell binds is the user's own, be it what was there before.
            names = bound_names(tree)
            for star in stars:
                star.not_to_bind |= names
        return tree

    def is_ready(self, tree: ast.Module, besides: Sequence[Arrival]) -> bool:
        """
        Tell whether code could run now, without a wait for imports.

        Parameters
        ----------
        tree : ast.Module
        besides : sequence of Arrival
            What has to be over, whether the code needs it or not.
        """
        pending = set(self._manager.status()["pending"])
        return not pending or not any(
            pending.intersection(each.left)
            for each in [*besides, *self._awaited(tree, self._needs(tree))]
        )

    def wait_for(
        self, tree: ast.Module, besides: Sequence[Arrival], *, shown: bool
    ) -> None:
        """Wait until some code can run, and show that or not."""
        if not self.is_ready(tree, besides):
            wait = self._wait if shown else self._wait_unseen
            awaited = [*besides, *self._awaited(tree, self._needs(tree))]
            self._arrive(awaited, wait)

    def forget(self, arrivals: Iterable[Arrival]) -> None:
        """Have the names of statements stand for what they stood for before."""
        for arrival in arrivals:
            self._restore(arrival)
            for name, value in arrival.bound.items():
                if self._namespace.get(name, _MISSING) is not value:
                    continue
                del self._namespace[name]
                if name in arrival.former:
                    self._namespace[name] = arrival.former[name]

    def forget_failed(self) -> None:
        """Tell nobody any more what has failed."""
        for arrivals in list(self._binders.values()):
            for arrival in arrivals.copy():
                if arrival.failure is not None:
                    self._restore(arrival)

    def close(self) -> None:
        """Bind nothing more; what the names stood for before, they stand for again."""
        for arrivals in list(self._binders.values()):
            for arrival in arrivals.copy():
                self._restore(arrival)
        self._binders.clear()
        self._namespace.pop(MARK, None)

    def _awaited(self, tree: ast.Module, needs: Iterable[_Need]) -> list[Arrival]:
        """Return what has to be over before some code may run."""
        awaited = [*(need.arrival for need in needs), *self._endangered(tree)]
        if magics := magics_of(tree):
            # One may be called like the package that it is for: %matplotlib.
            awaited += (
                each
                for binders in self._binders.values()
                for each in binders
                if any(name.partition(".")[0] in magics for name in each.left.copy())
            )
        return awaited

    def _enter(self, name: str, arrival: Arrival) -> None:
        """Let a statement bind a name, not those that would bind it differently."""
        with self._lock:
            before = self._binders.get(name, [])
            alike = arrival.binds_package(name) or name == _ALL
            kept = [
                each
                for each in before
                if alike and (each.binds_package(name) or name == _ALL)
            ]
            self._binders[name] = [*kept, arrival]

    def _needs(self, tree: ast.Module) -> Iterator[_Need]:
        """Yield what a cell cannot do without, in the order in which it is used."""
        used = used_names(tree, but_not_in=MAGIC)
        inner = names_in_functions(used, self._namespace)
        sure = used_names(tree, but_not_in=MAGIC, certain=True)
        surely = {*sure, *names_in_functions(sure, self._namespace)}
        for name, chains in [*used.items(), *inner.items()]:
            if name not in self._binders:
                unbound = name not in self._namespace and not hasattr(builtins, name)
                for arrival in self._stars():
                    if unbound or self._may_bind_anew(arrival, name):
                        yield _Need(name, arrival, unbound and name in sure)
                continue
            binders = self._binders[name].copy()
            # One of them binds the package, whatever is asked of it.
            anything = name not in self._namespace and not all(
                any(each.is_for(chain) for each in binders) for chain in chains
            )
            for arrival in binders:
                if name in self._namespace and not self._is_package(arrival, name):
                    self._disown(name, arrival)  # the user's own by now
                elif anything or any(map(arrival.is_for, chains)):
                    yield _Need(name, arrival, name in surely)
            for star in self._stars():
                if any(star.number > each.number for each in binders):
                    yield _Need(name, star, certain=False)

    def _is_package(self, arrival: Arrival, name: str) -> bool:
        """Tell whether a name stands for what a statement would bind it to."""
        value = self._namespace.get(name)
        return (
            value is not None
            and arrival.binds_package(name)
            and value is sys.modules.get(name)
        )

    def _endangered(self, tree: ast.Module) -> list[Arrival]:
        """Return the statements under way whose imports a cell may change."""
        arrivals = {
            id(each): each
            for binders in self._binders.values()
            for each in binders
            if each.left
        }
        if not arrivals:
            return []
        # What a module of the user's own does would make every use of it wait for all.
        reader = Reader(lambda _: True, self._namespace)
        # Now it knows what the names of these stand for.
        reader.read(ast.Module([each.statement.node for each in arrivals.values()], []))
        # So would what is only feared, as of a magic that nobody knows.
        packages = {each.package for each in reader.read(tree) if not each.feared}
        return [
            each
            for each in arrivals.values()
            if any(
                package is None
                or self._requirements.related(module.partition(".")[0], package)
                for package in packages
                for module in each.left.copy()
            )
        ]

    def _settle_stars(self) -> None:
        """Bind all that modules have which are there by now."""
        for arrival in self._stars():
            if arrival.failure is not None:
                continue
            if arrival.left or not all(map(is_loaded, arrival.statement.modules)):
                break  # those after it bind after it
            self._settle(arrival)

    def _may_bind_anew(self, arrival: Arrival, name: str) -> bool:
        """Tell whether a statement with ``*`` may bind what nobody has bound since."""
        now = self._namespace.get(name, getattr(builtins, name, _MISSING))
        return (
            name not in arrival.not_to_bind
            and now is arrival.all_former.get(name, _MISSING)
            and all(
                each.number < arrival.number for each in self._binders.get(name, ())
            )
        )

    def _stars(self) -> list[Arrival]:
        """Return the statements that bind all that a module has, in their order."""
        return self._binders.get(_ALL, []).copy()

    def _set_aside(self, arrival: Arrival) -> None:
        """Take the names of a statement out of the namespace."""
        for name in arrival.statement.binds:
            if name == _ALL:
                arrival.all_former.update(vars(builtins) | self._namespace)
            elif name in self._namespace and not self._is_package(arrival, name):
                arrival.former[name] = self._namespace.pop(name)

    def _wait_unseen(self, modules: Sequence[str]) -> None:
        self._manager.wait(None, modules)

    def _arrive(
        self, arrivals: list[Arrival], wait: Callable[[Sequence[str]], object]
    ) -> None:
        """Wait for statements, then run those that nobody has run."""
        pending = set(self._manager.status()["pending"])
        modules = dict.fromkeys(
            module
            for arrival in arrivals
            for module in arrival.statement.modules
            if module in pending
            and (module in arrival.left or arrival.failure is not None)
        )
        if modules:
            wait(list(modules))
        for arrival in arrivals:
            self._forget_failure(arrival)
            self._settle(arrival)

    def _forget_failure(self, arrival: Arrival) -> None:
        """Let a statement that has failed run again if its modules are there by now."""
        with self._lock:
            if arrival.failure is not None and (
                all(map(is_loaded, arrival.statement.modules))
                or _is_installed_by_now(arrival.failure.exception)
            ):
                arrival.failure = None
                arrival.claimed = False
                arrival.settled = threading.Event()

    def _end(self, arrival: Arrival, module: str, outcome: Outcome) -> None:
        """Note that the import of a module has ended; run the statement if it may."""
        with self._lock:
            if module not in arrival.left:
                return
            arrival.left.discard(module)
            # What fails within `try` is for its handlers.
            if outcome.may_be_the_thread:
                arrival.needs_cell = True
            elif outcome.exception is not None:
                if isinstance(arrival.statement.node, ast.Try):
                    arrival.handled[module] = outcome
                else:
                    arrival.failure = arrival.failure or outcome
            ready = not arrival.left and not arrival.needs_cell
        if ready:
            self._settle(arrival)

    def _settle(self, arrival: Arrival) -> None:
        """Run a statement and bind its names, unless that is done or has failed."""
        with self._lock:
            mine, arrival.claimed = not arrival.claimed, True
        if not mine:
            arrival.settled.wait()
            return
        names: dict[str, Any] = {}
        try:
            names = arrival.run()
        except KeyboardInterrupt as error:
            if (
                arrival.failure is None
                and threading.current_thread() is threading.main_thread()
            ):
                arrival.claimed = False
                raise
            arrival.failure = _failure(error)
        except BaseException as error:  # whatever a module raises
            arrival.failure = _failure(error)
        else:
            self._bind(arrival, names)
        arrival.all_former.clear()
        arrival.settled.set()

    def _bind(self, arrival: Arrival, names: dict[str, Any]) -> None:
        for name, value in names.items():
            key = name if name in arrival.statement.binds else _ALL
            if arrival not in self._binders.get(key, ()) or MARK not in self._namespace:
                continue
            anew = [
                each
                for each in self._stars()
                if each.number > arrival.number and self._may_bind_anew(each, name)
            ]
            if key != _ALL:
                if self._namespace.setdefault(name, value) is value:
                    arrival.bound[name] = value
            elif self._may_bind_anew(arrival, name):
                self._namespace[name] = value
            # A star of a later line binds it anew, as it would have.
            for each in anew:
                each.all_former[name] = self._namespace.get(name, _MISSING)
        self._restore(arrival)

    def _restore(self, arrival: Arrival) -> None:
        """Let go of a statement's names; they are what they were, unless bound."""
        for name in arrival.statement.binds:
            mine = self._disown(name, arrival)
            if mine and name in arrival.former and MARK in self._namespace:
                self._namespace.setdefault(name, arrival.former[name])

    def _disown(self, name: str, arrival: Arrival) -> bool:
        """Let a statement bind a name no more; tell whether it would have."""
        with self._lock:
            binders = self._binders.get(name, [])
            if arrival not in binders:
                return False
            binders.remove(arrival)
            if not binders:
                del self._binders[name]
            return True


def is_loaded(module: str) -> bool:
    """Tell whether a module has been imported, by whomever, and to its end."""
    return module in sys.modules and not is_initializing(sys.modules[module])


def _failure(error: BaseException) -> Outcome:
    """Return how a statement failed, without our frames."""
    entries, entry = list[TracebackType](), error.__traceback__
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    theirs = None
    for each in reversed(entries):
        if each.tb_frame.f_code.co_filename != __file__:
            frame, last, line = each.tb_frame, each.tb_lasti, each.tb_lineno
            theirs = TracebackType(theirs, frame, last, line)
    return Outcome(exception=error, traceback=theirs)


def _is_installed_by_now(error: BaseException | None) -> bool:
    """Whether a module that was missing can be found."""
    return (
        isinstance(error, ModuleNotFoundError)
        and isinstance(error.name, str)
        and find(error.name) is not None
    )


def _error_of(failure: Outcome) -> BaseException:
    assert failure.exception is not None  # noqa: S101 - it is a failure
    return failure.exception.with_traceback(failure.traceback)


# A cell runs on the thread that it was shown on; subshells have threads of their own.
_raised = threading.local()


def raised() -> BaseException:
    """Return what a cell is to raise; the cell calls it."""
    error: BaseException = _raised.error
    del _raised.error
    return error


def raise_at(tree: ast.Module, name: str, error: BaseException) -> ast.Module:
    """
    Return a cell that raises an error in place of another one.

    Parameters
    ----------
    tree : ast.Module
        That cell; the first line of it that uses the name raises the error.
    name : str
    error : BaseException
    """
    _raised.error = error
    lines = (
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == name
    )
    source = f"raise __import__({__name__!r}, fromlist=['']).raised()"
    return _at(next(lines, 1), ast.parse(source))


def _at(line: int, tree: ast.Module) -> ast.Module:
    """Move code to a line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt):
            node.lineno = node.end_lineno = line
            node.col_offset = node.end_col_offset = 0
    return tree
