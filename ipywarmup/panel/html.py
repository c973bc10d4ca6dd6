"""The rows as HTML that needs no style sheet, no script and no trust."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ipywarmup.panel.rows import State, elide

if TYPE_CHECKING:
    from ipywarmup.panel.rows import Row, Table

# A style is written out on each element, since a frontend's own rules for tables would
# win otherwise, and since an untrusted notebook keeps nothing else. JupyterLab strips
# values with a variable from untrusted HTML: where there are two, the first is for it.
# Variables are those of JupyterLab, VS Code and Colab; nbconvert has JupyterLab's.

_LOOKS = {
    State.QUEUED: ("○", ""),
    State.RUNNING: ("◐", "#2f7fd1"),
    State.COMPLETED: ("✓", "#2e9e5b"),
    State.FAILED: ("✗", "#e0483e"),
    State.CANCELLED: ("⊘", "#b98900"),
}
_THEMED = {
    State.RUNNING: "var(--jp-brand-color1, #2f7fd1)",
    State.COMPLETED: "var(--jp-success-color1, #2e9e5b)",
    State.FAILED: "var(--jp-error-color1, #e0483e)",
    State.CANCELLED: "var(--jp-warn-color1, #b98900)",
}
_INDENT = "6px"
"""Where text begins, so that it stands under what the cell has printed."""
_MUTED = "opacity:0.65"
_FRAME = "margin:0;font-size:13px;line-height:1.5"
_TABLE = (
    "margin:0;border:none;border-collapse:collapse;table-layout:auto;font-size:13px;"
    "color:inherit;font-variant-numeric:tabular-nums"
)
_ROW = "border-bottom:1px solid rgba(128,128,128,0.25);background:transparent"
_CELL = f"padding:2px 14px 2px {_INDENT};line-height:1.5;vertical-align:top"
_LEFT = f"{_CELL};text-align:left;white-space:nowrap"
_RIGHT = f"{_CELL};text-align:right;white-space:nowrap"
_MODULE = (
    f"{_LEFT};font-family:monospace;font-family:var(--jp-code-font-family,monospace)"
)
_NOTE = f"{_CELL};text-align:left;white-space:pre-wrap;overflow-wrap:anywhere"
_EDGE = "rgba(128,128,128,0.5)"
# Rows pass beneath what sticks, so it needs a background, and a colour that goes with
# it. Without trust both are lost, and with them, by way of a variable that nobody
# sets, the sticking.
_STICKS = (
    "position:var(--ipywarmup-position,sticky);z-index:1;"
    "background:var(--jp-layout-color0,var(--vscode-editor-background,"
    "var(--colab-primary-surface-color,Canvas)));"
    "color:var(--jp-content-font-color1,var(--vscode-editor-foreground,"
    "var(--colab-primary-text-color,CanvasText)))"
)
# A border would stay behind when the head of the table sticks. It sticks out by one
# pixel, or the rows would show in the gap that rounding to whole pixels can leave.
_HEAD = f"{_STICKS};top:-1px;box-shadow:inset 0 -1px {_EDGE}"
# Widths that hold the columns still while words and times change.
_COLUMNS = (
    ("id", _RIGHT, "2em"),
    ("module", _LEFT, "8em"),
    ("status", _LEFT, "7em"),
    ("thread", _LEFT, "7em"),
    ("elapsed", _RIGHT, "5em"),
    ("error", _LEFT, "14em"),
)
SCROLL_HEIGHT = "360px"
"""The most height of the rows; beyond it they scroll."""
_LONGEST_ERROR = 500
_LONGEST_OUTPUT = 2000
"""Characters of an error or an output that are drawn."""


def render(table: Table) -> str:
    """Return a headline and a table."""
    return f'<div class="ipywarmup">{render_headline(table)}{_scrolling(table)}</div>'


def render_panel(table: Table) -> str:
    """Return what stays of a panel: its headline, its bar, its table."""
    percent = 100 * table.ended // table.total if table.total else 100
    state = table.outcome
    bar = (
        f'<div role="progressbar" aria-valuemin="0" aria-valuemax="{table.total}"'
        f' aria-valuenow="{table.ended}" aria-label="modules imported"'
        f' style="height:8px;max-width:480px;margin:4px {_INDENT};'
        "background:rgba(128,128,128,0.2);"
        'background:var(--jp-layout-color2,rgba(128,128,128,0.2))">'
        f'<div style="height:8px;width:{percent}%;background:{_LOOKS[state][1]};'
        f'background:{_THEMED[state]}"></div></div>'
    )
    return (
        '<div class="ipywarmup-panel">'
        f"{render_headline(table)}{bar}{_scrolling(table)}</div>"
    )


def render_headline(table: Table) -> str:
    """Return the headline, and below it what was saved."""
    savings = (
        f'<div style="{_FRAME};padding:0 {_INDENT} 2px;{_MUTED}">{table.savings}</div>'
        if table.savings
        else ""
    )
    return (
        f'<div style="{_FRAME};padding:2px {_INDENT};font-weight:600">'
        f"{_escape(table.headline)}</div>{savings}"
    )


def render_rows(table: Table, *, foldable: bool = True) -> str:
    """
    Return the table alone; empty without rows.

    Parameters
    ----------
    table : Table
    foldable : bool
        Whether outputs can be unfolded. What is drawn again and again would fold
        them up at once.
    """
    if not table.rows:
        return ""
    head = "".join(
        f'<th scope="col" style="{style};{_HEAD};min-width:{width}">'
        f'<span style="{_MUTED};font-weight:600">{name}</span></th>'
        for name, style, width in _COLUMNS
    )
    body = "".join(_row(row, foldable=foldable) for row in table.rows)
    more = (
        f'<div style="{_FRAME};padding:4px {_INDENT};{_STICKS};bottom:-1px;'
        f'box-shadow:inset 0 1px {_EDGE}">… {_escape(table.left_out)}</div>'
        if table.left_out
        else ""
    )
    return (
        f'<table style="{_TABLE}"><thead style="border:none"><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{more}"
    )


def _scrolling(table: Table) -> str:
    rows = render_rows(table)
    if not rows:
        return ""
    return f'<div style="max-height:{SCROLL_HEIGHT};overflow:auto">{rows}</div>'


def _escape(text: str) -> str:
    """Escape markup, and half surrogate pairs, which no message can carry."""
    return html.escape(text.encode(errors="backslashreplace").decode())


def _row(row: Row, *, foldable: bool) -> str:
    mark, _ = _LOOKS[row.state]
    cells = (
        (f"{_RIGHT};{_MUTED}", row.canary_id),
        (_MODULE, _escape(row.module)),
        (f"{_LEFT};{_colour(row.state)}", f"{mark} {row.state}"),
        (f"{_LEFT};{_MUTED}", _escape(row.thread)),
        (_RIGHT, row.elapsed),
    )
    drawn = "".join(f'<td style="{style}">{cell}</td>' for style, cell in cells)
    note = _note(row, foldable=foldable)
    # Most rows have none, and there can be thousands of them.
    drawn += f'<td style="{_NOTE}">{note}</td>' if note else "<td></td>"
    return f'<tr style="{_ROW}">{drawn}</tr>'


def _colour(state: State) -> str:
    """Return the style of a state: its colour, drawn towards that of the text."""
    if state is State.QUEUED:
        return _MUTED
    themed = f"color-mix(in srgb,{_THEMED[state]} 80%,currentColor)"
    return f"color:{_LOOKS[state][1]};color:{themed}"


def _muted(text: str) -> str:
    return f'<span style="{_MUTED}">{text}</span>'


def _note(row: Row, *, foldable: bool) -> str:
    words = []
    if row.error:
        words.append(_escape(elide(row.error, _LONGEST_ERROR)))
    if row.hint:
        words.append(f"<b>{_escape(row.hint)}</b>")
    if not row.output:
        return "\n".join(words)
    lines = row.output.count("\n") + 1
    summary = f"printed {lines} line{'s' * (lines > 1)}"
    if not foldable:
        return "\n".join([*words, _muted(summary)])
    # This is a block, which begins a line anyway.
    return "\n".join(words) + (
        f'<details><summary style="{_MUTED}">{summary}</summary>'
        '<pre style="margin:0;background:transparent;color:inherit;'
        f'white-space:pre-wrap">{_escape(elide(row.output, _LONGEST_OUTPUT))}</pre>'
        "</details>"
    )
