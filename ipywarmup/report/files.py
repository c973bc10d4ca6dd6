"""Where the time went, as data: for other programs, and for viewers of traces."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from ipywarmup.sources.files import at_home

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipywarmup.report.tree import Branch
    from ipywarmup.responsiveness.stalls import Stall

_MADE_BY = "ipywarmup"


class FileError(Exception):
    """Why a file was not written; the message is one line, with the remedy."""


def as_json(branches: Sequence[Branch], stalls: Sequence[Stall]) -> dict[str, Any]:
    """
    Return everything as data.

    Returns
    -------
    dict
        ``threads``: for each its ``name``, by which module's import it was
        ``started_by``, and its ``imports``, trees of ``module``, ``begin_ms`` (from the
        first import on), ``cumulative_ms``, ``self_ms``, ``waited_ms``, ``failed`` and
        ``imports``.
        ``stalls``: for each ``begin_ms`` and ``duration_ms``.
    """
    origin, shift = _origin(branches), _shift()
    return {
        "made_by": _MADE_BY,
        "threads": [
            {
                "name": branch.thread,
                "started_by": branch.started_by,
                "imports": [root.to_dict(origin) for root in branch.roots],
            }
            for branch in branches
        ],
        "stalls": [
            {
                "begin_ms": 1000 * (stall["start_ts"] + shift - origin),
                "duration_ms": stall["duration_ms"],
            }
            for stall in stalls
        ],
    }


def as_trace(branches: Sequence[Branch], stalls: Sequence[Stall]) -> dict[str, Any]:
    """
    Return everything as Chrome's trace events, which Perfetto and speedscope open.

    There is a lane for each thread, and one for the stalls of other threads. Times are
    microseconds from the first import on. The format is that of the "Trace Event
    Format" document of the Chromium project, its "JSON Object Format".
    """
    origin, shift = _origin(branches), _shift()
    process = os.getpid()
    # Viewers show the first lane first.
    below = len(branches) + 1

    def event(lane: int, name: str, begin: float, end: float, **more: Any) -> Any:  # noqa: ANN401
        # What is within another stays so when both are rounded.
        first, last = (round(1e6 * (moment - origin), 1) for moment in (begin, end))
        place = {
            "pid": process,
            "tid": lane,
            "ts": first,
            "dur": round(last - first, 1),
        }
        return {"name": name, "ph": "X", **place, **more}

    def name(kind: str, lane: int, words: str) -> dict[str, Any]:
        place = {"pid": process, "tid": lane, "ts": 0}
        return {"name": kind, "ph": "M", **place, "args": {"name": words}}

    events = [
        name("process_name", below, "ipywarmup"),
        name("thread_name", below, "stalls of the main thread"),
    ]
    events += [
        event(
            below,
            "stall",
            stall["start_ts"] + shift,
            stall["start_ts"] + shift + stall["duration_ms"] / 1000,
            cat="stall",
        )
        for stall in stalls
    ]
    for lane, branch in enumerate(branches, start=1):
        by = f", started by {branch.started_by}" if branch.started_by else ""
        events.append(name("thread_name", lane, f"{branch.thread}{by}"))
        events += [
            event(
                lane,
                node.module,
                node.begin,
                node.end,
                cat="failed import" if node.failed else "import",
                # Viewers find out the rest themselves; some show it behind the name.
                **({"args": {"waited_ms": node.waited_ms}} if node.waited else {}),
            )
            for root in branch.roots
            for _, node in root.walk()
        ]
    made_by = {"made_by": _MADE_BY}
    return {"otherData": made_by, "displayTimeUnit": "ms", "traceEvents": events}


def write(path: str, content: dict[str, Any]) -> None:
    """
    Write data to a file, in the place of one that was written here before.

    Raises
    ------
    FileError
        If it cannot be written, or holds something else.
    """
    file = at_home(path)
    try:
        if file.exists():
            with file.open("rb") as former:
                ours = _MADE_BY.encode() in former.read(80)
            if not ours:
                raise FileError(
                    f"{path!r} holds something else; name another file, or delete it"
                )
        file.write_text(json.dumps(content), encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path!r} cannot be written: {reason}") from None


def _origin(branches: Sequence[Branch]) -> float:
    return min(
        (root.begin for branch in branches for root in branch.roots), default=0.0
    )


def _shift() -> float:
    """Return what to add to the wall clock to get the clock of the imports."""
    return time.perf_counter() - time.time()
