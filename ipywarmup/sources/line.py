"""What a %warmup line asks for."""

from __future__ import annotations

import argparse
import keyword
import math
import os
import shlex
import sys
import threading
from typing import NamedTuple, NoReturn

from ipywarmup.names import check_names
from ipywarmup.nearest import NameIndex
from ipywarmup.sources.installed import find

SUBCOMMANDS = (
    *("status", "wait", "canaries", "cancel", "retry", "reset"),
    *("notebook", "file", "report", "suggest", "help"),
)

_MOST_FLAGS = 100


class LineError(ValueError):
    """A line that cannot be carried out; its message is one line for the user."""


class Request(NamedTuple):
    """
    A parsed line.

    Parameters
    ----------
    command : str
        One of `SUBCOMMANDS`, or "warm".
    modules : tuple of str
        Absolute dotted names, each once.
    wait : bool
        Whether to wait for the modules.
    timeout : float or None
        Seconds to wait at most.
    quiet : bool
        Whether to show nothing.
    path : str or None
        The file to read names from.
    trace, json : str or None
        Files to write a report to.
    """

    command: str
    modules: tuple[str, ...] = ()
    wait: bool = False
    timeout: float | None = None
    quiet: bool = False
    path: str | None = None
    trace: str | None = None
    json: str | None = None


def parse(line: str) -> Request:
    """
    Parse the line of a magic.

    Names are separated by blanks or commas, ``#`` starts a comment, and what
    follows ``--`` is a module, whatever it is called.

    Raises
    ------
    LineError
        Naming the culprit, and what was probably meant.
    """
    tokens, literal = _split(line)
    if not tokens and not literal:
        return Request("status")
    if tokens and tokens[0] in {"-h", "--help"}:
        return Request("help")
    command = tokens[0] if tokens and tokens[0] in SUBCOMMANDS else "warm"
    if command == "wait":
        return _request(command, _wait_parser(), tokens[1:], literal)
    if command in {"notebook", "file", "report"}:
        # What names files can have quotes.
        return _QUOTED[command](command, line)
    if command != "warm":
        if extra := tokens[1:] + literal:
            raise LineError(
                f"{command} takes no arguments, but got {extra[0]!r}; a module named"
                f" {command!r} goes after --"
            )
        return Request(command)
    return _request(command, _warm_parser(), tokens, literal)


def parse_above_cell(line: str) -> Request:
    """
    Parse the line of a magic that has a cell of imports below it.

    Returns
    -------
    Request
        To warm modules, maybe none.

    Raises
    ------
    LineError
        As `parse` does; the line has no subcommands.
    """
    return _request("warm", _warm_parser(), *_split(line), alone=False)


def _split(line: str) -> tuple[list[str], list[str]]:
    """Return what stands before ``--`` and after it."""
    tokens = line.partition("#")[0].replace(",", " ").split()
    cut = tokens.index("--") if "--" in tokens else len(tokens)
    return tokens[:cut], tokens[cut + 1 :]


def _request(
    command: str,
    parser: _Parser,
    tokens: list[str],
    literal: list[str],
    *,
    alone: bool = True,
) -> Request:
    named, flags = _understood(parser, tokens)
    for name in named:
        _check_meaning(name, first=name is named[0] and command == "warm")
    names = named + literal
    if command == "warm" and alone and not names:
        raise LineError("name a module to import, as in %warmup numpy")
    try:
        check_names(names)
    except ValueError as error:
        raise LineError(str(error)) from None
    return flags._replace(command=command, modules=tuple(dict.fromkeys(names)))


def _understood(parser: _Parser, tokens: list[str]) -> tuple[list[str], Request]:
    """Return the names on a line, and a request that has its flags alone."""
    parsed = _parsed(parser, tokens)
    return parsed.modules, Request(
        "warm",
        wait=parsed.timeout is not None or getattr(parsed, "wait", False),
        timeout=parsed.timeout,
        quiet=getattr(parsed, "quiet", False),
    )


def _parsed(parser: _Parser, tokens: list[str]) -> argparse.Namespace:
    flags = sum(token.startswith("-") for token in tokens)
    # argparse takes a time that grows with the square of their number.
    if flags > _MOST_FLAGS:
        raise LineError(f"there are {flags} flags; give each once")
    parsed, unknown = parser.parse_known_intermixed_args(tokens)
    if unknown:
        raise LineError(_unknown(unknown[0], parser))
    return parsed


def _file_request(command: str, line: str) -> Request:
    """Parse a line that names a file, in quotes if there are blanks in it."""
    paths, flags = _understood(_warm_parser(), _quoted(line))
    if len(paths) > 1:
        raise LineError(
            f"{command} takes one file, but got {paths[1]!r}, too; put quotes"
            " around a name with blanks"
        )
    if command == "file" and not any(paths):
        raise LineError("name the script, as in %warmup file train.py")
    if "" in paths:
        raise LineError("name the notebook, as in %warmup notebook analysis.ipynb")
    return flags._replace(command=command, path=paths[0] if paths else None)


def _report_request(command: str, line: str) -> Request:
    """Parse a line that may name a module, and files in quotes."""
    parsed = _parsed(_report_parser(), _quoted(line))
    if len(parsed.modules) > 1:
        raise LineError(f"report takes one module, but got {parsed.modules[1]!r}, too")
    try:
        names = check_names(parsed.modules)
    except ValueError as error:
        raise LineError(str(error)) from None
    places = [
        os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111
        for path in (parsed.trace, parsed.json)
        if path is not None
    ]
    if len(places) > len(set(places)):
        raise LineError(
            f"--trace and --json both name {parsed.json!r}; name a file for each"
        )
    return Request(command, tuple(names), trace=parsed.trace, json=parsed.json)


_QUOTED = {
    "notebook": _file_request,
    "file": _file_request,
    "report": _report_request,
}


def _quoted(line: str) -> list[str]:
    """Return what stands behind a subcommand, where quotes keep blanks."""
    try:
        _, *tokens = shlex.split(line, comments=True)
    except ValueError as error:
        raise LineError(f"{str(error).lower()} in {line.strip()!r}") from None
    return tokens


def _check_meaning(name: str, *, first: bool) -> None:
    """Refuse a name that was meant to be a subcommand."""
    if name in SUBCOMMANDS:
        raise LineError(
            f"{name!r} is a subcommand and stands alone; a module of that name goes"
            " after --"
        )
    if keyword.iskeyword(name):
        raise LineError(
            f"{name!r} is a keyword of Python; name the modules alone, as in"
            " %warmup numpy pandas"
        )
    meant = NameIndex(SUBCOMMANDS).nearest(name) if first else None
    if meant is not None and not _findable(name):
        raise LineError(
            f"no subcommand and no module is called {name!r}; did you mean"
            f" %warmup {meant}?"
        )


def _findable(name: str) -> bool:
    """Whether the top-level module exists; looks for it without importing it."""
    top = name.partition(".")[0]
    return top in sys.modules or find(top) is not None


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises what is wrong instead of exiting."""

    def error(self, message: str) -> NoReturn:
        raise LineError(message.removeprefix("argument "))


def flags_of(command: str) -> list[str]:
    """Return the flags of a subcommand, or of "warm"; most have none."""
    if command == "wait":
        return _flags(_wait_parser())
    if command == "report":
        return _flags(_report_parser())
    if command in {"warm", "notebook", "file"}:
        return _flags(_warm_parser())
    return []


def _flags(parser: _Parser) -> list[str]:
    # argparse lists its flags nowhere else.
    return [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001


def _unknown(flag: str, parser: _Parser) -> str:
    flags = _flags(parser)
    meant = NameIndex(flags).nearest(flag.partition("=")[0])
    return f"unknown flag {flag!r}; " + (
        f"did you mean {meant}?" if meant else f"there are {', '.join(flags)}"
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    # No lock waits longer than that.
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("'' is no file; name one, as in report.json")
    return text


# Made anew for each line: argparse changes a parser while it parses, and Ctrl-C may
# come before it has changed it back.
def _wait_parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--timeout", type=_seconds)
    return parser


def _warm_parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--timeout", type=_seconds)
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    return parser


def _report_parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--trace", type=_file, metavar="FILE")
    parser.add_argument("--json", type=_file, metavar="FILE")
    return parser
