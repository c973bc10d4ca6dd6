"""The modules that a notebook, a script or a project names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ipywarmup.sources import selection as selecting
from ipywarmup.sources.barriers import Barrier, Reader
from ipywarmup.sources.files import SourceError, at_home
from ipywarmup.sources.imports import Import
from ipywarmup.sources.notebook import read_notebook
from ipywarmup.sources.project import Project, find_project
from ipywarmup.sources.script import read_script
from ipywarmup.sources.selection import (
    Selection,
    distrusting,
    predictable,
    select,
)
from ipywarmup.sources.whereabouts import current_notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ipywarmup.sources.notebook import Cell


@dataclass(frozen=True)
class Collection:
    """
    What was found in a file.

    Parameters
    ----------
    path : pathlib.Path or None
        The file; None if there was none to read.
    selection : Selection
        What to warm, and what not.
    unreadable : tuple of int
        The cells of a notebook that are no Python, counted from 1.
    remarks : tuple of str
        What else went wrong, a line each.
    cells : dict of int to str
        The code of the cells of a notebook, by their number.
    """

    path: Path | None
    selection: Selection
    unreadable: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    cells: dict[int, str] = field(default_factory=dict)


def of_notebook(
    path: Path | None,
    namespace: Mapping[str, object],
    environment: Mapping[str, str],
) -> Collection:
    """
    Collect what a notebook imports, as it was last saved.

    Parameters
    ----------
    path : pathlib.Path or None
        The notebook; None for the one that this kernel was started for.
    namespace : mapping
        The user's.
    environment : mapping
        `os.environ`.

    Raises
    ------
    SourceError
        If the notebook is unknown or cannot be read. What is wrong with the project's
        file, whose exclusions hold, is a remark.
    """
    if path is None:
        path = current_notebook(namespace, environment)
    path = at_home(path)
    notebook = read_notebook(path)
    project, remarks = _project(path.absolute().parent)
    distrust = distrusting()
    barriers = _barriers(notebook.cells, distrust)
    selection = select(
        notebook.imports, project.exclude if project else (), barriers, distrust
    )
    cells = {cell.number: cell.code for cell in notebook.cells}
    return Collection(path, selection, notebook.unreadable, remarks, cells)


def of_script(path: Path) -> Collection:
    """
    Collect what a script imports.

    Raises
    ------
    SourceError
        If it cannot be read, or is not Python.
    """
    path = at_home(path)
    script = read_script(path)
    project, remarks = _project(path.absolute().parent)
    distrust = distrusting()
    selection = select(
        script.imports,
        project.exclude if project else (),
        Reader(predictable(distrust)).read(script.tree),
        distrust,
    )
    return Collection(path, selection, remarks=remarks)


def auto(namespace: Mapping[str, object], environment: Mapping[str, str]) -> Collection:
    """
    Collect what this kernel will probably import.

    That is what its notebook imports, if that is known and imports anything, else the
    list of the project around it. Whatever goes wrong is a remark.

    Parameters
    ----------
    namespace : mapping
        The user's.
    environment : mapping
        `os.environ`.
    """
    path = None
    try:
        path = current_notebook(namespace, environment)
        notebook = of_notebook(path, namespace, environment)
    except SourceError as error:
        notebook = Collection(None, Selection(), remarks=(str(error),))
    if notebook.selection != Selection():
        return notebook
    project, remarks = _project((path or Path("notebook")).absolute().parent)
    # What is wrong with the project's file is told once.
    remarks = tuple(dict.fromkeys(notebook.remarks + remarks))
    if project is None or not project.modules:
        return Collection(
            notebook.path, notebook.selection, notebook.unreadable, remarks
        )
    named = [Import(name, line=0) for name in project.modules]
    return Collection(
        project.path, select(named, project.exclude), notebook.unreadable, remarks
    )


def describe(
    collection: Collection, enumerate_names: Callable[[Sequence[str]], str]
) -> list[str]:
    """
    Say what was taken, what was left out and why, and what went wrong, a line each.

    Parameters
    ----------
    collection : Collection
        What a function of this file returns.
    enumerate_names : callable
        Returns names as one would say them, long lists shortened.
    """
    origin = collection.path.name if collection.path else "any file"
    lines = selecting.describe(collection.selection, origin, enumerate_names)
    if collection.unreadable:
        numbers = enumerate_names([str(number) for number in collection.unreadable])
        several = len(collection.unreadable) > 1
        them = "they are no Python: cells" if several else "it is no Python: cell"
        lines.append(f"Passed over, since {them} {numbers}")
    return [*lines, *collection.remarks]


def _barriers(
    cells: Iterable[Cell], distrust: Callable[[str], str | None]
) -> list[Barrier]:
    """Return the barriers of a notebook, in its order."""
    reader = Reader(predictable(distrust))
    barriers: list[Barrier] = []
    for cell in cells:
        if cell.tree is None:
            # Whoever runs it has mended it before.
            barriers.append(Barrier(0, "no Python yet", cell=cell.number))
        else:
            barriers += reader.read(cell.tree, cell.number)
    return barriers


def _project(folder: Path) -> tuple[Project | None, tuple[str, ...]]:
    try:
        return find_project(folder), ()
    except SourceError as error:
        return None, (str(error),)
