"""Where code lies: where something is installed, or merely in the working directory."""

from __future__ import annotations

import contextlib
import os
import site
import sysconfig
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class WorkingDirectory:
    """
    Tell what lies in the working directory from what is installed.

    It remembers what it has found out, and is made anew for each import: folders to
    install into can be added, and the working directory can change.
    """

    def __init__(self) -> None:
        self._installed = installation_folders()
        self._began = _here()
        # By folder and working directory.
        self._known: dict[tuple[str, str], bool] = {}

    def has(self, place: Path) -> bool:
        """Whether something lies here, and not in an environment that does."""
        # A link that lies here is of here, wherever it leads; and a file that was found
        # before somebody changed the directory is of the one before.
        if is_within(place.resolve(), self._installed):
            return False
        return any(
            is_within(Path(os.path.normpath(place)), [here])
            or is_within(place.resolve(), [Path(here).resolve()])
            for here in {self._began, _here()}
            if here is not None
        )

    def has_code_of(self, spec: Any) -> bool:  # noqa: ANN401 - a ModuleSpec
        """Whether the code that importlib is about to run for a module lies here."""
        if not (spec.has_location and spec.origin):
            return False
        # By strings and by folder, for there may be thousands of them.
        path: str = spec.origin
        if self._has_folder_of(path):
            return True
        # A file may be a link itself, from a folder that lies elsewhere.
        return os.path.islink(path) and self._has_folder_of(os.path.realpath(path))  # noqa: PTH114

    def _has_folder_of(self, path: str) -> bool:
        folder = os.path.dirname(path)  # noqa: PTH120
        key = folder, _here() or ""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self.has(Path(folder).absolute())
        return known


class _Wary:
    """
    An import that may run no code of the working directory.

    Parameters
    ----------
    around : _Wary or None
        The one that it is within.

    Attributes
    ----------
    over : bool
        Whether it has ended; threads that it has started do what they like then.
    """

    def __init__(self, around: _Wary | None) -> None:
        self.directory = WorkingDirectory()
        self.around = around
        self.over = False


class Wariness(threading.local):
    """
    Whether a thread imports what nobody typed.

    Attributes
    ----------
    current : _Wary or None
        Of the calling thread; to be handed to the threads that it starts.
    """

    current: _Wary | None = None

    def directory(self) -> WorkingDirectory | None:
        """Return what the thread may run no code of, None if it may run any."""
        while self.current is not None and self.current.over:
            self.current = self.current.around
        return None if self.current is None else self.current.directory

    @contextlib.contextmanager
    def during(self) -> Iterator[None]:
        """Be wary during a block."""
        wary = self.current = _Wary(self.current)
        try:
            yield
        finally:
            wary.over = True
            self.current = wary.around


def installation_folders() -> list[Path]:
    """Return where Python keeps the standard library and what is installed."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = [sysconfig.get_path(kind) for kind in kinds]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return [Path(folder).resolve() for folder in folders]


def is_within(location: Path, folders: Iterable[Path | str]) -> bool:
    """Whether a path leads into one of some folders."""
    return any(location.is_relative_to(folder) for folder in folders)


def _here() -> str | None:
    """Return the working directory; None if it has been deleted."""
    try:
        return os.getcwd()  # noqa: PTH109 - for thousands of modules
    except OSError:
        return None
