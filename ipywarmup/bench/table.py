"""Quantities and how they relate, measured side by side in each round, as a table."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Line(NamedTuple):
    """One measured quantity: its key, its words, its unit."""

    key: str
    what: str
    unit: str


class Ratio(NamedTuple):
    """How two quantities relate: their keys, and its words."""

    upper: str
    lower: str
    what: str


def show(
    lines: Sequence[Line],
    ratios: Sequence[Ratio],
    measured: Sequence[Mapping[str, float]],
    *,
    as_json: bool,
) -> None:
    """
    Print the middle and the ends of each quantity, and of each ratio.

    Parameters
    ----------
    lines, ratios : sequence
        What to print, in this order.
    measured : sequence of dict
        For each round the figures by key.
    as_json : bool
        Print these instead.
    """
    if as_json:
        print(json.dumps(measured))
        return
    print(f"{'':<66}{'median':>8}{'min':>8}{'max':>8}")
    for line in lines:
        figures = [figures[line.key] for figures in measured]
        middle = statistics.median(figures)
        print(
            f"{line.what:<66}{middle:>8.1f}{min(figures):>8.1f}{max(figures):>8.1f}"
            f" {line.unit}"
        )
    for upper, lower, what in ratios:
        # Round by round: what slows a machine down for minutes slows both.
        shares = [figures[upper] / figures[lower] for figures in measured]
        middle = statistics.median(shares)
        print(f"{what:<66}{middle:>8.3f}{min(shares):>8.3f}{max(shares):>8.3f}")
