"""One import, on the calling thread, and what came of it."""

from __future__ import annotations

import contextlib
import importlib
import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple, cast

from ipywarmup.importlock.bootstrap import is_initializing, is_machinery
from ipywarmup.importlock.failures import (
    heal,
    is_transient,
    refusal,
    wants_main_thread,
)
from ipywarmup.importlock.filters import own_filters
from ipywarmup.importlock.hooks import hooks, package_of
from ipywarmup.importlock.partial import hide_frames
from ipywarmup.importlock.threadstate import forget_unmovable, noted
from ipywarmup.importlock.traces import tracing
from ipywarmup.nearest import hint_for
from ipywarmup.output import collected
from ipywarmup.responsiveness.bystanders import Bystanders
from ipywarmup.responsiveness.settings import settings
from ipywarmup.responsiveness.sharedlibs import open_needed
from ipywarmup.responsiveness.stalls import StallWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    from ipywarmup.importlock.traces import Trace
    from ipywarmup.responsiveness.stalls import Stall

WANTS_MAIN_THREAD = "it wants the main thread: import it in a cell"
"""The hint for a module that no worker can import."""
_LONGEST_TRACEBACK = 20_000
"""Characters."""

_bystanders = Bystanders()


def _look_after() -> None:
    """Do what is to be done now and then while a module is imported."""
    settings.check()
    settings.adapt(idle=_bystanders.are_idle())


_stalls = StallWatch(_look_after)


class BoundToThreadError(RuntimeError):
    """
    A module works only on the thread that has imported it.

    Parameters
    ----------
    module : str
        That module.
    """

    def __init__(self, module: str) -> None:
        super().__init__(
            f"{module!r} holds a connection of sqlite3, which works only on the thread"
            " that has made it"
        )


class Outcome(NamedTuple):
    """
    How an import ended.

    Parameters
    ----------
    module : types.ModuleType or None
        The module, None if the import failed.
    exception : BaseException or None
        What the import raised.
    traceback : types.TracebackType or None
        Where it was raised, from the module's own code on.
    output : str or None
        What the import printed, where that was collected.
    attempts : int
        How many times it was tried.
    worst_stall_ms : float or None
        The longest that another thread had to wait for the interpreter meanwhile, in
        milliseconds, where that was measured.
    """

    module: ModuleType | None = None
    exception: BaseException | None = None
    traceback: TracebackType | None = None
    output: str | None = None
    attempts: int = 1
    worst_stall_ms: float | None = None

    @property
    def error(self) -> str | None:
        """``"TypeName: message"``, None unless the import failed."""
        return None if self.exception is None else describe(self.exception)

    @property
    def wants_main_thread(self) -> bool:
        """Whether the main thread could import it, as far as that is known."""
        return self.exception is not None and (
            not self.attempts
            or isinstance(self.exception, BoundToThreadError)
            or wants_main_thread(self.exception)
        )

    @property
    def may_be_the_thread(self) -> bool:
        """
        Whether the import may have failed for being on a worker, as far as is known.

        What only works on the main thread, in a running loop or where somebody can be
        asked raises errors of all kinds; that a module or a name is missing, or the
        syntax is wrong, has nothing to do with it.
        """
        return self.wants_main_thread or not isinstance(
            self.exception, ImportError | SyntaxError | None
        )

    @property
    def printed_traceback(self) -> str | None:
        """What Python would print of the error, None if that is just the error."""
        if self.exception is None:
            return None
        lines = traceback.format_exception(
            type(self.exception), self.exception, self.traceback
        )
        if len(lines) == 1 and lines[0].count("\n") == 1:
            return None
        # Exceptions can be chained without end; what has come of them stands there.
        return "".join(lines)[-_LONGEST_TRACEBACK:]

    def result(self) -> ModuleType:
        """Return the module, or raise what the import raised."""
        if self.exception is not None:
            raise self.exception.with_traceback(self.traceback)
        # Whatever the module has put into its place, None included.
        return cast("ModuleType", self.module)

    def hint(self, module: str) -> str | None:
        """Return what to do about the error, where that is known."""
        if self.exception is None:
            return None
        if self.wants_main_thread:
            return WANTS_MAIN_THREAD
        try:
            return hint_for(self.exception, module)
        except Exception:  # a finder or an exception of somebody's own
            return None


def import_module(name: str) -> Outcome:
    """
    Import a module here and now, whatever its import raises.

    Parameters
    ----------
    name : str
        Absolute dotted name.
    """
    try:
        # As the statement does it: where two imports wait for each other,
        # importlib.import_module raises _DeadlockError.
        __import__(name)
        return Outcome(module=sys.modules[name])
    except BaseException as exception:  # SystemExit fails an import, too
        hide_frames(exception)
        return Outcome(exception=exception, traceback=_without_importing(exception))


def import_on_worker(  # noqa: PLR0913 - what a warmup wants of it
    name: str,
    *,
    refuse: bool = True,
    installed_only: bool = False,
    trace: Trace | None = None,
    follow_up: Callable[[Outcome], object] = lambda _: None,
    on_stall: Callable[[Stall], object] = lambda _: None,
) -> Outcome:
    """
    Import a module on a worker, so that it disturbs nobody.

    What it prints is collected. A failure leaves nothing behind that would change
    the next import, and is tried once more, alone, if it came of another import that
    was under way.

    Parameters
    ----------
    name : str
        Absolute dotted name.
    refuse : bool
        Whether to refuse what is known to hang on a worker.
    installed_only : bool
        Whether to keep code of the working directory from running.
    trace : Trace, optional
        Takes down what is imported, on this thread and on those that it starts.
    follow_up : callable
        Is told the outcome where whatever it imports in turn disturbs nobody, either.
    on_stall : callable
        Is told of each stall meanwhile, on any thread; must neither block nor raise.
    """
    refused = refusal(name) if refuse else None
    if refused is not None:
        outcome = Outcome(exception=refused, attempts=0)
        follow_up(outcome)
        return outcome
    hooks.before_extension = open_needed
    with (
        collected() as output,
        settings.borrowed(),
        _bystanders.importing(),
        _stalls.watching(on_stall) as stalls,
        hooks.borrowed(),
        own_filters(),
        tracing(trace) if trace is not None else contextlib.nullcontext(),
    ):
        with hooks.installed_only() if installed_only else contextlib.nullcontext():
            outcome = _import_and_heal(name)
            if outcome.exception is not None and is_transient(outcome.exception):
                with hooks.locks.alone():
                    outcome = _import_and_heal(name)._replace(attempts=2)
        follow_up(outcome)  # which somebody may have typed
    return outcome._replace(output=output.text(), worst_stall_ms=stalls.worst_ms)


def _import_and_heal(name: str) -> Outcome:
    with hooks.locks.holding(package_of(name)):
        # While others still wait for it.
        with noted() as state:
            outcome = import_module(name)
        if state.unmovable and outcome.exception is None:
            forget_unmovable(state, name)
            return Outcome(exception=BoundToThreadError(min(state.unmovable)))
        if outcome.exception is not None:
            heal(name, outcome.exception)
        elif is_initializing(outcome.module):
            stuck = f"{name!r} is being imported by another thread, without progress"
            outcome = Outcome(exception=ImportError(stuck, name=name))
        return outcome


def describe(exception: BaseException) -> str:
    """Return ``"TypeName: message"``, or the name alone without a message."""
    name = type(exception).__name__
    try:
        message = str(exception)
    except BaseException:  # a broken __str__ is part of the module's failure
        message = "<message cannot be shown>"
    return f"{name}: {message}" if message else name


def _without_importing(exception: BaseException) -> TracebackType | None:
    """Return the traceback without our frame and importlib's, as `import` shows it."""
    traceback = exception.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        ours = code.co_filename in (__file__, importlib.__file__)
        if not (ours or is_machinery(code)):
            break
        traceback = traceback.tb_next
    return traceback
