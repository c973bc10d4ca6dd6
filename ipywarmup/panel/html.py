"""The rows as HTML that needs no style sheet, no script and no trust."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ipywarmup.panel.rows import State, duration, elide

if TYPE_CHECKING:
    from ipywarmup.panel.rows import Row, Table
    from ipywarmup.panel.timeline import Track

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
_LINE = "border-bottom:1px solid rgba(128,128,128,0.25);"
_ROW = "background:transparent"
_CELL = f"padding:2px 14px 2px {_INDENT};line-height:1.5;vertical-align:top"
_LEFT = f"{_CELL};text-align:left;white-space:nowrap"
_RIGHT = f"{_CELL};text-align:right;white-space:nowrap"
_MODULE = (
    f"{_LEFT};font-family:monospace;font-family:var(--jp-code-font-family,monospace)"
)
_NOTE = (
    f"{_CELL};padding-left:20px;text-align:left;white-space:pre-wrap;"
    "overflow-wrap:anywhere"
)
_PRE = (
    "margin:0;padding:0 0 4px;background:transparent;color:inherit;white-space:pre-wrap"
)
_EDGE = "rgba(128,128,128,0.5)"
# Rows pass beneath what sticks, so it needs a background, and a colour that goes with
# it. Without trust both are lost, and with them, by way of a variable that nobody
# sets, the sticking.
_STICKS = (
    "position:var(--ipywarmup-position,sticky);z-index:2;"
    "background:var(--jp-layout-color0,var(--vscode-editor-background,"
    "var(--colab-primary-surface-color,Canvas)));"
    "color:var(--jp-content-font-color1,var(--vscode-editor-foreground,"
    "var(--colab-primary-text-color,CanvasText)))"
)
# A border would stay behind when the head of the table sticks, and cells that stick one
# by one would show where they end between two pixels. It sticks out by one pixel, or
# the rows would show in the gap that rounding to whole pixels can leave.
_HEAD = f"border:none;{_STICKS};top:-1px;box-shadow:inset 0 -1px {_EDGE}"
# Widths that hold the columns still while words and times change.
_COLUMNS = (
    ("id", _RIGHT, "2em"),
    ("module", _LEFT, "8em"),
    ("status", _LEFT, "7em"),
    ("thread", _LEFT, "7em"),
    ("elapsed", _RIGHT, "5em"),
)
_WITH_TIMELINE = (
    ("module", _LEFT, "6em"),
    ("status", _LEFT, "1em"),
    ("timeline", f"{_LEFT};width:100%", "90px"),
    ("elapsed", _RIGHT, "5em"),
)
# Where there is no room, a mark stands for its word, which is still read aloud. What
# is lost without trust is only this.
_NARROW = (
    "<style>.ipywarmup-rows{container-type:inline-size}"
    "@container (max-width:480px){"
    ".ipywarmup-rows th,.ipywarmup-rows td{padding-right:4px!important}"
    ".ipywarmup-name{white-space:normal!important;overflow-wrap:anywhere}"
    ".ipywarmup-word{position:absolute;width:1px;height:1px;overflow:hidden;"
    "clip-path:inset(50%)}}</style>"
)
# A track is 12 pixels high. What waits is a thin pale line, what was imported a bar;
# one that has failed is thinner, and ends in a cross. Stalls lie on top of the bar.
_TRACK = "position:relative;height:12px;margin:4px 0 0"
_WAITING = "top:5px;height:2px;background:rgba(128,128,128,0.5)"
_BAR = "top:1px;height:10px;min-width:2px;border-radius:2px"
_FAILED_BAR = "top:4px;height:4px;min-width:2px"
_CROSS = "top:-4px;margin-left:-5px;font-style:normal;font-weight:bold;line-height:20px"
_STALL = "top:-3px;height:3px;min-width:3px;background:#888;background:currentColor"
SCROLL_HEIGHT = "360px"
"""The most height of the rows; beyond it they scroll."""
_LONGEST_ERROR = 500
_LONGEST_TRACEBACK = 3000
_LONGEST_OUTPUT = 2000
"""Characters of an error, the end of a traceback, and an output that are drawn."""


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
    """Return the headline, and below it what was saved, and what is to come."""
    below = "".join(
        f'<div style="{_FRAME};padding:0 {_INDENT} 2px;{_MUTED}">{escape(line)}</div>'
        for line in (table.savings, *table.later)
        if line
    )
    return (
        f'<div style="{_FRAME};padding:2px {_INDENT};font-weight:600">'
        f"{escape(table.headline)}</div>{below}"
    )


def render_rows(table: Table, *, foldable: bool = True) -> str:
    """
    Return the table alone; empty without rows.

    Parameters
    ----------
    table : Table
    foldable : bool
        Whether tracebacks and outputs can be unfolded. What is drawn again and again
        would fold them up at once.
    """
    if not table.rows:
        return ""
    timed = table.length_ms is not None
    columns = _WITH_TIMELINE if timed else _COLUMNS
    head = "".join(
        f'<th scope="col" style="{style};min-width:{width}">'
        f'<span style="{_MUTED};font-weight:600">{_title(table, name)}</span></th>'
        for name, style, width in columns
    )
    body = "".join(
        _row(row, foldable=foldable, columns=len(columns)) for row in table.rows
    )
    more = (
        f'<div style="{_FRAME};padding:4px {_INDENT};{_STICKS};bottom:-1px;'
        f'box-shadow:inset 0 1px {_EDGE}">… {escape(table.left_out)}</div>'
        if table.left_out
        else ""
    )
    width = ";width:100%;max-width:900px" if timed else ""
    return (
        f'<div class="ipywarmup-rows">{_NARROW}<table style="{_TABLE}{width}">'
        f'<thead style="{_HEAD}"><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>{more}{_LEGEND if timed else ''}</div>"
    )


def _scrolling(table: Table) -> str:
    rows = render_rows(table)
    if not rows:
        return ""
    return f'<div style="max-height:{SCROLL_HEIGHT};overflow:auto">{rows}</div>'


def escape(text: str) -> str:
    """Escape markup, and half surrogate pairs, which no message can carry."""
    return html.escape(text.encode(errors="backslashreplace").decode())


def _title(table: Table, name: str) -> str:
    """Return what stands above a column."""
    if name == "status" and table.length_ms is not None:
        return '<span class="ipywarmup-word">status</span>'
    if name == "timeline" and table.length_ms is not None:
        word = '<span class="ipywarmup-word">timeline, </span>'
        return f"{word}{duration(table.length_ms)}"
    return name


def _row(row: Row, *, foldable: bool, columns: int) -> str:
    mark, _ = _LOOKS[row.state]
    module = f'<td class="ipywarmup-name" style="{_MODULE}">{escape(row.module)}</td>'
    status = f"{_LEFT};position:relative;{_colour(row.state)}"
    elapsed = f'<td style="{_RIGHT}">{row.elapsed}</td>'
    if row.track is None:
        drawn = (
            f'<td style="{_RIGHT};{_MUTED}">{row.canary_id}</td>{module}'
            f'<td style="{status}">{mark} {row.state}</td>'
            f'<td style="{_LEFT};{_MUTED}">{escape(row.thread)}</td>{elapsed}'
        )
    else:
        drawn = (
            f'{module}<td style="{status}">{mark}'
            f'<span class="ipywarmup-word"> {row.state}</span></td>'
            f'<td style="{_LEFT}">{_track(row, row.track)}</td>{elapsed}'
        )
    note = _note(row, foldable=foldable)
    # Most rows have none, and there can be thousands of them.
    if not note:
        return f'<tr style="{_LINE}{_ROW}">{drawn}</tr>'
    return (
        f'<tr style="{_ROW}">{drawn}</tr><tr class="ipywarmup-note" style="{_LINE}'
        f'{_ROW}"><td colspan="{columns}" style="{_NOTE}">{note}</td></tr>'
    )


def _track(row: Row, track: Track) -> str:
    """Return a row's part of the timeline, and its words for who does not see it."""
    words = f"waited {duration(track.waited_ms)}"
    drawn = ""
    if track.submit < track.begin:
        drawn += _piece("i", track.submit, track.begin, _WAITING)
    if row.elapsed:
        words += f", imported for {row.elapsed}"
        bar = _FAILED_BAR if row.state is State.FAILED else _BAR
        drawn += _piece("i", track.begin, track.end, f"{bar};{_background(row.state)}")
    if row.state is State.FAILED:
        place = f"left:{_percent(track.end)};{_CROSS};{_colour(row.state)}"
        drawn += f'<i aria-hidden="true" style="position:absolute;{place}">✗</i>'
    if track.stalls:
        worst = max(stall.duration_ms for stall in track.stalls)
        words += f", stalls: {len(track.stalls)}, the longest {duration(worst)}"
    for stall in track.stalls:
        title = f' title="stall of {duration(stall.duration_ms)}"'
        drawn += _piece("b", stall.begin, stall.end, _STALL, title)
    return (
        f'<div class="ipywarmup-track" role="img" title="{words}" style="{_TRACK}">'
        f"{drawn}</div>"
    )


def _piece(tag: str, begin: float, end: float, style: str, title: str = "") -> str:
    width = f"left:{_percent(begin)};width:{_percent(max(0.0, end - begin))}"
    return f'<{tag}{title} style="position:absolute;{width};{style}"></{tag}>'


def _percent(part: float) -> str:
    return f"{100 * part:.3g}%"


def _background(state: State) -> str:
    return f"background:{_LOOKS[state][1]};background:{_THEMED[state]}"


def _legend() -> str:
    """Return what the shapes of the timeline mean."""
    samples = (
        (_WAITING, 20, "in the queue"),
        (f"{_BAR};{_background(State.COMPLETED)}", 20, "imported"),
        (_STALL, 6, "stall of 10 ms or more"),
    )
    drawn = "".join(
        '<span style="display:inline-block;margin:0 14px 0 0;white-space:nowrap">'
        '<span style="display:inline-block;position:relative;height:12px;'
        f'vertical-align:middle;width:{width + 6}px"><i style="position:absolute;'
        f'left:0;width:{width}px;{style}"></i></span>{words}</span>'
        for style, width, words in samples
    )
    return (
        f'<div aria-hidden="true" style="{_FRAME};padding:4px {_INDENT};{_MUTED};'
        f'font-size:12px">{drawn}</div>'
    )


_LEGEND = _legend()


def _colour(state: State) -> str:
    """Return the style of a state: its colour, drawn towards that of the text."""
    if state is State.QUEUED:
        return _MUTED
    themed = f"color-mix(in srgb,{_THEMED[state]} 80%,currentColor)"
    return f"color:{_LOOKS[state][1]};color:{themed}"


def _muted(text: str) -> str:
    return f'<span style="{_MUTED}">{text}</span>'


def _note(row: Row, *, foldable: bool) -> str:
    """Return what there is to tell of a row, and, folded up, all that there is."""
    words = []
    if row.error:
        words.append(escape(elide(row.error, _LONGEST_ERROR)))
    if row.hint:
        words.append(f"<b>{escape(row.hint)}</b>")
    within = []
    body = ""
    if row.traceback and foldable:
        within.append("traceback")
        text = row.traceback
        if len(text) > _LONGEST_TRACEBACK:
            text = f"…{text[-_LONGEST_TRACEBACK:]}"
        body += f'<pre style="{_PRE}">{escape(text)}</pre>'
    if row.output:
        lines = row.output.count("\n") + 1
        within.append(f"printed {lines} line{'s' * (lines > 1)}")
        output = escape(elide(row.output, _LONGEST_OUTPUT))
        body += f'<pre style="{_PRE};border-top:1px dotted {_EDGE}">{output}</pre>'
    if within:
        words.append(_muted(", ".join(within)))
    told = "\n".join(words)
    if not within or not foldable:
        return told
    return f"<details><summary>{told}</summary>{body}</details>"
