"""Which of the modules that a file names are warmed, and why the others are not."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.names import parents_first
from ipywarmup.sources.installed import find
from ipywarmup.sources.requirements import Requirements
from ipywarmup.sources.trust import (
    ELSEWHERE,
    HERE,
    NOT_INSTALLED,
    UntrustedError,
    check_trusted,
    modules_on_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ipywarmup.sources.barriers import Barrier
    from ipywarmup.sources.imports import Import

EXCLUDED = "excluded"
LOADED = "already imported"
OPTIONAL = "optional, and not installed"
_REMEDY = "; name it in %warmup to import it"


class LeftOut(NamedTuple):
    """A module that is not warmed, and why."""

    name: str
    reason: str


class Later(NamedTuple):
    """
    A module that is warmed once some cells have run.

    Parameters
    ----------
    name : str
        Absolute dotted name.
    cells : tuple of int
        Their numbers, ascending.
    what : str
        What of the last one may change what the import does.
    """

    name: str
    cells: tuple[int, ...]
    what: str


@dataclass(frozen=True)
class Selection:
    """
    What is warmed, and what is not.

    Parameters
    ----------
    taken : tuple of str
        Absolute dotted names, each once, in the order in which they were named, but
        parents before what is in them.
    left_out : tuple of LeftOut
        Those that are not warmed, each once.
    later : tuple of Later
        Those that have to wait, each once, in the order in which they were named.
    """

    taken: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    later: tuple[Later, ...] = ()


def select(
    candidates: Iterable[Import],
    exclude: Iterable[str] = (),
    barriers: Sequence[Barrier] = (),
    distrust: Callable[[str], str | None] | None = None,
) -> Selection:
    """
    Select what can be warmed without running code that nobody installed.

    Parameters
    ----------
    candidates : iterable of Import
        What a file names.
    exclude : iterable of str
        Modules to leave out, with all that is in them.
    barriers : sequence of Barrier
        Code of that file; what it may change is not imported before it has run.
    distrust : callable, optional
        What `distrusting` returns, for who asks it, too.
    """
    mentions: dict[str, list[Import]] = {}
    for candidate in candidates:
        mentions.setdefault(candidate.module, []).append(candidate)
    excluded = tuple(f"{name}." for name in exclude)
    distrust = distrust or distrusting()
    requirements = Requirements()
    later: list[Later] = []
    taken: list[str] = []
    left_out: list[LeftOut] = []
    for name, same in mentions.items():
        # It is enough that one of several imports of a module speaks for it.
        reason = None if any(not one.reason for one in same) else same[0].reason
        if reason is None and f"{name}.".startswith(excluded):
            reason = EXCLUDED
        if reason is None and sys.modules.get(name) is not None:
            reason = LOADED
        reason = reason or distrust(name)
        if reason == NOT_INSTALLED and all(one.optional for one in same):
            reason = OPTIONAL
        if reason is None:
            first = next(one for one in same if not one.reason)
            above = _above(first, barriers, requirements)
            if above and above[-1].cell in {None, first.cell}:
                reason = f"left to {_place(first)}, below {above[-1].what}"
            elif above:
                cells = tuple(dict.fromkeys(each.cell or 0 for each in above))
                later.append(Later(name, cells, above[-1].what))
                continue
        if reason is None:
            taken.append(name)
        else:
            left_out.append(LeftOut(name, reason))
    return Selection(tuple(parents_first(taken, taken)), tuple(left_out), tuple(later))


def _above(
    found: Import, barriers: Sequence[Barrier], requirements: Requirements
) -> list[Barrier]:
    """Return the barriers that stand above an import and concern it, in their order."""
    top = found.module.partition(".")[0]
    return [
        each
        for each in barriers
        if (each.cell or 0, each.line, each.column)
        <= (found.cell or 0, found.line, found.column)
        and (each.package is None or requirements.related(top, each.package))
    ]


def _place(found: Import) -> str:
    return f"line {found.line}" if found.cell is None else f"cell {found.cell}"


def distrusting() -> Callable[[str], str | None]:
    """Return what tells why a module may not be imported, None if it may."""
    # Both take a while, and there may be many modules of the same package.
    recorded = functools.cache(modules_on_record)

    @functools.cache
    def of_package(top: str) -> str | None:
        try:
            check_trusted(top, recorded)
        except UntrustedError as error:
            return error.reason
        return None

    def of_module(name: str) -> str | None:
        top = name.partition(".")[0]
        reason = of_package(top)
        if reason is None and name != top and find(name) is None:
            return NOT_INSTALLED
        return reason

    return of_module


def predictable(distrust: Callable[[str], str | None]) -> Callable[[str], bool]:
    """
    Return what tells of a top-level module whether its import does nothing unexpected.

    Parameters
    ----------
    distrust : callable
        What `distrusting` returns.
    """
    # What is not there at all can do nothing either.
    return lambda top: distrust(top) in {None, NOT_INSTALLED}


def describe(
    selection: Selection, origin: str, enumerate_names: Callable[[Sequence[str]], str]
) -> list[str]:
    """
    Say what was taken and what was left out, a line for each reason.

    Parameters
    ----------
    selection : Selection
        What `select` returns.
    origin : str
        Where the names come from, such as ``"analysis.ipynb"``.
    enumerate_names : callable
        Returns names as one would say them, long lists shortened.
    """
    nothing = f"Nothing to warm in {origin}" + (" yet" if selection.later else "")
    lines = [
        f"From {origin}: {enumerate_names(selection.taken)}"
        if selection.taken
        else nothing,
        *describe_later(selection.later, enumerate_names),
    ]
    groups: dict[str, list[str]] = {}
    for name, reason in selection.left_out:
        # Not an import, whatever it looks like; nobody has to be told.
        if name != "__future__":
            groups.setdefault(reason, []).append(name)
    for reason, names in groups.items():
        remedy = _REMEDY if reason in {HERE, ELSEWHERE} else ""
        lines.append(f"Left out ({reason}{remedy}): {enumerate_names(names)}")
    return lines


def describe_later(
    later: Iterable[Later], enumerate_names: Callable[[Sequence[str]], str]
) -> list[str]:
    """Say what waits for which cell, and why, a line for each."""
    groups: dict[tuple[int, str], list[str]] = {}
    for name, cells, what in later:
        groups.setdefault((cells[-1], what), []).append(name)
    return [
        f"After cell {cell} ({what}): {enumerate_names(names)}"
        for (cell, what), names in groups.items()
    ]
