"""Imports of a notebook that wait until cells of it have run."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipywarmup.sources.collection import Collection
    from ipywarmup.sources.selection import Later


# Guarantees
# - A module begins once all cells have run to their end, as they were saved, that may
#   change what its import does; never before.
# This code assumes
# - that `ran` is called on the thread that runs cells; any may call the rest.


class Stages:
    """
    Begin imports once the cells have run that they wait for.

    Parameters
    ----------
    begin : callable
        Called with modules, on the thread that runs cells, once they may be imported.
    """

    def __init__(self, begin: Callable[[tuple[str, ...]], object]) -> None:
        self._begin = begin
        # What has run, by its text: how often.
        self._ran: collections.Counter[str] = collections.Counter()
        self._cells: dict[int, str] = {}
        self._waiting: list[Later] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Return what it is; there is one for each shell."""
        return f"<{type(self).__name__} of {__name__}>"

    @property
    def waiting(self) -> tuple[Later, ...]:
        """What waits for cells, in the order of the notebook."""
        return tuple(self._waiting)

    def plan(self, found: Collection) -> tuple[str, ...]:
        """
        Have what a notebook names wait for its cells, in place of what waits now.

        Returns
        -------
        tuple of str
            The modules for which all cells have run already.
        """
        with self._lock:
            self._cells = found.cells
            self._waiting = list(found.selection.later)
            return self._due()

    def ran(self, result: Any) -> None:  # noqa: ANN401 - an ExecutionResult
        """Note that a cell has run, and begin what has waited for it."""
        if not result.success:
            return
        with self._lock:
            self._ran[_text(result.info.raw_cell)] += 1
            due = self._due()
        if due:
            self._begin(due)

    def stop(self) -> tuple[str, ...]:
        """Let nothing wait any more; return what has."""
        with self._lock:
            stopped = tuple(each.name for each in self._waiting)
            self._waiting = []
        return stopped

    def _due(self) -> tuple[str, ...]:
        """Take out, and return, what waits for nothing any more."""
        if not self._waiting:
            return ()
        have_run = self._have_run()
        due = [each for each in self._waiting if have_run.issuperset(each.cells)]
        self._waiting = [each for each in self._waiting if each not in due]
        return tuple(each.name for each in due)

    def _have_run(self) -> set[int]:
        """Return the numbers of the cells that have run; of equal ones the first."""
        left = self._ran.copy()
        numbers = set()
        for number, code in self._cells.items():
            text = _text(code)
            if left[text] > 0:
                left[text] -= 1
                numbers.add(number)
        return numbers


def _text(code: str) -> str:
    """Return code in the form in which saved and run cells can be compared."""
    return code.strip()
