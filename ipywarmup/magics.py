"""The magic %warmup: what a line asks for, done and shown."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from traitlets import Bool, Int, observe

from ipywarmup.canary import CanaryStatus
from ipywarmup.kernel import is_kernel
from ipywarmup.manager import get_manager
from ipywarmup.panel.rows import enumerate_names
from ipywarmup.panel.text import printable
from ipywarmup.panel.views import CANARY_ROWS, TableView
from ipywarmup.pool import WarmupPool, default_lanes
from ipywarmup.sources.line import LineError, Request, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from ipywarmup.panel.publisher import Publisher

_FLUSH = 2.0
"""Seconds that a wait spends at most on the panel's last picture."""


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
    lanes = Int(
        default_lanes(),
        min=1,
        help="How many modules are imported at the same time. More than one takes"
        " longer in total on a Python with a GIL.",
    ).tag(config=True)

    def __init__(self, shell: InteractiveShell, **kwargs: Any) -> None:  # noqa: ANN401
        self._manager = get_manager()
        self._publisher: Publisher | None = None
        super().__init__(shell, **kwargs)
        self._apply_settings()

    @line_magic
    def warmup(self, line: str) -> TableView | None:
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
        `%config WarmupMagics` lists them: panel, log_to_stderr, lanes. From Python,
        `ipywarmup.get_manager()` is the manager behind this magic.
        """
        try:
            request = parse(line)
        except LineError as error:
            raise UsageError(f"%warmup: {printable(str(error))}") from None
        if request.command == "warm":
            self._warm(request)
        elif request.command == "wait":
            self._wait(request)
        elif request.command == "status":
            return TableView(self._manager.snapshot(self._manager.run))
        elif request.command == "canaries":
            return TableView(self._manager.snapshot(), limit=CANARY_ROWS)
        elif request.command == "cancel":
            _say("Cancelled", self._manager.cancel(), "Nothing to cancel.")
        elif request.command == "retry":
            self._retry()
        elif request.command == "reset":
            self._manager.reset()
            print("Warmup forgotten; the next %warmup starts a new one.")
        else:
            print(inspect.getdoc(WarmupMagics.warmup))
        return None

    def close(self) -> None:
        """Give everything back before the magic leaves the shell."""
        if self._publisher is not None:
            self._publisher.close()
        self._manager.reset()
        self.log_to_stderr = False
        self.lanes = default_lanes()

    @observe("lanes", "log_to_stderr")
    def _apply_settings(self, _change: object = None) -> None:
        self._manager.log_to_stderr = self.log_to_stderr
        if isinstance(self._manager.pool, WarmupPool):
            self._manager.pool.lanes = self.lanes

    def _warm(self, request: Request) -> None:
        """Start modules or add them."""
        start = self._manager.prepare(request.modules)
        try:
            # All that the main thread has to do comes before the first import.
            if not request.quiet:
                _say("Warming up in the background", request.modules)
                self._follow()
        finally:
            start()
        if request.wait:
            self._block(request)

    def _wait(self, request: Request) -> None:
        run = self._manager.run
        if not run.submitted:
            raise UsageError("%warmup wait: there is nothing to wait for yet")
        for name in request.modules:
            if name not in run.ids:
                raise UsageError(
                    f"%warmup wait: {name!r} is not being warmed; %warmup {name} first"
                )
        self._block(request)

    def _retry(self) -> None:
        names = self._manager.retry()
        _say("Trying again", names, "Nothing has failed.")
        if names:
            self._follow()

    def _follow(self) -> None:
        """Show a panel of the current run, where there are widgets."""
        if not self.panel or not is_kernel(self.shell):
            return
        # ipywidgets takes 30 ms to import: it comes with the first panel.
        from ipywarmup.panel.publisher import Publisher  # noqa: PLC0415
        from ipywarmup.panel.widget import WidgetPanel  # noqa: PLC0415

        if self._publisher is None:
            self._publisher = Publisher()
        panel = WidgetPanel(self._manager, self._manager.run)
        panel.show()
        self._manager.on_canary(self._publisher.wake)
        self._publisher.follow(panel)

    def _block(self, request: Request) -> None:
        """Wait, then say what is warm and what is not."""
        from ipywarmup.panel import terminal  # noqa: PLC0415

        names = request.modules or tuple(self._manager.run.ids)
        try:
            in_time = terminal.wait(self._manager, request.timeout, names)
        finally:
            if self._publisher is not None:
                self._publisher.flush(_FLUSH)
        if request.quiet:
            return
        canaries = self._manager.snapshot(self._manager.run)
        print(TableView(canaries).table.headline)
        canaries = [canary for canary in canaries if canary.module in set(names)]
        if not in_time:
            late = [canary.module for canary in canaries if not canary.ended]
            _say(f"Not warm after {request.timeout:g} s", late)
        for canary in canaries:
            if canary.status is CanaryStatus.FAILED:
                hint = f" ({canary.hint})" if canary.hint else ""
                print(printable(f"{canary.module}: {canary.error}{hint}"))


def load(shell: InteractiveShell) -> None:
    """Register the magic with a shell."""
    shell.register_magics(WarmupMagics(shell))


def unload(shell: InteractiveShell) -> None:
    """Take the magic, and all that came with it, out of a shell."""
    magics = shell.magics_manager.registry.pop(WarmupMagics.__name__, None)
    if magics is None:
        return
    magics.close()
    shell.configurables.remove(magics)
    shell.magics_manager.magics["line"].pop("warmup", None)


def _say(what: str, names: Sequence[str], otherwise: str = "") -> None:
    print(f"{what}: {enumerate_names(names, most=8)}" if names else otherwise)
