"""What an import cell does beside importing: at once, or when its imports are there."""

from __future__ import annotations

import ast
import builtins
import contextlib
import contextvars
import dataclasses
import sys
import threading
from typing import TYPE_CHECKING, Any

from ipywarmup import kernel
from ipywarmup.importcell import MAGIC, MARK, raise_at
from ipywarmup.importlock import threadstate
from ipywarmup.sources.barriers import Reader
from ipywarmup.sources.harmless import is_harmless, is_standard
from ipywarmup.sources.requirements import Requirements
from ipywarmup.sources.selection import distrusting, predictable
from ipywarmup.sources.statements import Statement, statements_of
from ipywarmup.sources.uses import awaits, bound_names, touched_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType, TracebackType

    from ipywarmup.importcell import Arrival, Arrivals

_PROMPTS = frozenset({"breakpoint", "getpass", "input"})
"""What asks somebody; only a cell that runs can."""
_LONGEST = 40
"""Characters of a statement by which somebody knows it again."""
_MISSING = object()


@dataclasses.dataclass(eq=False)
class ImportCell:
    """
    A cell below ``%%warmup``.

    Parameters
    ----------
    tree : ast.Module
        Its code, with the line numbers of the cell.
    file : str
        The name that its code is compiled under.
    shows : frozenset of int
        Which of its statements show their value, counted from 0.
    place : kernel.Place
        Where its outputs go.
    begin : callable
        Takes statements that import: begins that, and has their names bound.
    """

    tree: ast.Module
    file: str
    shows: frozenset[int]
    place: kernel.Place
    begin: Callable[[Sequence[Statement]], object]
    # What `begin` has been given.
    begun: list[tuple[_Step, Arrival]] = dataclasses.field(default_factory=list)
    # What is to be called once all of it has run.
    then: Callable[[], object] | None = None


@dataclasses.dataclass(eq=False)
class _Step:
    """A statement that has not run."""

    statement: Statement
    cell: ImportCell
    shows: bool = False

    @property
    def choice(self) -> ast.If | None:
        """What decides what is imported, if it is such a statement."""
        node = self.statement.node
        imports = (ast.Import, ast.ImportFrom)
        if isinstance(node, ast.If) and any(
            isinstance(each, imports) for each in ast.walk(node)
        ):
            return node
        return None

    @property
    def first(self) -> ast.Module:
        """What of it is to run first."""
        if self.choice is None:
            return self.statement.tree
        test = ast.Expr(self.choice.test)
        return ast.Module([ast.copy_location(test, test.value)], [])

    @property
    def position(self) -> tuple[int, int]:
        """Where it begins."""
        return self.statement.node.lineno, self.statement.node.col_offset

    def __str__(self) -> str:
        first, *more = ast.unparse(self.statement.node).splitlines() or [""]
        short = first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"
        return f"{short} …" if more else short


# Guarantees
# - The statements of a cell run on the main thread, each once, in their order.
# - A statement runs when the imports above it are over, and all that it needs or may
#   change; one that only works with Python's own things does not wait for the former.
# - A cell that comes later runs after all that waits, unless it is harmless.
# - Where a statement raises, those below it in its cell do not run, nor do they if it
#   is known by then that an import above them has failed. The error is shown in that
#   cell, and raised, once, in place of the next cell that is not harmless.
# - An import cell that a statement or a subshell runs is run whole, on that thread.
# This code assumes
# - that the main thread calls everything but `wake`, but for what subshells do: `run`,
#   `visit`, `go_on` and `finish`.


class Postponed:
    """
    The statements of import cells that wait.

    IPython shows each cell to `visit`, before it runs.

    Parameters
    ----------
    shell : InteractiveShell
    arrivals : Arrivals
        The names of the imports.
    """

    def __init__(self, shell: Any, arrivals: Arrivals) -> None:  # noqa: ANN401
        self._shell = shell
        self._arrivals = arrivals
        self._steps: list[_Step] = []
        # The one that runs.
        self._current: _Step | None = None
        self._ended = threading.Event()
        # Calls something between cells.
        self._call: Callable[[Callable[[], object]], object] | None = None
        # What statements have set that ran between cells, for the next cell.
        self._variables: dict[contextvars.ContextVar[Any], Any] = {}
        # What has been raised, and no cell was told.
        self._error: BaseException | None = None
        # The cell that `run` has run last, until that has ended.
        self._latest: ImportCell | None = None

    def __repr__(self) -> str:
        """Return what it is; there is one for each shell."""
        return f"<{type(self).__name__} of {__name__}>"

    @property
    def waiting(self) -> list[str]:
        """What waits, in its own words."""
        return [str(each) for each in self._steps.copy()]

    def run(self, cell: ImportCell, *, whole: bool) -> None:
        """
        Run a cell, but for what has to wait for imports.

        Parameters
        ----------
        cell : ImportCell
        whole : bool
            Whether to wait for those, and run all of it.

        Raises
        ------
        BaseException
            What a statement raises that has run.
        """
        steps = [
            _Step(statement, cell, number in cell.shows)
            for number, statement in enumerate(statements_of(cell.tree.body))
        ]
        # Within a statement, or a subshell, nothing can be put off.
        alone = self._is_nested() or not _on_main_thread()
        queue = [] if alone else self._steps
        ahead = self._ahead([*queue, *steps], steps)
        # Also if there are none: modules may be named above the cell.
        self._begin(cell, ahead)
        queue += [each for each in steps if each not in ahead]
        whole = whole or alone or any(map(self._asks, steps))
        try:
            self._go_on(queue, cell, wait=whole)
            if queue and _has_open_figure():  # it would be shown as it is now
                self._go_on(queue, cell, wait=True)
        except KeyboardInterrupt:
            self._steps[:] = [each for each in self._steps if each.cell is not cell]
            raise
        finally:
            if not alone:
                self._call = kernel.between_cells(self._shell)
                self._latest = cell
        self.wake()

    def visit(self, tree: ast.Module) -> ast.Module:
        """
        Run what waits before a cell that may have to do with it.

        Returns
        -------
        ast.Module
            The cell, or what raises an error in its place.
        """
        if self._is_nested():
            return tree
        main = _on_main_thread()
        if main and awaits(tree) is None:  # others have a context of their own
            while self._variables:
                variable, value = self._variables.popitem()
                variable.set(value)
        if not self._steps and self._error is None and self._current is None:
            return tree
        if MARK not in self._shell.user_ns:  # %reset
            self.stop()
            return tree
        try:
            self.go_on()
            if self._is_apart(tree, self._touched(*self._left())):
                return tree
            self.finish()
        except KeyboardInterrupt as interrupt:
            return raise_at(tree, "", interrupt.with_traceback(None))
        error, self._error = self._error, None
        return tree if error is None else raise_at(tree, "", error)

    def wake(self) -> None:
        """Have run what can run by now, once no cell runs; on any thread."""
        if self._steps and self._call is not None:
            self._call(self._between_cells)

    def go_on(self) -> None:
        """Run what can run by now."""
        if self._may_go_on():
            self._go_on(self._steps)

    def finish(self) -> None:
        """Wait for imports, and run all that waits."""
        if self._may_go_on():
            self._go_on(self._steps, wait=True)
        while not _on_main_thread() and self._left():
            self._ended.wait(1)
            self._ended.clear()

    def ran(self, call: Callable[[], object]) -> None:
        """Call something for the cell that has ended, once all of it has run."""
        cell, self._latest = self._latest, None
        if cell is not None and any(each.cell is cell for each in self._steps):
            cell.then = call
        else:
            call()

    def stop(self) -> list[str]:
        """Let nothing wait any more; return what has."""
        stopped = self.waiting
        self._steps.clear()
        self._error = None
        self._ended.set()
        return stopped

    def _left(self) -> list[_Step]:
        current = self._current
        return [*([] if current is None else [current]), *self._steps]

    def _may_go_on(self) -> bool:
        return (
            bool(self._steps)
            and _on_main_thread()
            and not self._is_nested()
            and MARK in self._shell.user_ns
        )

    def _between_cells(self) -> None:
        if not self._may_go_on():
            return
        before = contextvars.copy_context()
        try:
            self._go_on(self._steps)
        finally:
            for variable, value in contextvars.copy_context().items():
                if before.get(variable, _MISSING) is not value:
                    self._variables[variable] = value

    def _ahead(self, all_steps: list[_Step], steps: list[_Step]) -> list[_Step]:
        """Return the imports that nothing above them changes, or shares a name with."""
        namespace = self._shell.user_ns
        reader = Reader(predictable(distrusting()), namespace)
        requirements = Requirements()
        above: list[str | None] = []
        names: set[str] | None = set()
        ahead: list[_Step] = []
        for step in all_steps:
            statement = step.statement
            found = [each.package for each in reader.read(statement.tree)]
            tops = [name.partition(".")[0] for name in statement.modules]
            if (
                statement.imports
                and names is not None
                and names.isdisjoint(statement.binds)
                and not (names and "*" in statement.binds)
                and None not in above
                and not any(
                    requirements.related(top, package)
                    for top in tops
                    for package in above
                    if package is not None
                )
            ):
                ahead.append(step)
                continue
            if not statement.imports:
                above += found
            touched = touched_names(statement.tree, namespace)
            names = None if names is None or touched is None else names | touched
        return [each for each in steps if each in ahead]

    def _asks(self, step: _Step) -> bool:
        """Tell whether a statement asks somebody, as far as its code shows it."""
        names = touched_names(step.statement.tree, self._shell.user_ns)
        return not _PROMPTS.isdisjoint(names or ())

    def _go_on(
        self, queue: list[_Step], here: ImportCell | None = None, *, wait: bool = False
    ) -> None:
        """
        Run what waits, up to what cannot run yet.

        Parameters
        ----------
        queue : list of _Step
            Becomes shorter.
        here : ImportCell, optional
            The cell that runs; what its own statements raise is raised, and a wait is
            not shown, since that clears what they have shown.
        wait : bool
            Whether to wait for what cannot run yet.
        """
        while queue:
            step = queue[0]
            if not step.statement.imports:
                above = self._imports_above(step)
                if wait:
                    shown = here is None
                    self._arrivals.wait_for(step.first, above, shown=shown)
                elif not self._arrivals.is_ready(step.first, above):
                    return
            # A wait may be as long as it likes: others may have been told to stop.
            if queue and queue[0] is step:
                self._run(queue, step, here)

    def _imports_above(self, step: _Step) -> list[Arrival]:
        """Return what is imported above a statement that may notice it."""
        if not step.cell.begun or is_standard(step.first, self._shell.user_ns):
            return []
        return [
            arrival
            for begun, arrival in step.cell.begun
            if begun.position < step.position
        ]

    def _is_apart(self, tree: ast.Module, touched: set[str] | None) -> bool:
        """Tell whether code may run before what waits, which touches some names."""
        namespace = self._shell.user_ns
        try:
            names = touched_names(tree, namespace, but_not_in=MAGIC)
            if names is None or not is_harmless(tree, namespace):
                return False
        except RecursionError:
            return False
        if touched is None:  # any name at all
            return names.isdisjoint(namespace) and not bound_names(tree)
        return names.isdisjoint(touched)

    def _touched(self, *steps: _Step) -> set[str] | None:
        """Return the names that statements use or bind; None if they may be any."""
        namespace = self._shell.user_ns
        touched: set[str] = set()
        for step in steps:
            tree = step.statement.tree
            names = touched_names(tree, namespace)
            if names is None:
                return None
            own = bound_names(tree).union(namespace)
            touched |= {each for each in names if each in own or not _is_builtin(each)}
        return touched

    def _run(self, queue: list[_Step], step: _Step, here: ImportCell | None) -> None:
        """Run a statement, as the cell would that it is in."""
        cell = step.cell
        try:
            queue.remove(step)
            if queue is self._steps:
                self._current = step
            with contextlib.ExitStack() as stack:
                if cell is not here:
                    stack.enter_context(kernel.in_place(self._shell, cell.place))
                queue[:0] = self._execute(step)
                if cell is not here and all(each.cell is not cell for each in queue):
                    # As after any cell: what has been drawn is shown in it.
                    self._shell.events.trigger("post_execute")
        except BaseException as error:
            self._give_up(queue, step, error, here)
        finally:
            # Not what the main thread runs meanwhile.
            if queue is self._steps:
                self._current = None
                self._ended.set()
        if cell.then is not None and all(each.cell is not cell for each in self._steps):
            call, cell.then = cell.then, None
            call()

    def _execute(self, step: _Step) -> list[_Step]:
        """Run a statement; return what it has chosen to run next."""
        cell = step.cell
        threadstate.adopt()
        if step.statement.imports:
            self._begin(cell, [step])
            return []
        for begun, arrival in cell.begun:
            if begun.position < step.position and arrival.failure is not None:
                arrival.run()  # raises that, from its own line
        body = self._shell.transform_ast(step.first).body
        # A choice between imports is made, and then they are imports of the cell.
        if step.choice is not None and isinstance(body[0], ast.Expr):
            test = self._compile(ast.Expression(body[0].value), cell, "eval")
            chosen = (
                step.choice.body if _evaluate(test, self._shell) else step.choice.orelse
            )
            return [_Step(each, cell) for each in statements_of(chosen)]
        for node in body:
            shown = ast.Interactive([node]), cell, "single"
            unseen = ast.Module([node], []), cell, "exec"
            code = self._compile(*(shown if step.shows else unseen))
            _evaluate(code, self._shell)
        return []

    @staticmethod
    def _is_nested() -> bool:
        """Tell whether a statement is running on this thread, by its stack."""
        # Whatever else could tell, an interrupt could leave as it is.
        frame: FrameType | None = sys._getframe()  # noqa: SLF001
        while frame is not None:
            if frame.f_code is Postponed._execute.__code__:
                return True
            frame = frame.f_back
        return False

    def _compile(self, tree: ast.AST, cell: ImportCell, mode: str) -> Any:  # noqa: ANN401
        return self._shell.compile(ast.fix_missing_locations(tree), cell.file, mode)

    def _begin(self, cell: ImportCell, steps: Sequence[_Step]) -> None:
        cell.begin([each.statement for each in steps])
        if steps:
            cell.begun += zip(steps, self._arrivals.latest, strict=True)

    def _give_up(
        self,
        queue: list[_Step],
        step: _Step,
        error: BaseException,
        here: ImportCell | None,
    ) -> None:
        """Show and keep what a statement has raised; nothing below it runs."""
        cell = step.cell
        queue[:] = [each for each in queue if each.cell is not cell]
        cell.then = None
        below = [each for begun, each in cell.begun if begun.position > step.position]
        self._arrivals.forget(below)
        traceback = _within(error, cell.file)
        if cell is here:
            _show_from(self._shell, error, traceback)
            raise error
        self._error = error.with_traceback(traceback)
        with kernel.in_place(self._shell, cell.place):
            self._shell.showtraceback((type(error), error, traceback), tb_offset=0)


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _evaluate(code: Any, shell: Any) -> Any:  # noqa: ANN401
    with kernel.interruptible():
        return eval(code, shell.user_global_ns, shell.user_ns)  # noqa: S307 - the user's


def _is_builtin(name: str) -> bool:
    return hasattr(builtins, name)


def _has_open_figure() -> bool:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return bool(getattr(pyplot, "get_fignums", list)())


def _within(error: BaseException, file: str) -> TracebackType | None:
    """Return the traceback of an error from some code on, without what called it."""
    entry = error.__traceback__
    while entry is not None and entry.tb_frame.f_code.co_filename != file:
        entry = entry.tb_next
    return entry


def _show_from(
    shell: Any,  # noqa: ANN401
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    """Have IPython show an error, once, as if what raised it had run by itself."""
    if traceback is None or isinstance(error, SyntaxError):
        return
    shown: Any = error

    def render() -> list[str]:
        del shown._render_traceback_
        text: list[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, traceback, tb_offset=0
        )
        return text

    # IPython's own way to have an exception say how it is shown; some have no room.
    with contextlib.suppress(AttributeError, TypeError):
        shown._render_traceback_ = render
