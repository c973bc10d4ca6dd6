"""Statistics on what was measured; nothing here measures or prints."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PLAIN, NAIVE, CROWDED, LAZY, WARMUP = KINDS = (
    *("plain", "naive-1", "naive-8", "lazy", "warmup"),
)
"""The ways to import that are compared; the number is that of naive's threads."""
LOOPS = ("python", "numpy")
"""What keeps the main thread busy."""
STALLS = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "worst": 1.0}

LARGEST_SPREAD = 0.25
"""How far the totals of plain imports may lie apart, as a share of their median."""
LONGEST_IDLE_STALL_MS = 2.0
"""What 99 of 100 beats of an idle process may oversleep, in milliseconds."""
SMALLEST_SHARE = 0.9
"""How much of a processor a process ought to get that computes."""


@dataclass(frozen=True)
class Measured:
    """
    One way to import, measured once with an idle main thread.

    Parameters
    ----------
    total_ms : float
        Milliseconds until the last import had ended.
    at_ms : list of float
        When each beat of the main thread began, in milliseconds from the start.
    stalls_ms : list of float
        How much longer each beat took than it should have, in milliseconds.
    later_ms : float
        Milliseconds that the import statements took afterwards, together.
    memory_mb : float
        The most memory that was resident, in megabytes (1,000,000 bytes).
    failures : list of str
        ``"module: error"`` for each import that failed.
    """

    total_ms: float
    at_ms: list[float]
    stalls_ms: list[float]
    later_ms: float
    memory_mb: float
    failures: list[str]


@dataclass(frozen=True)
class Busy:
    """
    One way to import, measured once beside a loop on the main thread.

    Parameters
    ----------
    import_ms : float
        Milliseconds until the last import had ended.
    slowdown : float
        How many times longer a turn of the loop took than without imports.
    failures : list of str
        ``"module: error"`` for each import that failed.
    """

    import_ms: float
    slowdown: float
    failures: list[str]


@dataclass(frozen=True)
class Idle:
    """
    What the machine lets a process do that imports nothing.

    Parameters
    ----------
    stalls_ms : list of float
        How much longer each beat took than it should have, in milliseconds.
    share : float
        How much of a processor it gets when it computes, 1 for all.
    """

    stalls_ms: list[float]
    share: float


@dataclass(frozen=True)
class Results:
    """
    All that a run of the benchmark has measured.

    Parameters
    ----------
    modules, busy_modules : list of str
        What was imported, beside an idle and beside a busy main thread.
    rounds : list of dict
        For each round the figures of each kind; a process that died left none.
    busy : list of dict
        The same under ``"loop kind"``.
    idle : list of Idle
        For each round, what the machine let a process do that imports nothing.
    deaths : list of str
        Which processes left no figures, and why.
    left_out : dict of str to str
        Modules that were to be imported and cannot be, with their errors.
    switch_interval : float
        The one that warmups have borrowed, in seconds.
    """

    modules: list[str]
    busy_modules: list[str]
    rounds: list[dict[str, Measured]]
    busy: list[dict[str, Busy]]
    idle: list[Idle]
    deaths: list[str]
    left_out: dict[str, str]
    switch_interval: float


class Spread(NamedTuple):
    """The middle and the ends of some figures."""

    median: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the way from the lowest to the highest."""
        return (self.high - self.low) / 2


def spread_of(figures: Iterable[float]) -> Spread | None:
    """Return the spread of some figures, None of none at all."""
    ordered = sorted(figures)
    if not ordered:
        return None
    return Spread(statistics.median(ordered), ordered[0], ordered[-1])


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the least figure that no more than ``1 - share`` of them exceed."""
    # Rounded, since 0.95 of 100 is a hair more than 95 in floating point.
    rank = math.ceil(round(share * len(figures), 6))
    return sorted(figures)[max(rank, 1) - 1]


def stall(name: str) -> Callable[[Measured], float]:
    """Return what takes the percentile of this name out of a measurement."""
    return lambda measured: percentile(measured.stalls_ms, STALLS[name])


def total(measured: Measured) -> float:
    """Return the milliseconds that the imports took."""
    return measured.total_ms


def spread(
    results: Results, kind: str, figure: Callable[[Measured], float]
) -> Spread | None:
    """Return the spread of a figure over the rounds."""
    return spread_of(figure(part[kind]) for part in results.rounds if kind in part)


def ratio(
    results: Results, upper: str, lower: str, figure: Callable[[Measured], float]
) -> Spread | None:
    """
    Return how the figures of two kinds relate, round by round.

    What slows a machine down for minutes slows both, so their ratio moves less
    than either.
    """
    return spread_of(
        figure(part[upper]) / figure(part[lower])
        for part in results.rounds
        if upper in part and lower in part and figure(part[lower]) > 0
    )


def busy_spread(
    results: Results, loop: str, kind: str, figure: Callable[[Busy], float]
) -> Spread | None:
    """Return the spread of a figure that was measured beside a loop."""
    key = f"{loop} {kind}"
    return spread_of(figure(part[key]) for part in results.busy if key in part)


def busy_ratio(results: Results, loop: str, upper: str, lower: str) -> Spread | None:
    """Return how the import times of two kinds beside a loop relate."""
    above, below = f"{loop} {upper}", f"{loop} {lower}"
    return spread_of(
        part[above].import_ms / part[below].import_ms
        for part in results.busy
        if above in part and below in part
    )


def ratios(results: Results, kind: str) -> dict[str, Spread | None]:
    """Return what one kind reaches, beside a plain or a naive import."""
    return {
        "total / plain": ratio(results, kind, PLAIN, total),
        "worst stall / naive's": ratio(results, kind, NAIVE, stall("worst")),
        "p99 stall / naive's": ratio(results, kind, NAIVE, stall("p99")),
        "Python loop: import / naive's": busy_ratio(results, "python", kind, NAIVE),
        "Python loop: slowdown": busy_spread(
            results, "python", kind, lambda busy: busy.slowdown
        ),
        "NumPy loop: import / naive's": busy_ratio(results, "numpy", kind, NAIVE),
        "NumPy loop: slowdown": busy_spread(
            results, "numpy", kind, lambda busy: busy.slowdown
        ),
    }


def noise(results: Results) -> str | None:
    """Return in one line why these figures are not to be relied on, if so."""
    found = []
    plain = spread(results, PLAIN, total)
    if plain is not None and plain.high - plain.low > LARGEST_SPREAD * plain.median:
        apart = (plain.high - plain.low) / plain.median
        found.append(
            f"plain imports lie {apart:.0%} apart (limit {LARGEST_SPREAD:.0%})"
        )
    idle = spread_of(percentile(each.stalls_ms, 0.99) for each in results.idle)
    if idle is not None and idle.median > LONGEST_IDLE_STALL_MS:
        found.append(
            f"an idle process is late by {idle.median:.1f} ms at p99"
            f" (limit {LONGEST_IDLE_STALL_MS:.1f} ms)"
        )
    share = spread_of(each.share for each in results.idle)
    if share is not None and share.median < SMALLEST_SHARE:
        found.append(
            f"a process gets {share.median:.0%} of a processor"
            f" (limit {SMALLEST_SHARE:.0%})"
        )
    if not found:
        return None
    return f"This machine is too noisy for firm figures: {', '.join(found)}."
