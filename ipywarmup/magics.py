"""The magic %warmup: its manual, its settings, and how it comes and goes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import re
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    no_var_expand,
)
from traitlets import Bool, Float, Int, TraitError, observe, validate

from ipywarmup.defaults import (
    BORROW_LIMIT,
    PATIENCE,
    SWITCH_INTERVAL,
    default_lanes,
)
from ipywarmup.foreground import Foreground
from ipywarmup.kernel import keep_builtins, outstreams, release_builtins
from ipywarmup.stages import Stages

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from ipywarmup.importcell import Arrivals
    from ipywarmup.manager import WarmupManager
    from ipywarmup.panel.publisher import Publisher
    from ipywarmup.panel.views import TableView
    from ipywarmup.panel.widget import WidgetPanel
    from ipywarmup.postponed import Postponed
    from ipywarmup.report.views import ReportView
    from ipywarmup.run import Run
    from ipywarmup.startup import Start


_LINE = re.compile(r"\s*(?P<magic>%{0,2})warmup\s(?P<line>.*)")
"""With automagic on, IPython takes it without the percent sign, too."""

_CALLER = 2
"""How many frames above `warmup` somebody runs the magic, whose variables count."""


@magics_class
class WarmupMagics(Magics):
    """Import heavy modules in the background with %warmup."""

    panel = Bool(
        default_value=True,
        help="Show a live panel below the cell; without it, one line of text.",
    ).tag(config=True)
    log_to_stderr = Bool(
        default_value=False,
        help="Write a line for each module to stderr, outside of every cell.",
    ).tag(config=True)
    refuse_unsafe = Bool(
        default_value=True,
        help="Fail modules that are known to hang on a worker thread on this platform"
        " (numpy and what imports it, on Windows) instead of importing them.",
    ).tag(config=True)
    patience = Float(
        PATIENCE,
        min=0.0,
        help="Seconds without progress after which an import gives its lane to the next"
        " one, and no longer keeps others out of its package.",
    ).tag(config=True)
    lanes = Int(
        default_lanes(),
        min=1,
        help="How many modules are imported at the same time. More than one takes"
        " longer in total on a Python with a GIL.",
    ).tag(config=True)

    switch_interval = Float(
        SWITCH_INTERVAL,
        min=1e-6,
        max=1.0,
        help="Seconds between the turns of threads while modules are imported; shorter"
        " ones let imports get on beside a cell that computes, and slow that down.",
    ).tag(config=True)
    borrow_limit = Float(
        BORROW_LIMIT,
        min=1e-3,
        help="Seconds without any import that begins or ends, after which the garbage"
        " collector and the switch interval are yours again.",
    ).tag(config=True)

    auto = Bool(
        default_value=True,
        help="Warm what the notebook imports, else what its project lists, when a"
        " kernel starts for which `python -m ipywarmup enable` has been run.",
    ).tag(config=True)

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:  # noqa: ANN401
        self.publisher: Publisher | None = None
        self.panels: list[WidgetPanel] = []
        self.arrivals: Arrivals | None = None
        self.postponed: Postponed | None = None
        self.foreground = Foreground()
        # What waits for cells of the notebook.
        self.stages = Stages(self._begin_stage)
        # What looks for something to warm at the start of a kernel.
        self.starting: Start | None = None
        # The run whose records wake the publisher.
        self.followed: Run | None = None
        # The one whose records wake what is postponed.
        self.woken_by: Run | None = None
        super().__init__(shell, **kwargs)

    def __repr__(self) -> str:
        """Return what it is; there is one for each shell."""
        return f"<{type(self).__name__} of {__name__}>"

    @property
    def manager(self) -> WarmupManager:
        """The manager behind the magic; its first use brings it."""
        from ipywarmup.manager import get_manager  # noqa: PLC0415 - not to load

        return get_manager()

    @no_var_expand
    @line_cell_magic
    def warmup(
        self, line: str, cell: str | None = None
    ) -> TableView | ReportView | None:
        """
        Import heavy modules in the background, while the next cells run.

        Usage
        -----
        %warmup MODULE ... [--wait] [--timeout S] [--quiet]
            Start importing modules, or add them to what is under way, and show a
            panel that fills up. Returns at once; `import` them as usual later: what
            is warm comes at once, what is under way is waited for.

            --wait       return when all of them have ended
            --timeout S  the same, but wait S seconds at most
            --quiet      show nothing

        %%warmup [MODULE ...] [--wait] [--timeout S] [--quiet]
            Run this cell, with its imports in the background. Their names appear as
            if the cell had run; a later cell that uses one before it is there waits
            for it. What needs an import runs once that is there, and so does all
            below it: between two cells, or before one that may have to do with it.
        %warmup notebook [FILE], %warmup file SCRIPT
            Warm what this notebook imports, as it was last saved, or another one, or
            a script. Files of the working directory are not imported, nor what
            `[tool.ipywarmup] exclude = [...]` names in the project's pyproject.toml.
        %warmup, %warmup status
            Show where the modules stand.
        %warmup wait [MODULE ...] [--timeout S]
            Wait for all modules, or for these. Interrupt it as you would any cell.
        %warmup canaries
            Show the record of every import of this session.
        %warmup cancel
            Drop what has not started. A running import cannot be stopped.
        %warmup retry
            Import again what has failed.
        %warmup reset
            Forget the warmup and start over.
        %warmup report [MODULE] [--trace FILE] [--json FILE]
            Show where the time went within all imports of this warmup, or one: what
            caused what, and how long each took in total and itself. --trace writes
            it for Perfetto or speedscope, --json as data.
        %warmup suggest
            Name what cells have imported in the foreground since the extension was
            loaded that took 100 ms or more, with the line to paste.
        %warmup help
            Show this page.

        Names are separated by blanks or commas. A module that is called like a
        subcommand goes after `--`.

        Examples
        --------
        ::

            %load_ext ipywarmup
            %warmup torch pandas sklearn.ensemble
            %warmup wait torch --timeout 30
            %warmup status
            %warmup -- status

        Settings
        --------
        `%config WarmupMagics` lists them: panel, log_to_stderr, lanes, patience,
        refuse_unsafe, switch_interval, borrow_limit, auto. From Python,
        `ipywarmup.get_manager()` is the manager behind this magic.
        """
        # IPython looks for variables in a time that grows with the square of the line,
        # 90 s for 10,000 names; most lines have none.
        if self.shell is not None and ("$" in line or "{" in line):
            line = self.shell.var_expand(line, depth=_CALLER)
        # The first line brings what it needs, so that loading costs next to nothing.
        from ipywarmup.session import run_cell, run_line  # noqa: PLC0415

        if cell is not None:
            run_cell(self, line, cell)
            return None
        return run_line(self, line)

    def _begin_stage(self, modules: tuple[str, ...]) -> None:
        from ipywarmup.session import begin_stage  # noqa: PLC0415 - not to load

        begin_stage(self, modules)

    def ran(self, result: Any) -> None:  # noqa: ANN401 - an ExecutionResult
        """Go on with what a cell has made possible that has run."""
        ran = functools.partial(self.stages.ran, result)
        if self.postponed is None:
            ran()
        else:
            self.postponed.ran(ran)
            self.postponed.go_on()

    @property
    def manual(self) -> str:
        """The text of ``%warmup?``."""
        return inspect.getdoc(WarmupMagics.warmup) or ""

    def close(self) -> None:
        """Give everything back before the magic leaves the shell."""
        from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415 - not to load
        from ipywarmup.responsiveness.settings import settings  # noqa: PLC0415

        if self.starting is not None:
            self.starting.stop()
        self.stages.stop()
        self.manager.reset()
        shell: Any = self.shell
        self.foreground.end()
        # IPython drops one that raises by itself.
        with contextlib.suppress(ValueError):
            shell.ast_transformers.remove(self.foreground)
            shell.events.unregister("post_execute", self.foreground.end)
        with contextlib.suppress(ValueError):
            shell.events.unregister("post_run_cell", self.ran)
            shell.events.unregister("pre_execute", _adopt)
        if self.postponed is not None:
            with contextlib.suppress(ValueError):
                shell.ast_transformers.remove(self.postponed)
            self.postponed.stop()
        if self.arrivals is not None:
            with contextlib.suppress(ValueError):
                shell.ast_transformers.remove(self.arrivals)
            self.arrivals.close()
        if self.publisher is not None:
            self.publisher.flush(timeout=2.0)
            self.publisher.close()
        for panel in self.panels:
            panel.close()
        for name in self.trait_names(config=True):
            setattr(self, name, self.trait_defaults(name))
        hooks.remove()
        settings.remove()
        release_builtins()

    # Called with what differs from the defaults, at load, too. A manager that is not
    # there yet has these, so nothing has to bring it then.
    @validate("patience", "switch_interval", "borrow_limit")
    def _check_number(self, proposal: Any) -> float:  # noqa: ANN401 - of traitlets
        value: float = proposal["value"]
        if not math.isfinite(value):
            name = proposal["trait"].name
            raise TraitError(f"{name} is a number of seconds, not {value!r}")
        return value

    @observe(
        *("lanes", "log_to_stderr", "refuse_unsafe", "patience"),
        *("switch_interval", "borrow_limit"),
    )
    def _apply_settings(self, _change: object) -> None:
        from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415 - not to load
        from ipywarmup.pool import WarmupPool  # noqa: PLC0415
        from ipywarmup.responsiveness.settings import settings  # noqa: PLC0415

        self.manager.log_to_stderr = self.log_to_stderr
        self.manager.refuse_unsafe = self.refuse_unsafe
        hooks.locks.patience = self.patience
        settings.switch_interval = self.switch_interval
        settings.limit = self.borrow_limit
        if isinstance(self.manager.pool, WarmupPool):
            self.manager.pool.lanes = self.lanes
            self.manager.pool.patience = self.patience

    @context_matcher()  # type: ignore[untyped-decorator]
    def complete(self, context: CompletionContext) -> SimpleMatcherResult:
        """
        Complete the word before the cursor, for IPython.

        Where there is something to offer, no other completer is asked: after ``--``
        IPython's own would put each built-in function.
        """
        from ipywarmup.sources.completions import completions  # noqa: PLC0415

        typed = _LINE.fullmatch(context.text_until_cursor)
        words = typed and completions(
            typed["line"],
            asked_for=self.manager.run.ids,
            above_cell=typed["magic"] == "%%",
        )
        return {
            "completions": [SimpleCompletion(text=word) for word in words or ()],
            "suppress": bool(words),
            "matched_fragment": context.token,
        }


def _adopt() -> None:
    """Give the cell that is about to run what imports have set for their threads."""
    threadstate = sys.modules.get("ipywarmup.importlock.threadstate")
    if threadstate is not None:
        threadstate.adopt()


def load(shell: InteractiveShell) -> None:
    """Register the magic with a shell, unless the kernel has done so at its start."""
    if WarmupMagics.__name__ in shell.magics_manager.registry:
        return
    outstreams()  # before a capture hides them
    keep_builtins()
    magics = WarmupMagics(shell)
    shell.register_magics(magics)
    transformers: list[Any] = shell.ast_transformers
    transformers.append(magics.foreground)
    shell.events.register("post_execute", magics.foreground.end)
    shell.events.register("post_run_cell", magics.ran)
    shell.events.register("pre_execute", _adopt)
    shell.Completer.custom_matchers.append(magics.complete)


def unload(shell: InteractiveShell) -> None:
    """Take the magic, and all that came with it, out of a shell."""
    magics = shell.magics_manager.registry.pop(WarmupMagics.__name__, None)
    if magics is None:
        return
    magics.close()
    shell.configurables.remove(magics)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("warmup", None)
    shell.Completer.custom_matchers.remove(magics.complete)
