"""The command line: ``python -m ipywarmup``."""

from __future__ import annotations

import argparse
import sys


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
    bench = commands.add_parser("bench", help="measure what ipywarmup itself costs")
    bench.add_argument(
        "--rounds",
        type=_count,
        default=5,
        metavar="N",
        help="how often to measure (default: %(default)s)",
    )
    bench.add_argument(
        "--json", action="store_true", help="print every round's figures"
    )
    parsed = parser.parse_args(arguments)

    if parsed.command == "bench":
        from ipywarmup import bench as benchmark  # noqa: PLC0415

        return benchmark.run(rounds=parsed.rounds, as_json=parsed.json)

    # The demo needs packages that the library does not.
    from ipywarmup import demo as demonstration  # noqa: PLC0415

    try:
        return demonstration.open_lab() if parsed.lab else demonstration.run()
    except demonstration.DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
