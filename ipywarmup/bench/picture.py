"""A picture of the stalls over time."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from ipywarmup.bench.figures import KINDS, percentile
from ipywarmup.bench.report import TITLES
from ipywarmup.bench.rounds import is_installed

if TYPE_CHECKING:
    from ipywarmup.bench.figures import Measured, Results

SUFFIXES = (".png", ".svg")
_FLOOR = 0.05
"""The shortest stall that is drawn, in milliseconds; an idle machine has these."""


def objection(path: str) -> str | None:
    """Return in one line why no picture can be drawn into this file, if so."""
    if Path(path).suffix.lower() not in SUFFIXES:
        return f"a plot is written to a {' or '.join(SUFFIXES)} file, not to {path!r}"
    if not Path(path).absolute().parent.is_dir():
        return f"there is no folder for the plot {path!r}; create it first"
    if not is_installed("matplotlib"):
        return "a plot needs matplotlib; install it with: pip install matplotlib"
    return None


def draw(results: Results, path: str) -> None:
    """
    Draw a strip for each kind: each stall, as high and as wide as it was long.

    Parameters
    ----------
    results : Results
        The round that took the median time is shown of each kind.
    path : str
        The picture's file; its suffix says which format.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy, and not for the rest

    shown = {kind: _typical(results, kind) for kind in KINDS}
    picture = Figure(figsize=(9, 8), layout="constrained")
    strips = picture.subplots(len(KINDS), sharex=True, sharey=True)
    for strip, (kind, measured) in zip(strips, shown.items(), strict=True):
        strip.set_yscale("log")
        strip.grid(visible=True, axis="y", alpha=0.3)
        strip.set_title(TITLES[kind], loc="left", fontsize="medium")
        if measured is None:
            continue
        times: list[float] = []
        heights: list[float] = []
        for at, stall in zip(measured.at_ms, measured.stalls_ms, strict=True):
            times += [at / 1000, (at + stall) / 1000]
            heights += [max(stall, _FLOOR), _FLOOR]
        strip.fill_between(times, heights, _FLOOR, step="post", linewidth=0.5)
        worst, p99 = max(measured.stalls_ms), percentile(measured.stalls_ms, 0.99)
        strip.set_title(
            f"total {measured.total_ms:.0f} ms, worst stall {worst:.1f} ms,"
            f" p99 {p99:.1f} ms",
            loc="right",
            fontsize="small",
        )
    strips[0].set_ylim(bottom=_FLOOR)
    strips[-1].set_xlabel("seconds since the first import was asked for")
    picture.supylabel("stall of the main thread, ms")
    picture.savefig(path, dpi=150)


def _typical(results: Results, kind: str) -> Measured | None:
    """Return the measurement of median length, None if there is none."""
    measured = [part[kind] for part in results.rounds if kind in part]
    if not measured:
        return None
    middle = statistics.median_low(each.total_ms for each in measured)
    return next(each for each in measured if each.total_ms == middle)
