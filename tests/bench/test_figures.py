"""The benchmark's statistics, and its table, on figures that are known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ipywarmup.bench import report
from ipywarmup.bench.figures import (
    KINDS,
    Busy,
    Idle,
    Measured,
    Results,
    Spread,
    noise,
    percentile,
    ratios,
    spread_of,
)


def measured(total: float, *stalls: float, failures: int = 0) -> Measured:
    """Return a measurement with these stalls."""
    return Measured(
        total_ms=total,
        at_ms=[float(number) for number in range(len(stalls))],
        stalls_ms=list(stalls),
        later_ms=0.5,
        memory_mb=20.0,
        failures=["a: ImportError: no"] * failures,
    )


QUIET = Results(
    modules=["a", "b"],
    busy_modules=["a", "b"],
    rounds=[
        {"plain": measured(1000, 1000), "naive-1": measured(1100, 1, 100)},
        {"plain": measured(1200, 1200), "naive-1": measured(1200, 1, 200)},
    ],
    busy=[],
    idle=[Idle([0.1, 0.2], 1.0), Idle([0.1, 0.3], 0.99)],
    deaths=[],
    left_out={},
    switch_interval=0.001,
)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)]
)
def test_percentile_is_one_of_the_figures(share: float, expected: float) -> None:
    """Of 1 to 100, in any order, the n-th percentile is n."""
    assert (
        percentile([float(figure) for figure in range(100, 0, -1)], share) == expected
    )


def test_percentile_of_a_few_is_the_next_higher() -> None:
    """A share between two figures gives the higher one; one figure is every share."""
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0], 0.95) == 3.0
    assert percentile([7.0], 0.5) == 7.0


def test_spread_is_the_median_and_the_ends() -> None:
    """A spread holds the middle, the ends and half of their distance; none has none."""
    spread = spread_of([5.0, 1.0, 2.0, 9.0])
    assert spread == Spread(median=3.5, low=1.0, high=9.0)
    assert spread.half == 4.0
    assert spread_of([]) is None


def test_ratios_are_taken_round_by_round() -> None:
    """The median of the rounds' ratios counts, not the ratio of the medians."""
    rounds = [
        {"plain": measured(100), "naive-1": measured(1, 80), "warmup": measured(50, 8)},
        {"plain": measured(900), "naive-1": measured(1, 90), "warmup": measured(90, 9)},
        {"plain": measured(10), "naive-1": measured(1, 10), "warmup": measured(9, 4)},
    ]
    reached = ratios(replace(QUIET, rounds=rounds), "warmup")
    assert reached["total / plain"] == Spread(0.5, 0.1, 0.9)
    assert reached["worst stall / naive's"] == Spread(0.1, 0.1, 0.4)
    assert reached["Python loop: import / naive's"] is None


def test_round_without_one_of_the_two_gives_no_ratio() -> None:
    """A process that died takes its round out of the ratio, and nothing else."""
    rounds = [
        {"plain": measured(100), "naive-1": measured(150, 1)},
        {"plain": measured(100)},
        {"naive-1": measured(300, 1)},
    ]
    reached = ratios(replace(QUIET, rounds=rounds), "naive-1")
    assert reached["total / plain"] == Spread(1.5, 1.5, 1.5)


def test_p99_and_worst_differ() -> None:
    """One long stall in 200 beats is the worst one, and not the 99th percentile."""
    rounds = [
        {
            "naive-1": measured(1, *[10.0] * 199, 200.0),
            "warmup": measured(1, *[1.0] * 199, 10.0),
        }
    ]
    reached = ratios(replace(QUIET, rounds=rounds), "warmup")
    assert reached["p99 stall / naive's"] == Spread(0.1, 0.1, 0.1)
    assert reached["worst stall / naive's"] == Spread(0.05, 0.05, 0.05)


def test_busy_figures_are_told_apart_by_their_loop() -> None:
    """The imports beside a loop are compared with naive ones beside the same loop."""
    busy = {
        "python naive-1": Busy(30_000, 1.05, []),
        "python warmup": Busy(3_000, 1.5, []),
        "numpy naive-1": Busy(4_000, 1.2, []),
        "numpy warmup": Busy(1_000, 2.0, []),
    }
    reached = ratios(replace(QUIET, busy=[busy]), "warmup")
    assert reached["Python loop: import / naive's"] == Spread(0.1, 0.1, 0.1)
    assert reached["Python loop: slowdown"] == Spread(1.5, 1.5, 1.5)
    assert reached["NumPy loop: import / naive's"] == Spread(0.25, 0.25, 0.25)
    assert reached["NumPy loop: slowdown"] == Spread(2.0, 2.0, 2.0)


def test_quiet_machine_is_not_spoken_of() -> None:
    """Figures within the limits get no remark."""
    assert noise(QUIET) is None


def test_noise_names_each_figure_above_its_limit() -> None:
    """The remark is one line, and tells what was found beside what is allowed."""
    rounds = [
        {"plain": measured(total), "warmup": measured(1)} for total in (1000, 1600)
    ]
    loud = replace(QUIET, rounds=rounds, idle=[Idle([0.1] * 9 + [8.0], 0.7)])
    assert noise(loud) == (
        "This machine is too noisy for firm figures: plain imports lie 46% apart"
        " (limit 25%), an idle process is late by 8.0 ms at p99 (limit 2.0 ms),"
        " a process gets 70% of a processor (limit 90%)."
    )


def test_table_ends_with_the_noise() -> None:
    """What is to be known about the figures stands below them, on the last line."""
    loud = replace(QUIET, idle=[Idle([9.0], 1.0)])
    assert report.table(loud).splitlines()[-1] == noise(loud)
    assert json.loads(report.as_json(loud))["noise"] == noise(loud)
    assert json.loads(report.as_json(QUIET))["noise"] is None


def test_table_counts_failed_imports_and_lost_processes() -> None:
    """Failures of all rounds are counted against the imports that were tried."""
    rounds = [
        {kind: measured(1, 1, failures=kind == "naive-8") for kind in KINDS},
        {kind: measured(1, 1) for kind in KINDS if kind != "naive-8"},
    ]
    death = "naive-8: not done after 300 s"
    lines = report.table(replace(QUIET, rounds=rounds, deaths=[death])).splitlines()
    none = ["0", "of", "4"]
    (failed,) = (line for line in lines if line.startswith("failed imports"))
    assert failed.split()[2:] == [*none, *none, "1", "of", "2", *none, *none]
    assert lines[-1] == f"No figures from {death}"


def test_table_shows_medians_with_their_spread() -> None:
    """A cell has three digits; figures that agree have no spread."""
    total, p50 = report.table(QUIET).splitlines()[5:7]
    assert total.split()[2:] == ["1100", "±100", "1150", "±50", "-", "-", "-"]
    assert p50.split()[5:] == ["1100", "±100", "1.00", "-", "-", "-"]
