"""What an import cell does beside importing: at once, or when its imports are there."""

from __future__ import annotations

import ast
import contextlib
import contextvars
import dataclasses
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from ipywarmup import kernel
from ipywarmup.importcell import MAGIC, MARK, raise_at
from ipywarmup.importlock import threadstate
from ipywarmup.sources.barriers import Reader
from ipywarmup.sources.harmless import is_definition, is_harmless
from ipywarmup.sources.requirements import Requirements
from ipywarmup.sources.selection import distrusting, predictable
from ipywarmup.sources.statements import Statement, statements_of
from ipywarmup.sources.uses import bound_names, used_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ipywarmup.importcell import Arrivals

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
    begun: list[Statement] = dataclasses.field(default_factory=list)


class _Step(NamedTuple):
    """A statement that has not run."""

    statement: Statement
    cell: ImportCell
    shows: bool = False

    @property
    def is_choice(self) -> bool:
        """Whether it decides what is imported."""
        node = self.statement.node
        return isinstance(node, ast.If) and any(
            isinstance(each, ast.Import | ast.ImportFrom) for each in ast.walk(node)
        )

    @property
    def first(self) -> ast.Module:
        """What of it is to run first."""
        node = self.statement.node
        if self.is_choice and isinstance(node, ast.If):
            return ast.Module([ast.copy_location(ast.Expr(node.test), node.test)], [])
        return self.statement.tree

    @property
    def names(self) -> set[str]:
        """What it uses or binds."""
        tree = self.statement.tree
        return set(used_names(tree)) | bound_names(tree)

    def __str__(self) -> str:
        first, *more = ast.unparse(self.statement.node).splitlines() or [""]
        short = first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"
        return f"{short} …" if more else short


# Guarantees
# - The statements of a cell run on the main thread, each once, in their order. Only
#   definitions of harmless things run before those that wait, if they share no name.
# - A statement runs when the imports are over that it needs, or may change.
# - A cell that comes later runs after all that waits, unless it is as harmless.
# - Where a statement raises, those below it in its cell do not run. Its error is shown
#   in that cell, and raised, once, in place of the next cell that is not harmless.
# This code assumes
# - that the main thread calls everything but `wake`, and `visit`, which the thread of
#   a subshell calls for its cells.


class Postponed:
    """
    The statements of import cells that wait.

    IPython shows each cell to `visit`, before it runs.

    Parameters
    ----------
    shell : InteractiveShell
    arrivals : Arrivals
        The names of the imports.
    after : callable
        Called when a statement has run between cells.
    """

    def __init__(
        self,
        shell: Any,  # noqa: ANN401
        arrivals: Arrivals,
        after: Callable[[], object],
    ) -> None:
        self._shell = shell
        self._arrivals = arrivals
        self._after = after
        self._steps: list[_Step] = []
        self._none_left = threading.Event()
        self._none_left.set()
        self._running = False
        # Calls something between cells.
        self._call: Callable[[Callable[[], object]], object] | None = None
        # What statements have set that ran between cells, for the next cell.
        self._variables: dict[contextvars.ContextVar[Any], Any] = {}
        # What has been raised, and no cell was told.
        self._error: BaseException | None = None
        # What is to be called once nothing waits.
        self._then: list[Callable[[], object]] = []

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
        ahead = self._ahead(steps)
        # Also if there are none: modules may be named above the cell.
        self._begin(cell, [each.statement for each in ahead])
        self._none_left.clear()
        self._steps += [each for each in steps if each not in ahead]
        try:
            whole = whole or any(_PROMPTS & each.names for each in self._steps)
            self._go_on(cell, wait=whole)
            if self._steps:
                self._define(cell)
        finally:
            self._call = kernel.between_cells(self._shell)
            self._settle()
        self.wake()

    def visit(self, tree: ast.Module) -> ast.Module:
        """
        Run what waits before a cell that may have to do with it.

        Returns
        -------
        ast.Module
            The cell, or what raises an error in its place.
        """
        main = threading.current_thread() is threading.main_thread()
        if self._running and main:  # one of the statements
            return tree
        while main and self._variables:
            variable, value = self._variables.popitem()
            variable.set(value)
        if not (self._steps or self._error):
            return tree
        if MARK not in self._shell.user_ns:  # %reset
            self.stop()
            return tree
        try:
            if main:
                self.go_on()
            if self._is_apart(tree, self._steps.copy()):
                return tree
            if main:
                self.finish()
            else:
                self._none_left.wait()
        except KeyboardInterrupt as interrupt:
            return raise_at(tree, "", interrupt.with_traceback(None))
        error, self._error = self._error, None
        return tree if error is None else raise_at(tree, "", error)

    def wake(self) -> None:
        """Have run what can run by now, once no cell runs; on any thread."""
        if self._steps and self._call is not None:
            self._call(self.go_on)

    def go_on(self, _result: object = None) -> None:
        """Run what can run by now; IPython calls this after each cell."""
        if not self._steps or self._running or MARK not in self._shell.user_ns:
            return
        try:
            self._go_on()
        except KeyboardInterrupt as error:  # between two statements
            if self._steps:
                self._give_up(self._steps[0], error)
        self._settle()

    def finish(self) -> None:
        """Wait for imports, and run all that waits."""
        try:
            self._go_on(wait=True)
        finally:
            self._settle()

    def then(self, call: Callable[[], object]) -> None:
        """Call something once nothing waits, unless a statement has raised."""
        if self._steps:
            self._then.append(call)
        else:
            call()

    def stop(self) -> list[str]:
        """Let nothing wait any more; return what has."""
        stopped = self.waiting
        self._steps.clear()
        self._then.clear()
        self._error = None
        self._settle()
        return stopped

    def _settle(self) -> None:
        """Tell those who wait for all to have run."""
        if not self._steps:
            self._none_left.set()
            calls, self._then = self._then, []
            for call in calls:
                call()

    def _ahead(self, steps: Sequence[_Step]) -> list[_Step]:
        """Return the imports that nothing above them changes, or shares a name with."""
        reader = Reader(predictable(distrusting()), self._shell.user_ns)
        requirements = Requirements()
        above: list[str | None] = []
        names: set[str] = set()
        ahead: list[_Step] = []
        for step in [*self._steps, *steps]:
            found = [each.package for each in reader.read(step.statement.tree)]
            tops = [name.partition(".")[0] for name in step.statement.modules]
            if (
                step.statement.imports
                and names.isdisjoint(step.statement.binds)
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
            above += [] if step.statement.imports else found
            names |= step.names
        return [each for each in ahead if each not in self._steps]

    def _go_on(self, here: ImportCell | None = None, *, wait: bool = False) -> None:
        """
        Run what waits, up to what cannot run yet.

        Parameters
        ----------
        here : ImportCell, optional
            The cell that runs; what its own statements raise is raised, and a wait is
            not shown, since that clears what they have shown.
        wait : bool
            Whether to wait for what cannot run yet.
        """
        while self._steps:
            step = self._steps[0]
            if not step.statement.imports:
                if wait:
                    self._arrivals.wait_for(step.first, shown=here is None)
                elif not self._arrivals.is_ready(step.first):
                    return
            # Others may have been told to stop, or a wait may have run it.
            if self._steps[:1] == [step]:
                self._run(step, here)

    def _define(self, cell: ImportCell) -> None:
        """Run the definitions of a cell that have nothing to do with what waits."""
        kept: list[_Step] = []
        for step in self._steps.copy():
            tree = step.statement.tree
            if (
                step.cell is cell
                and is_definition(step.statement.node)
                and self._is_apart(tree, kept)
                and self._arrivals.is_ready(tree)
            ):
                self._run(step, cell)
            else:
                kept.append(step)

    def _is_apart(self, tree: ast.Module, steps: Iterable[_Step]) -> bool:
        """Tell whether some code may run before what waits."""
        names = set(used_names(tree, but_not_in=MAGIC)) | bound_names(tree)
        return is_harmless(tree, self._shell.user_ns) and all(
            names.isdisjoint(bound_names(step.statement.tree))
            and bound_names(tree).isdisjoint(step.names)
            for step in steps
        )

    def _run(self, step: _Step, here: ImportCell | None) -> None:
        """Run a statement, as the cell would that it is in."""
        self._running = True
        try:
            if step.cell is here:
                self._execute(step)
            else:
                with kernel.in_place(self._shell, step.cell.place):
                    self._execute_between(step)
        except BaseException as error:
            self._give_up(step, error, here)
        finally:
            self._running = False
            # Not before: another thread waits until it has run.
            self._steps = [each for each in self._steps if each is not step]

    def _execute_between(self, step: _Step) -> None:
        """Run a statement; the next cell is to see what it sets for its thread."""
        before = contextvars.copy_context()
        try:
            self._execute(step)
        finally:
            for variable, value in contextvars.copy_context().items():
                if before.get(variable, _MISSING) is not value:
                    self._variables[variable] = value
            self._after()

    def _execute(self, step: _Step) -> None:
        node, cell = step.statement.node, step.cell
        threadstate.adopt()
        if step.statement.imports:
            self._begin(cell, [step.statement])
            return
        # A choice between imports is made, and then they are imports of the cell.
        if step.is_choice and isinstance(node, ast.If):
            test = self._compile(ast.Expression(node.test), cell, "eval")
            chosen = node.body if self._evaluate(test) else node.orelse
            steps = [_Step(each, cell) for each in statements_of(chosen)]
            self._steps[1:1] = steps
            return
        for each in self._shell.transform_ast(step.statement.tree).body:
            if step.shows and isinstance(each, ast.Expr):
                code = self._compile(ast.Interactive([each]), cell, "single")
            else:
                code = self._compile(ast.Module([each], []), cell, "exec")
            self._evaluate(code)

    def _compile(self, tree: ast.AST, cell: ImportCell, mode: str) -> Any:  # noqa: ANN401
        return self._shell.compile(ast.fix_missing_locations(tree), cell.file, mode)

    def _evaluate(self, code: Any) -> Any:  # noqa: ANN401
        return eval(code, self._shell.user_global_ns, self._shell.user_ns)  # noqa: S307

    def _begin(self, cell: ImportCell, statements: Sequence[Statement]) -> None:
        cell.begun += statements
        cell.begin(statements)

    def _give_up(
        self, step: _Step, error: BaseException, here: ImportCell | None = None
    ) -> None:
        """Show and keep what a statement has raised; nothing below it runs."""
        cell, line = step.cell, step.statement.node.lineno
        self._steps = [each for each in self._steps if each.cell is not cell]
        self._then.clear()
        self._arrivals.forget(each for each in cell.begun if each.node.lineno > line)
        traceback = _within(error, cell.file)
        if cell is here:
            _show_from(self._shell, error, traceback)
            raise error
        self._error = error.with_traceback(traceback)
        with kernel.in_place(self._shell, cell.place):
            self._shell.showtraceback((type(error), error, traceback), tb_offset=0)


def _within(error: BaseException, file: str) -> Any:  # noqa: ANN401 - a traceback
    """Return the traceback of an error from some code on, without what called it."""
    entry = error.__traceback__
    while entry is not None and entry.tb_frame.f_code.co_filename != file:
        entry = entry.tb_next
    return entry


def _show_from(shell: Any, error: BaseException, traceback: Any) -> None:  # noqa: ANN401
    """Have IPython show an error as if what raised it had run by itself."""
    if traceback is None or isinstance(error, SyntaxError):
        return
    shown: Any = error
    # IPython's own way to have an exception say how it is shown; some have no room.
    with contextlib.suppress(AttributeError, TypeError):
        shown._render_traceback_ = lambda: shell.InteractiveTB.structured_traceback(
            type(error), error, traceback, tb_offset=0
        )
