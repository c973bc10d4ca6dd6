"""What a kernel imports in the foreground, in cells that import something new."""

from __future__ import annotations

import ast
import contextlib
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipywarmup.importlock.traces import Trace

LEAST_MS = 100.0
"""Milliseconds that an import has to take before anybody would want it warmed."""


class Foreground:
    """
    Time the imports of cells.

    IPython shows each cell to `visit` before it runs, and calls `end` after it. Nothing
    is done for a cell without an import statement for something new.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._stack = contextlib.ExitStack()
        self._timing = False
        # By module, in the order in which they were imported: milliseconds, without
        # those of waiting for others.
        self.took_ms: dict[str, float] = {}

    def __repr__(self) -> str:
        """Return what it is; there is one for each shell."""
        return f"<{type(self).__name__} of {__name__}>"

    def visit(self, cell: ast.AST) -> ast.AST:
        """Look at a cell that is about to run; it stays as it is."""
        if (
            not self._timing
            and threading.get_ident() == self._thread
            and any(name not in sys.modules for name in _imported(cell))
        ):
            self._begin()
        return cell

    def end(self) -> None:
        """Note down what the cell has imported."""
        if not self._timing or threading.get_ident() != self._thread:
            return
        self._timing = False
        self._stack.close()

    def suggestions(self, settled: set[str]) -> dict[str, float]:
        """
        Return what would be worth a warmup, the costliest first.

        Parameters
        ----------
        settled : set of str
            Modules that have been warmed anyway, or never can be.

        Returns
        -------
        dict of str to float
            By module: the milliseconds that it took.
        """
        found = {
            name: took
            for name, took in self.took_ms.items()
            if took >= LEAST_MS and name not in settled
        }
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _begin(self) -> None:
        # Loading the extension does not bring these.
        from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415
        from ipywarmup.importlock.traces import Trace, tracing  # noqa: PLC0415

        trace = Trace()
        with contextlib.ExitStack() as stack:
            hooks.record(self)
            stack.callback(hooks.stop_recording, self)
            stack.callback(self._note, trace)
            stack.enter_context(tracing(trace))
            self._stack = stack.pop_all()
        self._timing = True

    def _note(self, trace: Trace) -> None:
        from ipywarmup.report.tree import branches  # noqa: PLC0415

        for branch in branches(trace):
            for root in branch.roots if branch.started_by is None else ():
                if not root.failed:
                    self.took_ms[root.module] = sum(
                        node.self_ms for _, node in root.walk()
                    )


def _imported(cell: ast.AST) -> Iterator[str]:
    """Yield what the import statements of a cell name."""
    for node in ast.walk(cell):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
