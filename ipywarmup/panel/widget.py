"""The live panel of a notebook: an ipywidgets progress bar over the table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import ipywidgets
from IPython.display import display

from ipywarmup.panel import html
from ipywarmup.panel.rows import State, tabulate
from ipywarmup.panel.views import STATUS_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ipywarmup.manager import WarmupManager
    from ipywarmup.panel.rows import Table
    from ipywarmup.run import Run

_BAR_STYLES = {
    State.RUNNING: "",
    State.COMPLETED: "success",
    State.CANCELLED: "warning",
    State.FAILED: "danger",
}


class WidgetPanel:
    """
    Follow one run in the output of one cell.

    The widgets show while the run goes on. Its end replaces them by HTML, which,
    unlike a widget, is still there when a saved notebook is opened again.

    Built and shown on the main thread; after that, only the publisher's thread
    calls `draw`, and so owns the widgets.

    Parameters
    ----------
    manager : WarmupManager
    run : Run
        What `manager.run` was when the panel was asked for.
    later : callable
        Returns lines on what is still to come.
    """

    def __init__(
        self,
        manager: WarmupManager,
        run: Run,
        later: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._manager = manager
        self._later = later
        self.run = run
        self._display_id = uuid4().hex
        table = self._table()
        # Widgets that share layout and style open fewer comms. The margins are those of
        # HTML in JupyterLab, so that nothing moves when it takes their place.
        plain = ipywidgets.Layout(margin="0")
        self.bar = ipywidgets.IntProgress(
            value=table.ended,
            max=max(1, table.total),
            # The bar itself is half as high.
            layout=ipywidgets.Layout(
                margin="0 6px", height="16px", width="auto", max_width="480px"
            ),
        )
        self.headline = ipywidgets.HTML(layout=plain)
        # The widget scrolls, not what it shows, which is replaced all the time.
        self.rows = ipywidgets.HTML(
            layout=ipywidgets.Layout(
                margin="0 20px 0 0", max_height=html.SCROLL_HEIGHT, overflow="auto"
            ),
            style=self.headline.style,
        )
        self.box = ipywidgets.VBox([self.headline, self.bar, self.rows], layout=plain)
        self._fill(table)

    def show(self, *, update: bool = False) -> None:
        """
        Display the panel in the cell that is running.

        Parameters
        ----------
        update : bool
            Where it is displayed already, in place of the HTML.
        """
        table = self._table()
        widget_view = {
            "version_major": 2,
            "version_minor": 0,
            "model_id": self.box.model_id,
        }
        widget = {"application/vnd.jupyter.widget-view+json": widget_view}
        self._publish(table, widget, update=update)

    def draw(self) -> bool:
        """Bring the widgets up to date; turn them into HTML at the end."""
        table = self._table()
        self._fill(table)
        if table.done:
            self._publish(table, {}, update=True)
        return table.done

    def close(self) -> None:
        """
        Take the widgets out of the kernel.

        Not done at the end of the run: a page that was reloaded meanwhile has lost
        the display's id, gets no HTML, and goes on showing the widgets.
        """
        for widget in (self.box, self.bar, self.headline, self.rows):
            widget.close()
        # A widget that closes leaves its layout and style open. Some are shared; to
        # close twice does nothing.
        for widget in (self.box, self.bar, self.headline, self.rows):
            widget.layout.close()
        for widget in (self.bar, self.headline):
            widget.style.close()

    def _table(self) -> Table:
        table = tabulate(
            self._manager.snapshot(self.run),
            now=time.time(),
            limit=STATUS_ROWS,
            totals=self._manager.totals(self.run),
            stalls=self._manager.stalls(self.run),
        )
        return table._replace(later=tuple(self._later()))

    def _fill(self, table: Table) -> None:
        with self.bar.hold_sync():
            self.bar.max = max(1, table.total)
            self.bar.value = table.ended if table.total else 1
            self.bar.bar_style = _BAR_STYLES[table.outcome]
        self.headline.value = html.render_headline(table)
        self.rows.value = html.render_rows(table, foldable=False)

    def _publish(
        self, table: Table, widget: dict[str, Any], *, update: bool = False
    ) -> None:
        # The text is the same at the start and at the end: a cell is compared with
        # its saved output by tools that do not follow updates.
        modules = "module" if table.total == 1 else "modules"
        bundle = {
            "text/plain": f"<warmup of {table.total} {modules}>",
            "text/html": html.render_panel(table),
            **widget,
        }
        display(bundle, raw=True, display_id=self._display_id, update=update)
