"""Which names may be imported that nobody typed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import site
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.machinery import ModuleSpec


class UntrustedError(ValueError):
    """A name that may only be imported by who types it; the message says why."""


def check_trusted(module: str) -> None:
    """
    Refuse a module unless it is installed or of the standard library.

    A name from a configuration file, a notebook or a history must never run a file
    that merely lies in the working directory, where anybody may have put it. Nothing
    is imported to find out.

    Parameters
    ----------
    module : str
        Absolute dotted name.

    Raises
    ------
    UntrustedError
        If the module cannot be found, or is neither.
    """
    top = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        raise UntrustedError(f"{module!r} is not installed")
    locations = list(_locations(spec))
    installed = _installation_folders()
    if all(_is_within(location, installed) for location in locations):
        return
    here = Path.cwd().resolve()
    if any(_is_within(location, [here]) for location in locations):
        raise UntrustedError(
            f"{module!r} is a file of the working directory; name it yourself, in"
            " %warmup, to import it"
        )
    # An installation that can be edited lies elsewhere, but is on record.
    if top not in importlib.metadata.packages_distributions():
        raise UntrustedError(
            f"{module!r} is neither installed nor of the standard library; name it"
            " yourself, in %warmup, to import it"
        )


def _locations(spec: ModuleSpec) -> Iterable[Path]:
    """Yield where the code of a module lies; nothing where it is built in."""
    if spec.has_location and spec.origin:
        yield Path(spec.origin).resolve()
    for folder in spec.submodule_search_locations or ():
        yield Path(folder).resolve()


def _installation_folders() -> list[Path]:
    """Return where Python keeps the standard library and what is installed."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [sysconfig.get_path(kind) for kind in kinds]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return [Path(folder).resolve() for folder in folders]


def _is_within(location: Path, folders: Iterable[Path]) -> bool:
    return any(location.is_relative_to(folder) for folder in folders)
