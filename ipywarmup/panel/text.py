"""The rows as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ipywarmup.panel.rows import elide

if TYPE_CHECKING:
    from ipywarmup.panel.rows import Row, Table

_HEADER = ("id", "module", "status", "thread", "elapsed", "error")


def render(table: Table) -> str:
    """
    Return a headline, what was saved, and a table.

    The headline holds no times, and a column's width does not depend on them, so
    that two runs compare equal once the times are masked.
    """
    lines = [table.headline]
    if table.savings:
        lines.append(table.savings)
    lines += map(printable, table.later)
    if table.rows:
        cells = [_HEADER, *(_cells(row) for row in table.rows)]
        id_width, module_width, status_width, thread_width = (
            max(len(line[column]) for line in cells) for column in range(4)
        )
        lines += [
            (
                f"{number:>{id_width}}  {module:<{module_width}}"
                f"  {status:<{status_width}}  {thread:<{thread_width}}"
                f"  {elapsed:>9}  {note}"
            ).rstrip()
            for number, module, status, thread, elapsed, note in cells
        ]
    if table.left_out:
        lines.append(f"... {table.left_out}")
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, str, str, str, str, str]:
    return (
        row.canary_id,
        printable(row.module),
        row.state.value,
        printable(row.thread),
        row.elapsed,
        note(row),
    )


def note(row: Row) -> str:
    """Return a row's error, hint and output in one line; empty if it has none."""
    parts = []
    if row.error:
        parts.append(elide(printable(row.error), 160))
    if row.hint:
        parts.append(f"({printable(row.hint)})")
    if row.output:
        parts.append(f"[printed: {elide(printable(row.output), 60)}]")
    return " ".join(parts)


def printable(text: str) -> str:
    """Return `text` with what could steer a terminal written out as escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )
