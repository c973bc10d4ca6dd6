"""What was measured, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING

from ipywarmup.bench import figures
from ipywarmup.bench.figures import KINDS, LOOPS, NAIVE, WARMUP, Results, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ipywarmup.bench.figures import Busy, Measured

TITLES = {
    "plain": "plain",
    "naive-1": "naive, 1 thread",
    "naive-8": "naive, 8 threads",
    "lazy": "lazy",
    "warmup": "warmup",
}
ROWS: dict[str, Callable[[Measured], float]] = {
    "total, ms": figures.total,
    "main thread's stalls, ms: p50": figures.stall("p50"),
    "p95": figures.stall("p95"),
    "p99": figures.stall("p99"),
    "worst": figures.stall("worst"),
    "later import statements, ms": lambda measured: measured.later_ms,
    "peak memory, MB": lambda measured: measured.memory_mb,
}
FAILED = "failed imports"
_LABEL = 30
_CELL = 18


def table(results: Results) -> str:
    """Return the table, a line of remarks for each thing that went wrong below it."""
    count, rounds = len(results.modules), len(results.rounds)
    over = "1 round" if rounds == 1 else f"median ± half the range of {rounds} rounds"
    lines = [
        f"Imports of {', '.join(results.modules)}",
        f"in fresh processes: {_machine()}; {over}",
        f"switch interval of a warmup: {1000 * results.switch_interval:g} ms",
        "",
        _line("", [TITLES[kind] for kind in KINDS]),
    ]
    for label, figure in ROWS.items():
        cells = [_cell(figures.spread(results, kind, figure)) for kind in KINDS]
        lines.append(_line(label, cells))
    failed = [_failed(results.rounds, kind, count) for kind in KINDS]
    lines.append(_line(FAILED, failed))
    if results.busy:
        lines += ["", *_busy(results)]
    lines += ["", _line("", [TITLES[NAIVE], TITLES[WARMUP]])]
    warm = figures.ratios(results, WARMUP)
    for label, naive in figures.ratios(results, NAIVE).items():
        if naive or warm[label]:
            lines.append(_line(label, [_cell(naive), _cell(warm[label])]))
    lines += ["", *(f"No figures from {death}" for death in results.deaths)]
    for name, error in results.left_out.items():
        lines.append(f"Left out {name}: {error}".splitlines()[0])
    lines.append(figures.noise(results) or "")
    return "\n".join(lines).rstrip()


def as_json(results: Results) -> str:
    """Return every figure of every round, and what the ratios of the table are."""
    reached = {
        kind: {
            label: None if spread is None else spread._asdict()
            for label, spread in figures.ratios(results, kind).items()
        }
        for kind in (NAIVE, WARMUP)
    }
    noise = figures.noise(results)
    return json.dumps(
        {"machine": _machine(), **asdict(results), "ratios": reached, "noise": noise}
    )


def _busy(results: Results) -> list[str]:
    """Return the part of the table that is about a busy main thread."""
    modules = ", ".join(results.busy_modules)
    rounds = _counted(len(results.busy), "round")
    lines = [
        f"Imports of {modules} while the main thread computes, {rounds}",
        "",
        _line("", [TITLES[NAIVE], TITLES[WARMUP]]),
    ]
    for loop in LOOPS:
        words = {"python": "Python", "numpy": "NumPy"}[loop]
        for label, figure in (
            (f"{words} loop: total, ms", lambda busy: busy.import_ms),
            ("slowdown of the loop", lambda busy: busy.slowdown),
        ):
            cells = [
                _cell(figures.busy_spread(results, loop, kind, figure))
                for kind in (NAIVE, WARMUP)
            ]
            lines.append(_line(label, cells))
        count = len(results.busy_modules)
        failed = [
            _failed(results.busy, f"{loop} {kind}", count) for kind in (NAIVE, WARMUP)
        ]
        lines.append(_line(FAILED, failed))
    return lines


def _failed(
    rounds: Sequence[Mapping[str, Measured | Busy]], key: str, count: int
) -> str:
    """Return how many imports failed in all rounds together, and of how many."""
    failures = [part[key].failures for part in rounds if key in part]
    return f"{sum(map(len, failures))} of {count * len(failures)}"


def _machine() -> str:
    name = platform.python_implementation()
    return (
        f"{name} {platform.python_version()}, {platform.system()},"
        f" {_counted(os.cpu_count() or 1, 'processor')}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _line(label: str, cells: list[str]) -> str:
    return f"{label:<{_LABEL}}{''.join(f'{cell:>{_CELL}}' for cell in cells)}"


def _cell(spread: Spread | None) -> str:
    """Return the median with three digits, and half the range where there is one."""
    if spread is None:
        return "-"
    places = min(max(0, 2 - _magnitude(spread.median)), 3)
    median = f"{spread.median:.{places}f}"
    half = f"{spread.half:.{places}f}"
    return f"{median} ±{half}" if float(half) else median


def _magnitude(figure: float) -> int:
    """Return the power of ten of a figure's first digit."""
    return int(f"{figure:e}".partition("e")[2]) if figure else 0
