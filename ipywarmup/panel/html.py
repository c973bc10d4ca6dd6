"""The rows as HTML that needs no style sheet, no script and no trust."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ipywarmup.panel.rows import State, elide

if TYPE_CHECKING:
    from ipywarmup.panel.rows import Row, Table

# Colours that read on white and on black; the mark and the word say the same.
_LOOKS = {
    State.QUEUED: ("○", "inherit"),
    State.RUNNING: ("▶", "#2f7fd1"),
    State.COMPLETED: ("✓", "#2e9e5b"),
    State.FAILED: ("✗", "#e0483e"),
    State.CANCELLED: ("⊘", "#b98900"),
}
_BAR = {False: _LOOKS[State.COMPLETED][1], True: _LOOKS[State.FAILED][1]}
_LINE = "1px solid rgba(128, 128, 128, 0.3)"
_CELL = f"padding: 2px 10px 2px 0; text-align: left; border-bottom: {_LINE}"
_MONO = "font-family: var(--jp-code-font-family, monospace)"
_LONGEST = 2000
"""Characters of an error or an output that are drawn."""


def render(table: Table) -> str:
    """Return a headline and a table."""
    return (
        f'<div class="ipywarmup"><div><b>{_escape(table.headline)}</b></div>'
        f"{render_rows(table)}</div>"
    )


def render_panel(table: Table) -> str:
    """Return what stays of a panel: its headline, its bar, its table."""
    percent = 100 * table.ended // table.total if table.total else 100
    colour = _BAR[State.FAILED in table.counts]
    bar = (
        f'<div role="progressbar" aria-valuemin="0" aria-valuemax="{table.total}"'
        f' aria-valuenow="{table.ended}" aria-label="modules imported"'
        ' style="height: 8px; width: 300px; max-width: 100%; margin: 6px 0;'
        ' background: rgba(128, 128, 128, 0.25); border-radius: 4px">'
        f'<div style="height: 8px; width: {percent}%; background: {colour};'
        ' border-radius: 4px"></div></div>'
    )
    return (
        '<div class="ipywarmup-panel">'
        f"<div><b>{_escape(table.headline)}</b></div>{bar}{render_rows(table)}</div>"
    )


def render_rows(table: Table) -> str:
    """Return the table alone, scrolling where it is long; empty without rows."""
    if not table.rows:
        return ""
    head = "".join(
        f'<th scope="col" style="{_CELL}">{name}</th>'
        for name in ("id", "module", "status", "thread", "elapsed", "error")
    )
    body = "".join(_row(row) for row in table.rows)
    more = f"<div>… {_escape(table.left_out)}</div>" if table.left_out else ""
    return (
        '<div style="max-height: 24em; overflow: auto; line-height: 1.5">'
        '<table style="border-collapse: collapse; margin: 0; font-size: 0.92em">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}"
    )


def _escape(text: str) -> str:
    """Escape markup, and half surrogate pairs, which no message can carry."""
    return html.escape(text.encode(errors="backslashreplace").decode())


def _row(row: Row) -> str:
    mark, colour = _LOOKS[row.state]
    cells = (
        row.canary_id,
        f'<span style="{_MONO}">{_escape(row.module)}</span>',
        f'<span style="color: {colour}; white-space: nowrap">{mark} {row.state}</span>',
        f'<span style="white-space: nowrap">{_escape(row.thread)}</span>',
        f'<span style="white-space: nowrap">{row.elapsed}</span>',
        _note(row),
    )
    return (
        "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"
    )


def _note(row: Row) -> str:
    parts = []
    if row.error:
        parts.append(f"<span>{_escape(elide(row.error, _LONGEST))}</span>")
    if row.hint:
        parts.append(f"<b>{_escape(row.hint)}</b>")
    if row.output:
        lines = row.output.count("\n") + 1
        parts.append(
            f"<details><summary>printed {lines} line{'s' * (lines > 1)}</summary>"
            f'<pre style="margin: 0; white-space: pre-wrap">'
            f"{_escape(elide(row.output, _LONGEST))}</pre></details>"
        )
    return " ".join(parts)
