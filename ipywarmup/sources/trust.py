"""Which names may be imported that nobody typed."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ipywarmup.importlock.places import (
    WorkingDirectory,
    installation_folders,
    is_within,
)
from ipywarmup.nearest import top_level_of
from ipywarmup.sources.installed import find

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from importlib.machinery import ModuleSpec


NOT_INSTALLED = "not installed"
HERE = "a file of the working directory"
ELSEWHERE = "neither installed nor of the standard library"


class UntrustedError(ValueError):
    """
    A name that may only be imported by who types it; the message says why.

    Parameters
    ----------
    module : str
        The name.
    reason : str
        `NOT_INSTALLED`, `HERE` or `ELSEWHERE`.
    """

    def __init__(self, module: str, reason: str) -> None:
        remedy = "; name it yourself, in %warmup, to import it"
        super().__init__(
            f"{module!r} is {reason}{'' if reason == NOT_INSTALLED else remedy}"
        )
        self.reason = reason


def check_trusted(
    module: str, recorded: Callable[[], Container[str]] | None = None
) -> None:
    """
    Refuse a module unless it is installed or of the standard library.

    A name from a configuration file, a notebook or a history must never run a file
    that merely lies in the working directory, where anybody may have put it. Nothing
    is imported to find out.

    Parameters
    ----------
    module : str
        Absolute dotted name.
    recorded : callable, optional
        Returns what `modules_on_record` does, for who asks for many modules.

    Raises
    ------
    UntrustedError
        If the module cannot be found, or is neither.
    """
    top = module.partition(".")[0]
    spec = find(top)
    if spec is not None:
        _check_place(module, list(_locations(spec)), recorded)
    if spec is None or (top != module and find(module) is None):
        raise UntrustedError(module, NOT_INSTALLED)


def _check_place(
    module: str,
    locations: list[Path],
    recorded: Callable[[], Container[str]] | None,
) -> None:
    """Refuse a module that lies where nothing is installed."""
    installed = installation_folders()
    if all(is_within(place.resolve(), installed) for place in locations):
        return
    here = WorkingDirectory()
    if any(map(here.has, locations)):
        raise UntrustedError(module, HERE)
    # An installation that can be edited lies elsewhere, but is on record.
    top = module.partition(".")[0]
    if top not in (recorded or modules_on_record)():
        raise UntrustedError(module, ELSEWHERE)


def modules_on_record() -> set[str]:
    """
    Return the top-level modules of the distributions that are installed.

    Those of `importlib.metadata.packages_distributions`, less what is on record only in
    the working directory, where anybody may have put that, too.
    """
    here = WorkingDirectory()
    path = [
        entry
        for entry in sys.path
        if isinstance(entry, str) and not here.has(Path(entry).absolute())
    ]
    return {
        module
        for distribution in importlib.metadata.distributions(path=path)
        for module in top_level_of(distribution)
    }


def _locations(spec: ModuleSpec) -> Iterable[Path]:
    """Yield where the code of a module lies; nothing where it is built in."""
    if spec.has_location and spec.origin:
        yield Path(spec.origin).absolute()
    for folder in spec.submodule_search_locations or ():
        yield Path(folder).absolute()
