"""What `%warmup status` and `%warmup canaries` return."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ipywarmup.panel import html, text
from ipywarmup.panel.rows import tabulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipywarmup.canary import Canary
    from ipywarmup.panel.rows import Table
    from ipywarmup.responsiveness.stalls import Stall
    from ipywarmup.run import Totals

STATUS_ROWS = 100
CANARY_ROWS = 2000


class TableView:
    """
    A moment of a warmup, shown as text or HTML by whichever frontend displays it.

    Parameters
    ----------
    canaries : sequence of Canary
    totals : dict, optional
        What `WarmupManager.totals` returns; nothing is said of it otherwise.
    stalls : sequence of Stall, optional
        What `WarmupManager.stalls` returns; no timeline is drawn otherwise.
    later : sequence of str
        Lines on what is still to come.
    limit : int
        The most rows drawn.
    """

    def __init__(
        self,
        canaries: Sequence[Canary],
        totals: Totals | None = None,
        stalls: Sequence[Stall] | None = None,
        later: Sequence[str] = (),
        *,
        limit: int = STATUS_ROWS,
    ) -> None:
        table = tabulate(
            canaries, now=time.time(), limit=limit, totals=totals, stalls=stalls
        )
        self.table: Table = table._replace(later=tuple(later))

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002 - IPython filters what it gets
        exclude: object = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return text/plain, whose first line has no times, and text/html."""
        return {
            "text/plain": text.render(self.table),
            "text/html": html.render(self.table),
        }

    def __repr__(self) -> str:
        """Return the text."""
        return text.render(self.table)
