"""What ``python -m tests.promises`` does with its arguments."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from importlib import metadata
from typing import TYPE_CHECKING, NoReturn

from tests.promises.experiment import Outcome
from tests.promises.tally import KINDS, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.promises.experiment import Experiment, Kind

PACKAGES = """
    ipywarmup ipython ipykernel numpy scipy pandas scikit-learn matplotlib torch pyarrow
    statsmodels polars plotly seaborn sympy joblib
""".split()  # noqa: SIM905 - a list of strings would take a page
"""Distributions whose versions a table has to go with."""


class _Parser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(experiments: Sequence[Experiment], arguments: list[str] | None = None) -> int:
    """
    Run experiments, and print a table of the promises.

    Parameters
    ----------
    experiments : sequence of Experiment
        All that there are, in the order of the table.
    arguments : list of str, optional
        Those of the process when left out.

    Returns
    -------
    int
        The exit status: 1 if a trial with a warmup has broken its promise, else 130 if
        Ctrl-C has ended it.
    """
    parsed = _parse(experiments, arguments)
    chosen = [
        experiment
        for experiment in experiments
        if not parsed.only or experiment.name in parsed.only
    ]
    if parsed.list:
        for experiment in chosen:
            print(f"{experiment.name:<16}{_trials(experiment)}{experiment.promise}")
        return 0
    print(_versions())
    tallies = [Tally(experiment) for experiment in chosen]
    interrupted = False
    try:
        _run(tallies, parsed)
    except KeyboardInterrupt:  # what has been found is shown all the same
        interrupted = True
    print("\n".join(["", *_table(tallies, interrupted=interrupted)]), flush=True)
    if any(tally.broken["warmup"] for tally in tallies):
        return 1
    return 130 if interrupted else 0


def _parse(
    experiments: Sequence[Experiment], arguments: list[str] | None
) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m tests.promises",
        description="Try what the README guarantees, with real packages, each trial in"
        " processes of its own and beside it without ipywarmup.",
        epilog="A fault is told with what repeats its trial: --only NAME --seed SEED"
        " --trials 1.",
        allow_abbrev=False,
    )
    parser.add_argument("--short", action="store_true", help="in two minutes")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of experiments")
    parser.add_argument(
        "--trials", type=_positive, metavar="N", help="of each kind, in any experiment"
    )
    parser.add_argument(
        "--control", type=_count, metavar="N", help="of the control, if not as many"
    )
    parser.add_argument(
        "--seed", type=_count, default=0, help="of the first trial (default: 0)"
    )
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=2,
        metavar="N",
        help="trials side by side (default: 2)",
    )
    parser.add_argument("--list", action="store_true", help="name the experiments")
    parsed = parser.parse_args(arguments)
    names = [experiment.name for experiment in experiments]
    for name in parsed.only or []:
        if name not in names:
            parser.error(f"no experiment is called {name!r}, only {', '.join(names)}")
    return parsed


def _count(text: str) -> int:
    """Return a number that is not negative."""
    number = int(text) if text.isdecimal() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 0 or more")
    return number


def _positive(text: str) -> int:
    """Return a number of 1 or more."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return number


def _trials(experiment: Experiment) -> str:
    return f"{experiment.trials:>4} trials, short {experiment.short:>2}   "


def _versions() -> str:
    """Return the versions and the machine that a table goes with."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return (
        f"Python {platform.python_version()}, {platform.system()},"
        f" {os.cpu_count()} processors\n{', '.join(found)}"
    )


def _seeds(experiment: Experiment, kind: Kind, parsed: argparse.Namespace) -> range:
    """Return the seeds of the trials of a kind."""
    count = experiment.short if parsed.short else experiment.trials
    if parsed.trials is not None:
        count = parsed.trials
    if kind == "control" and parsed.control is not None:
        count = parsed.control
    elif kind == "control" and experiment.controls is not None:
        count = min(count, experiment.controls)
    return range(parsed.seed, parsed.seed + count)


def _run(tallies: list[Tally], parsed: argparse.Namespace) -> None:
    """Run all trials: those that may be side by side, and then the others."""
    found = [tally for tally in tallies if not tally.experiment.lacking()]
    for tally in found:
        seeds = [_seeds(tally.experiment, kind, parsed) for kind in KINDS]
        tally.announce(*map(len, seeds))
        print(f"{tally.experiment.name}: {_words_of(*seeds)}")
    sys.stdout.flush()
    for alone in (False, True):
        trials = [
            (tally, kind, seed)
            for tally in found
            if tally.experiment.alone == alone
            for kind, seed in _interleaved(tally.experiment, parsed)
        ]
        _run_side_by_side(trials, 1 if alone else parsed.jobs)


def _words_of(warmup: range, control: range) -> str:
    """Return which seeds are tried."""
    words = f"seeds {warmup[0]} to {warmup[-1]}"
    if len(warmup) == 1:
        words = f"seed {warmup[0]}"
    if len(control) == len(warmup):
        return f"{words}, of each kind"
    return f"{words}, the first {len(control)} without it as well" if control else words


def _interleaved(
    experiment: Experiment, parsed: argparse.Namespace
) -> Iterator[tuple[Kind, int]]:
    """Yield trials so that the kinds have the same weather."""
    seeds = {kind: _seeds(experiment, kind, parsed) for kind in KINDS}
    longest = max(seeds.values(), key=len)
    for seed in longest:
        for kind in KINDS:
            if seed in seeds[kind]:
                yield kind, seed


def _run_side_by_side(trials: list[tuple[Tally, Kind, int]], jobs: int) -> None:
    """Run trials, and tell of what they find when they find it."""
    pool = ThreadPoolExecutor(jobs)
    try:
        futures: dict[Future[tuple[Outcome, float]], tuple[Tally, Kind, int]] = {
            pool.submit(_try, tally.experiment, kind, seed): (tally, kind, seed)
            for tally, kind, seed in trials
        }
        for future in as_completed(futures):
            tally, kind, seed = futures[future]
            outcome, seconds = future.result()
            for line in tally.count(kind, seed, outcome, seconds):
                print(line, flush=True)
    except KeyboardInterrupt:
        # Those under way come to an end by themselves, and are not counted.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _try(experiment: Experiment, kind: Kind, seed: int) -> tuple[Outcome, float]:
    """Run a trial, and return what came of it, and how many seconds it took."""
    begin = time.monotonic()
    try:
        found = experiment.trial(kind, seed)
    except Exception as error:  # it is not right itself, which must not pass as kept
        found = [f"the trial has failed: {type(error).__name__}: {error}"]
    outcome = found if isinstance(found, Outcome) else Outcome(found)
    return outcome, time.monotonic() - begin


def _table(tallies: list[Tally], *, interrupted: bool) -> list[str]:
    """Return the table, and what there is to say below it."""
    lines = ["| promise | trials | broken | control | trials | broken |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [tally.row() for tally in tallies]
    lines += [""]
    lines += [line for tally in tallies for line in tally.remarks()]
    if interrupted:
        lines += ["Interrupted: this is what was found so far."]
    return lines
