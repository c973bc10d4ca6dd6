"""What a %warmup line asks for, done and shown."""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import io
import os
import sys
import textwrap
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import clear_output, display

from ipywarmup.canary import CanaryStatus
from ipywarmup.foreground import LEAST_MS
from ipywarmup.importcell import MARK, Arrivals, is_loaded
from ipywarmup.importing import WANTS_MAIN_THREAD
from ipywarmup.importlock.bootstrap import unsupported
from ipywarmup.kernel import is_attended, is_kernel, place_of_cell, widgets
from ipywarmup.panel.rows import duration, enumerate_names
from ipywarmup.panel.text import printable
from ipywarmup.panel.views import CANARY_ROWS, TableView
from ipywarmup.postponed import ImportCell, Postponed
from ipywarmup.sources.files import SourceError
from ipywarmup.sources.line import LineError, Request, parse, parse_above_cell
from ipywarmup.sources.uses import awaits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import CodeType

    from ipywarmup.magics import WarmupMagics
    from ipywarmup.panel.widget import WidgetPanel
    from ipywarmup.report.views import ReportView
    from ipywarmup.run import FollowUp
    from ipywarmup.sources.statements import Statement

_UNNOTICED = 0.2
"""Seconds of waiting that nobody needs to be told of."""
_FLUSH = 2.0
"""Seconds that a wait spends at most on the panel's last picture."""


def run_line(magics: WarmupMagics, line: str) -> TableView | ReportView | None:
    """
    Carry out one line.

    Returns
    -------
    TableView, ReportView or None
        What the cell displays.

    Raises
    ------
    IPython.core.error.UsageError
        One line, for a line that cannot be carried out; nothing has happened.
    """
    with _refused_as("%warmup"):
        request = parse(line)
    return _COMMANDS[request.command](magics, request)


def run_cell(magics: WarmupMagics, line: str, cell: str) -> None:
    """
    Run a cell, with its imports in the background.

    Raises
    ------
    IPython.core.error.UsageError
        One line, for a cell that cannot be carried out; nothing has happened.
    SyntaxError
        For a cell that is not Python; nothing has happened.
    BaseException
        What the cell raises.
    """
    with _refused_as("%%warmup"):
        request = parse_above_cell(line)
    shell: Any = magics.shell
    # As IPython does with every cell, and with the body of %%time.
    cell = textwrap.dedent(cell)
    # An error shows the lines of the cell, its first one included.
    file = shell.compile.cache(f"%%warmup {line}\n{cell}", _number_of_cell(shell))
    code = shell.transform_cell(cell)
    tree = shell.compile.ast_parse(f"\n{code}", file, "exec")
    with _refused_as("%%warmup"):
        if not tree.body and not request.modules:
            raise LineError("the cell is empty; write its imports below the line")
        if (number := awaits(tree)) is not None:
            raise LineError(
                f"line {number} awaits something; move that to a cell of its own"
            )
    shows = _shown(shell, tree, code)
    # What Python refuses to compile, it refuses before anything has run.
    shell.compile(tree, file, "exec")
    postponed = _postponed(magics)
    named: list[str] = []

    def begin(statements: Sequence[Statement]) -> None:
        pending = magics.manager.run.pending
        modules = [
            module
            for each in statements
            if not all(map(is_loaded, each.modules)) or pending.keys() & each.modules
            for module in each.modules
        ]
        names = tuple(dict.fromkeys([*(() if named else request.modules), *modules]))
        compiled = [
            (each, shell.compile(each.tree, file, "exec")) for each in statements
        ]
        prepare = functools.partial(_prepare_cell, magics, compiled, names)
        if not names or (named and request.quiet):
            prepare()()
        elif named:
            _begin_more(magics, prepare)
        else:
            _begin(magics, request._replace(modules=names, wait=False), prepare)
        named.extend(names)

    whole = not is_attended(shell) or (request.wait and request.timeout is None)
    import_cell = ImportCell(tree, file, shows, place_of_cell(shell), begin)
    with _interrupted_in_a_line():
        postponed.run(import_cell, whole=whole)
        if request.wait and named:
            _block(magics, request._replace(modules=tuple(named)))


def _prepare_cell(
    magics: WarmupMagics,
    statements: Sequence[tuple[Statement, CodeType]],
    names: Sequence[str],
) -> Callable[[], None]:
    """Make the records of an import cell, and see to the names of its statements."""

    def prepare(follow_up: FollowUp) -> Callable[[], None]:
        if not names:
            return lambda: None
        start = magics.manager.prepare(names, again=True, follow_up=follow_up)
        _wake_by_records(magics)
        return start

    return _arrivals(magics).add(statements, prepare)


def _shown(shell: Any, tree: ast.Module, code: str) -> frozenset[int]:  # noqa: ANN401
    """Return which statements of a cell show their value, by IPython's setting."""
    kind, last = shell.ast_node_interactivity, len(tree.body) - 1
    if not tree.body or kind == "none" or _ends_in_semicolon(code):
        return frozenset()
    if kind == "all":
        return frozenset(range(last + 1))
    node = tree.body[-1]
    if kind == "last_expr_or_assign" and isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name):
            value = ast.Name(target.id, ast.Load())
            tree.body.append(ast.copy_location(ast.Expr(value), node))
            ast.fix_missing_locations(tree)
            return frozenset([last + 1])
    return frozenset([last] if kind == "last" or isinstance(node, ast.Expr) else [])


def _ends_in_semicolon(code: str) -> bool:
    """Tell whether somebody wants to see no value."""
    blank = {tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    *_, last = ["", *(each.string for each in tokens if each.type not in blank)]
    return last == ";"


@contextlib.contextmanager
def _refused_as(magic: str) -> Iterator[None]:
    """Make what is wrong with a line, a cell or a file one line of a magic."""
    try:
        yield
    except (LineError, SourceError) as error:
        raise UsageError(f"{magic}: {printable(str(error))}") from None


@contextlib.contextmanager
def _interrupted_in_a_line() -> Iterator[None]:
    """Have IPython show one line, and no frames, for Ctrl-C in a wait."""
    try:
        yield
    except KeyboardInterrupt as error:
        if hasattr(error, "_render_traceback_"):  # that of a statement of the user's
            raise
        said = "the warmup goes on; see %warmup status, or %warmup cancel"
        interrupt: Any = error
        interrupt.args = (said,)
        # IPython's own way to have an exception say how it is shown.
        interrupt._render_traceback_ = lambda: [f"KeyboardInterrupt: {said}"]
        raise


def _arrivals(magics: WarmupMagics) -> Arrivals:
    """Return what binds names in the user's namespace; IPython shows it each cell."""
    if magics.arrivals is None:
        shell: Any = magics.shell
        magics.arrivals = Arrivals(
            magics.manager, shell.user_ns, functools.partial(_wait_shown, magics)
        )
        shell.user_ns_hidden[MARK] = None
        shell.ast_transformers.append(magics.arrivals)
    return magics.arrivals


def _postponed(magics: WarmupMagics) -> Postponed:
    """Return what runs statements that wait; IPython shows it each cell."""
    if magics.postponed is None:
        shell: Any = magics.shell
        arrivals = _arrivals(magics)
        magics.postponed = Postponed(shell, arrivals)
        # What waits may bind what a cell needs, so it comes first.
        shell.ast_transformers.insert(0, magics.postponed)
    return magics.postponed


def _wake_by_records(magics: WarmupMagics) -> None:
    """Have each record that ends wake what waits for it."""
    run = magics.manager.run
    if magics.postponed is not None and magics.woken_by is not run:
        magics.woken_by = run
        postponed = magics.postponed
        magics.manager.on_canary(lambda _record: postponed.wake())


def _wait_shown(magics: WarmupMagics, modules: Sequence[str]) -> None:
    """Wait for modules, and tell who looks on that this is what takes its time."""
    from ipywarmup.panel import terminal  # noqa: PLC0415

    manager = magics.manager
    if not is_kernel(magics.shell):
        terminal.wait(manager, None, modules)
    elif not manager.wait(_UNNOTICED, modules):
        print(f"Waiting for {enumerate_names(modules, most=8)}", flush=True)
        try:
            manager.wait(None, modules)
        finally:
            # The cell itself has said nothing yet.
            clear_output()


def _warm(
    magics: WarmupMagics, request: Request, *, installed_only: bool = False
) -> None:
    """Start modules or add them."""
    _begin(
        magics,
        request,
        functools.partial(
            magics.manager.prepare, request.modules, installed_only=installed_only
        ),
    )


def _warm_file(magics: WarmupMagics, request: Request) -> None:
    """Warm what a notebook or a script imports, and say what was left out."""
    from ipywarmup.sources import collection  # noqa: PLC0415

    path = None if request.path is None else Path(request.path)
    with _refused_as(f"%warmup {request.command}"):
        if request.command == "file" and path is not None:
            found = collection.of_script(path)
        else:
            shell: Any = magics.shell
            found = collection.of_notebook(path, shell.user_ns, os.environ)
    if not request.quiet:
        for line in collection.describe(found, enumerate_names):
            print(printable(line))
    taken = (*found.selection.taken, *magics.stages.plan(found))
    if taken:
        request = request._replace(modules=taken)
        _warm(magics, request, installed_only=True)


def begin_stage(magics: WarmupMagics, modules: Sequence[str]) -> None:
    """Warm what has waited for cells that have run by now."""
    from ipywarmup.sources.imports import Import  # noqa: PLC0415
    from ipywarmup.sources.selection import select  # noqa: PLC0415

    # Those cells may have changed where modules are found, and which.
    taken = select(Import(name, line=0) for name in modules).taken
    if not taken:
        return
    _begin_more(
        magics,
        functools.partial(magics.manager.prepare, taken, installed_only=True),
    )


def _begin_more(
    magics: WarmupMagics, prepare: Callable[[], Callable[[], None]]
) -> None:
    """Make records, have the panels that are there show them, and start the imports."""
    start = prepare()
    try:
        for panel in magics.panels:
            if panel.run is magics.manager.run and magics.publisher is not None:
                panel.show(update=True)
                magics.publisher.follow(panel)
    finally:
        start()


@_interrupted_in_a_line()
def _begin(
    magics: WarmupMagics, request: Request, prepare: Callable[[], Callable[[], None]]
) -> None:
    """Make the records, show them, then start the imports."""
    start = prepare()
    known = magics.manager.status()
    warm, failed = (
        [name for name in dict.fromkeys(request.modules) if name in known[state]]
        for state in ("completed", "failed")
    )
    begun = [name for name in request.modules if name not in {*warm, *failed}]
    try:
        # All that the main thread has to do comes before the first import.
        if not request.quiet:
            limit = unsupported()
            where = f"here and now, since {limit}" if limit else "in the background"
            _say(f"Warming up {where}", begun)
            _say("Already warm", warm)
            _say("Failed before, and tried again by `%warmup retry`", failed)
            if request.modules and limit is None:
                _follow(magics)
    finally:
        start()
    if request.wait:
        _block(magics, request)


def _number_of_cell(shell: Any) -> int:  # noqa: ANN401
    """Return the number of the cell that runs, which it is stored under."""
    # The count of executions goes up after the cell, or before it in IPython 9.
    stored: list[str] = shell.history_manager.input_hist_raw
    return len(stored) - 1 or shell.execution_count


@_interrupted_in_a_line()
def _wait(magics: WarmupMagics, request: Request) -> None:
    if magics.starting is not None:
        magics.starting.wait()
    run = magics.manager.run
    if not run.submitted:
        raise UsageError("%warmup wait: there is nothing to wait for yet")
    for name in request.modules:
        if name not in run.ids:
            raise UsageError(
                f"%warmup wait: {printable(name)!r} is not being warmed; start it with"
                " %warmup"
            )
    if magics.postponed is not None and not request.modules and not request.timeout:
        # It may have imports of its own.
        magics.postponed.finish()
    _block(magics, request)


def _status(magics: WarmupMagics, _request: Request) -> TableView:
    manager, run, start = magics.manager, magics.manager.run, magics.starting
    for bundle in widgets:
        display(bundle, raw=True)
    if start is not None and start.looking:
        print("The start of the kernel is still looking for what to import.")
    elif start is not None and start.outcome and {*run.ids} <= {*start.taken}:
        print(f"At the start of the kernel: {printable(start.outcome)}")
    return TableView(
        manager.snapshot(run),
        manager.totals(run),
        manager.stalls(run),
        _later(magics),
    )


def _canaries(magics: WarmupMagics, _request: Request) -> TableView:
    return TableView(magics.manager.snapshot(), limit=CANARY_ROWS)


def _later(magics: WarmupMagics) -> list[str]:
    """Say what waits for which cell."""
    from ipywarmup.sources.selection import describe_later  # noqa: PLC0415

    lines = describe_later(magics.stages.waiting, enumerate_names)
    waiting = [] if magics.postponed is None else magics.postponed.waiting
    # With the last import it runs, and the panel is not drawn once more.
    if waiting and magics.manager.run.pending:
        lines.append(f"Postponed: {enumerate_names(waiting, most=8)}")
    return lines


def _cancel(magics: WarmupMagics, _request: Request) -> None:
    stopped = magics.starting is not None and magics.starting.stop()
    if stopped:
        print("Cancelled: what the start of the kernel would have imported")
    postponed = [] if magics.postponed is None else magics.postponed.stop()
    dropped = [*magics.manager.cancel(), *magics.stages.stop(), *postponed]
    otherwise = "" if stopped else "Nothing to cancel."
    _say("Cancelled", dropped, otherwise=otherwise)


def _reset(magics: WarmupMagics, _request: Request) -> None:
    if magics.starting is not None:
        magics.starting.stop()
        magics.starting = None
    magics.stages.stop()
    if magics.postponed is not None:
        magics.postponed.stop()
    magics.manager.reset()
    widgets.clear()
    if magics.arrivals is not None:
        magics.arrivals.forget_failed()
    print("Warmup forgotten; the next %warmup starts a new one.")


def _help(magics: WarmupMagics, _request: Request) -> None:
    print(magics.manual)


def _retry(magics: WarmupMagics, _request: Request) -> None:
    names = magics.manager.retry()
    _say("Trying again", names, otherwise="Nothing has failed.")
    if names:
        _follow(magics)


def _report(magics: WarmupMagics, request: Request) -> ReportView | None:
    """Show where the time of imports went, or write it to files."""
    from ipywarmup.report import files, tree, views  # noqa: PLC0415

    run = magics.manager.run
    module = request.modules[0] if request.modules else None
    found = tree.branches(run.trace, module)
    if not found:
        raise UsageError(f"%warmup report: {_why_no_report(magics, module)}")
    written = [
        (path, content)
        for path, content in (
            (request.trace, files.as_trace),
            (request.json, files.as_json),
        )
        if path is not None
    ]
    try:
        for path, content in written:
            files.write(path, content(found, magics.manager.stalls(run)))
            print(f"Written: {printable(path)}")
    except files.FileError as error:
        raise UsageError(f"%warmup report: {printable(str(error))}") from None
    return None if written else views.ReportView(found, run.trace.dropped)


def _why_no_report(magics: WarmupMagics, module: str | None) -> str:
    run, limit = magics.manager.run, unsupported()
    reasons = {
        f"imports are not noted down here, since {limit}": limit is not None,
        "nothing was imported yet; start it with %warmup": module is None,
        "{0} is not imported yet; see %warmup wait": module in run.pending,
        "{0} was imported before its warmup came to it": module in run.completed,
        "{0} failed before there was anything to import": module in run.failed,
        "{0} was imported without this warmup; see %warmup suggest": (
            module in sys.modules
        ),
        "{0} is not being warmed; start it with %warmup": True,
    }
    reason = next(each for each, holds in reasons.items() if holds)
    return reason.format(printable(repr(module)))


def _suggest(magics: WarmupMagics, _request: Request) -> None:
    """Say what would have been worth a warmup."""
    # Neither what was cancelled is warm nor what has failed; some would fail again.
    settled = {
        canary.module
        for canary in magics.manager.snapshot()
        if canary.status not in {CanaryStatus.CANCELLED, CanaryStatus.FAILED}
        or canary.hint == WANTS_MAIN_THREAD
    }
    found = magics.foreground.suggestions(settled)
    if not found:
        print(
            f"Nothing that cells have imported since %load_ext took {LEAST_MS:g} ms or"
            " more, or it was warmed."
        )
        return
    took = [f"{name} {duration(ms)}" for name, ms in found.items()]
    print(f"Imported in the foreground: {enumerate_names(took, most=8)}")
    print(f"%warmup {' '.join(found)}")


def _follow(magics: WarmupMagics) -> None:
    """Show a panel of the current run, where there are widgets."""
    if not magics.panel or not is_kernel(magics.shell):
        return
    panel = _show_panel(magics)
    if magics.publisher is None:
        from ipywarmup.panel.publisher import Publisher  # noqa: PLC0415

        magics.publisher = Publisher()
    magics.panels.append(panel)
    if magics.followed is not panel.run:
        magics.followed = panel.run
        magics.manager.on_canary(magics.publisher.wake)
    magics.publisher.follow(panel)


def _show_panel(magics: WarmupMagics) -> WidgetPanel:
    """Show a panel; the first one imports ipywidgets, which no terminal needs."""
    collecting = gc.isenabled()
    # Hundreds of new classes make the collector search a whole kernel, for nothing.
    gc.disable()
    try:
        from ipywarmup.panel.widget import WidgetPanel  # noqa: PLC0415

        panel = WidgetPanel(
            magics.manager, magics.manager.run, functools.partial(_later, magics)
        )
        panel.show()
        return panel
    finally:
        if collecting:
            gc.enable()


def _block(magics: WarmupMagics, request: Request) -> None:
    """Wait, then say what is warm and what is not."""
    from ipywarmup.panel import terminal  # noqa: PLC0415

    manager = magics.manager
    names = request.modules or tuple(manager.run.ids)
    try:
        # To name all of them would put them into the order of their submission again.
        in_time = terminal.wait(manager, request.timeout, request.modules or None)
    finally:
        if magics.publisher is not None:
            magics.publisher.flush(_FLUSH)
    if request.quiet:
        return
    canaries = manager.snapshot(manager.run)
    print(TableView(canaries).table.headline)
    wanted = set(names)
    canaries = [canary for canary in canaries if canary.module in wanted]
    if not in_time:
        late = [canary.module for canary in canaries if not canary.ended]
        _say(f"Not warm after {request.timeout:g} s", late)
    for canary in canaries:
        if canary.status is CanaryStatus.FAILED:
            hint = f" ({canary.hint})" if canary.hint else ""
            print(printable(f"{canary.module}: {canary.error}{hint}"))


def _say(what: str, names: Sequence[str], *, otherwise: str = "") -> None:
    said = f"{what}: {enumerate_names(names, most=8)}" if names else otherwise
    if said:
        print(said)


_COMMANDS: dict[
    str, Callable[[WarmupMagics, Request], TableView | ReportView | None]
] = {
    "warm": _warm,
    "notebook": _warm_file,
    "file": _warm_file,
    "wait": _wait,
    "status": _status,
    "canaries": _canaries,
    "report": _report,
    "suggest": _suggest,
    "cancel": _cancel,
    "retry": _retry,
    "reset": _reset,
    "help": _help,
}
