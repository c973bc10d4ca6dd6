"""What ``python -m ipywarmup bench`` does with its arguments."""

from __future__ import annotations

import sys

from ipywarmup.bench import picture, report, rounds, start
from ipywarmup.defaults import SWITCH_INTERVAL
from ipywarmup.names import check_names


def run(  # noqa: PLR0913 - one for each option
    modules: list[str],
    *,
    count: int,
    busy_count: int,
    as_json: bool,
    plot: str | None,
    switch_interval: float = SWITCH_INTERVAL,
) -> int:
    """
    Measure, then print a table or JSON.

    Parameters
    ----------
    modules : list of str
        Absolute dotted names; when empty, what is installed of
        `rounds.HEAVY` and can be imported.
    count, busy_count : int
        How many rounds to measure beside an idle and beside a busy main thread.
    as_json : bool
        Print every round's figures.
    plot : str, optional
        File to draw the stalls into.
    switch_interval : float
        The one that warmups borrow, in seconds.

    Returns
    -------
    int
        The exit status: 2 if there is nothing to measure, or no file to draw into.
    """
    trouble = None if plot is None else picture.objection(plot)
    if trouble is not None:
        return _refuse(trouble)
    try:
        results = rounds.measure(
            check_names(dict.fromkeys(modules)),
            rounds=count,
            busy_rounds=busy_count,
            say=_say,
            switch_interval=switch_interval,
        )
    except (ValueError, rounds.ModuleError) as error:
        return _refuse(str(error))
    finally:
        _say("")
    print(report.as_json(results) if as_json else report.table(results))
    if plot is not None:
        try:
            picture.draw(results, plot)
        except OSError as error:
            return _refuse(f"the plot cannot be written: {error}")
        print(f"bench: the stalls are drawn in {plot}", file=sys.stderr)
    return 0


def run_start(modules: list[str], *, count: int, as_json: bool) -> int:
    """
    Measure kernels that warm up at their start, then print a table or JSON.

    Parameters
    ----------
    modules : list of str
        What the notebook imports; when empty, what is installed of `rounds.HEAVY`.
    count : int
        How many rounds to measure.
    as_json : bool
        Print every round's figures.

    Returns
    -------
    int
        The exit status: 2 if there is nothing to measure.
    """
    try:
        names = check_names(dict.fromkeys(modules)) or rounds.installed()
    except (ValueError, rounds.ModuleError) as error:
        return _refuse(str(error))
    for name in names:
        if not rounds.is_installed(name.partition(".")[0]):
            return _refuse(f"{name!r} is not installed")
    return start.run(names, rounds=count, as_json=as_json)


def _refuse(words: str) -> int:
    _say("")
    print(f"bench: {words}", file=sys.stderr)
    return 2


def _say(words: str) -> None:
    """Show somebody who waits at a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)
