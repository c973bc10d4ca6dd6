"""The command line: ``python -m ipywarmup``."""

from __future__ import annotations

import argparse
import os
import sys

from ipywarmup.defaults import SWITCH_INTERVAL

_START_UP = {
    "enable": "have every kernel load the extension at its start, and warm what its"
    " notebook imports, else what the project lists",
    "disable": "undo that",
    "status": "tell whether it is so",
}


def main(arguments: list[str] | None = None) -> int:
    """
    Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the process when left out.

    Returns
    -------
    int
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ipywarmup",
        description="Warm imports for IPython and Jupyter.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo", help="run the quickstart notebook and show what waiting it saves"
    )
    demo.add_argument(
        "--lab", action="store_true", help="open the notebook in JupyterLab instead"
    )
    bench = commands.add_parser(
        "bench",
        help="measure a warmup beside plain, naive and lazy imports",
        description="Import modules in fresh processes: in the foreground, naively on"
        " threads, lazily, and with a warmup; show how long it took, how long the main"
        " thread was stalled, and what is left to pay later.",
    )
    bench.add_argument(
        "modules",
        nargs="*",
        metavar="MODULE",
        help="what to import (default: what is installed of a heavy set)",
    )
    bench.add_argument(
        "--rounds",
        type=_count,
        default=5,
        metavar="N",
        help="how often to measure (default: %(default)s)",
    )
    busy = bench.add_mutually_exclusive_group()
    busy.add_argument(
        "--busy-rounds",
        type=_count,
        default=1,
        metavar="N",
        help="how often with a main thread that computes, where a naive import takes"
        " half a minute (default: %(default)s)",
    )
    busy.add_argument(
        "--no-busy",
        dest="busy_rounds",
        action="store_const",
        const=0,
        help="leave that out",
    )
    bench.add_argument(
        "--json", action="store_true", help="print every round's figures"
    )
    bench.add_argument(
        "--plot", metavar="FILE", help="draw the stalls over time, as PNG or SVG"
    )
    bench.add_argument(
        "--switch-interval",
        type=_milliseconds,
        default=SWITCH_INTERVAL,
        metavar="MS",
        help="the one that a warmup borrows, in milliseconds (default:"
        f" {1000 * SWITCH_INTERVAL:g})",
    )
    other = bench.add_mutually_exclusive_group()
    other.add_argument(
        "--own",
        action="store_true",
        help="measure what ipywarmup itself costs instead",
    )
    other.add_argument(
        "--start",
        action="store_true",
        help="measure kernels that warm up at their start, beside such that do not",
    )
    for name, does in _START_UP.items():
        command = commands.add_parser(name, help=does)
        command.add_argument(
            "--profile",
            default="default",
            metavar="NAME",
            help="a profile of IPython (default: %(default)s)",
        )
    parsed = parser.parse_args(arguments)

    if parsed.command in _START_UP:
        return _start_up(parsed.command, parsed.profile)

    if parsed.command == "bench":
        if parsed.own and (parsed.modules or parsed.plot):
            bench.error("--own takes no modules and draws no plot")
        if parsed.start and parsed.plot:
            bench.error("--start draws no plot")
        return _bench(parsed)

    # The demo needs packages that the library does not.
    from ipywarmup import demo as demonstration  # noqa: PLC0415

    try:
        return demonstration.open_lab() if parsed.lab else demonstration.run()
    except demonstration.DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def _start_up(command: str, profile: str) -> int:
    from ipywarmup import profiles, startup  # noqa: PLC0415

    try:
        start_up = profiles.find(profile)
        if command == "enable":
            changed = start_up.enable()
        elif command == "disable":
            changed = start_up.disable()
        else:
            changed = True
        on = start_up.enabled
    except profiles.ProfileError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 1
    state = f"{'' if changed else 'already '}{'on' if on else 'off'}"
    file = f": {start_up.file}" if on else ""
    print(f"{state} for profile {start_up.profile}{file}")
    if on and startup.is_switched_off(os.environ):
        print(f"but switched off here by {startup.VARIABLE} in the environment")
    return 0


def _bench(parsed: argparse.Namespace) -> int:
    from ipywarmup.bench import command, own  # noqa: PLC0415

    try:
        if parsed.start:
            return command.run_start(
                parsed.modules, count=parsed.rounds, as_json=parsed.json
            )
        if parsed.own:
            return own.run(rounds=parsed.rounds, as_json=parsed.json)
        return command.run(
            parsed.modules,
            count=parsed.rounds,
            busy_count=parsed.busy_rounds,
            as_json=parsed.json,
            plot=parsed.plot,
            switch_interval=parsed.switch_interval,
        )
    except KeyboardInterrupt:
        return 130  # as a shell says it


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return int(text)


def _milliseconds(text: str) -> float:
    shortest, longest = 0.001, 1000.0
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = 0.0
    if not shortest <= milliseconds <= longest:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0.001 and 1000")
    return milliseconds / 1000


if __name__ == "__main__":
    sys.exit(main())
