"""The imports of a notebook, as it was last saved."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ipywarmup.sources.cells import is_python, magic_call, may_import, python_code
from ipywarmup.sources.files import SourceError, read_bytes
from ipywarmup.sources.imports import Import, collect, parse_code
from ipywarmup.sources.installed import find

if TYPE_CHECKING:
    import ast
    from pathlib import Path

_LIMIT = 32_000_000
"""Bytes; what is larger holds up everybody else while it is parsed."""
_FORMAT = 4


@dataclass(frozen=True)
class Cell:
    """
    A cell of code.

    Parameters
    ----------
    number : int
        Counted from 1 among all cells.
    code : str
        As it was saved.
    tree : ast.Module or None
        What runs of it in the notebook's kernel; None of what is no Python.
    """

    number: int
    code: str
    tree: ast.Module | None


@dataclass(frozen=True)
class Notebook:
    """
    What a notebook imports.

    Parameters
    ----------
    path : pathlib.Path
        Where it was read from.
    imports : tuple of Import
        In the order of the cells.
    unreadable : tuple of int
        The cells that mention imports, but are no Python, counted from 1 among all
        cells.
    cells : tuple of Cell
        Those with code, up to the last one that imports.
    """

    path: Path
    imports: tuple[Import, ...]
    unreadable: tuple[int, ...] = ()
    cells: tuple[Cell, ...] = field(default=(), compare=False, repr=False)


def read_notebook(path: Path) -> Notebook:
    """
    Read what a notebook imports; nothing is run or imported.

    Parameters
    ----------
    path : pathlib.Path
        Of a file in the notebook format 4.

    Raises
    ------
    SourceError
        If it is no such file, or a notebook for another language than Python.
    """
    content = _loaded(path)
    _check_language(path, content.get("metadata"))
    imports: list[Import] = []
    unreadable: list[int] = []
    cells: list[Cell] = []
    find_once = functools.cache(find)
    codes = [_code(cell) for cell in content["cells"]]
    # What comes behind all imports matters to none.
    last = max(
        (n for n, code in enumerate(codes, 1) if code is None or may_import(code)),
        default=0,
    )
    for number, code in enumerate(codes[:last], start=1):
        if code == "":
            continue
        tree = None if code is None else _parsed(code)
        cells.append(Cell(number, code or "", tree))
        if code is not None and not may_import(code):
            continue
        try:
            imports += collect(tree, find_once, number) if tree else []
        except RecursionError:
            tree = None
        if tree is None:
            unreadable.append(number)
    return Notebook(path, tuple(imports), tuple(unreadable), tuple(cells))


def _parsed(code: str) -> ast.Module | None:
    try:
        return parse_cell(code if is_python(code) else magic_call(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parse_cell(cell: str) -> ast.Module:
    """
    Parse a cell, with or without what only IPython understands.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        As `ast.parse` does.
    """
    try:
        # Most cells are plain Python, and then nothing in them is to be replaced.
        return parse_code(cell)
    except SyntaxError:
        return parse_code(python_code(cell))


def _loaded(path: Path) -> dict[str, Any]:
    data = read_bytes(path, _LIMIT, "clear its outputs and save it")
    if not data.strip():
        raise SourceError(f"{str(path)!r} is empty; save the notebook first")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SourceError(
            f"{str(path)!r} is not a notebook: not UTF-8; save it again in Jupyter"
        ) from None
    except (ValueError, RecursionError) as error:
        # Of Python code there is a better remedy.
        remedy = (
            f"for a script, write %warmup file {path.name}"
            if path.suffix == ".py"
            else "name an .ipynb file"
        )
        place = f" in line {error.lineno}" if hasattr(error, "lineno") else ""
        raise SourceError(
            f"{str(path)!r} is not a notebook: not JSON{place}; {remedy}"
        ) from None
    number = content.get("nbformat") if isinstance(content, dict) else None
    if isinstance(number, int) and number != _FORMAT:
        raise SourceError(
            f"{str(path)!r} is in notebook format {number}, and only {_FORMAT} can be"
            " read; open it in Jupyter and save it"
        )
    if number is None or not isinstance(content.get("cells"), list):
        raise SourceError(
            f"{str(path)!r} is not a notebook: JSON, but without cells; name an .ipynb"
            " file"
        )
    return dict(content)


def _check_language(path: Path, metadata: Any) -> None:  # noqa: ANN401 - of JSON
    languages = [
        _text(metadata, "kernelspec", "language"),
        _text(metadata, "language_info", "name"),
    ]
    named = [language for language in languages if language]
    if named and not any("python" in language.casefold() for language in named):
        raise SourceError(
            f"{str(path)!r} is a notebook for {named[0]}, not for Python; name another"
        )


def _code(cell: Any) -> str | None:  # noqa: ANN401 - of JSON
    """Return the code of a cell, none of one for another language, None of a broken."""
    if not isinstance(cell, dict):
        return None
    if cell.get("cell_type") != "code":
        return ""
    language = _text(cell.get("metadata"), "vscode", "languageId")
    if language not in {None, "python"}:
        return ""
    source = cell.get("source")
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return None


def _text(value: Any, *keys: str) -> str | None:  # noqa: ANN401 - of JSON
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
