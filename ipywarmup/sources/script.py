"""The imports of a script."""

from __future__ import annotations

import io
import tokenize
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.sources.files import SourceError, read_bytes
from ipywarmup.sources.imports import Import, collect
from ipywarmup.sources.notebook import parse_cell

if TYPE_CHECKING:
    import ast
    from pathlib import Path

_LIMIT = 4_000_000
"""Bytes; no person writes that much Python."""


class Script(NamedTuple):
    """
    A script.

    Parameters
    ----------
    imports : list of Import
        In the order of the code.
    tree : ast.Module
    """

    imports: list[Import]
    tree: ast.Module


def read_script(path: Path) -> Script:
    """
    Read what a script imports; nothing is run or imported.

    Parameters
    ----------
    path : pathlib.Path
        Of a file of Python code, or of IPython's.

    Raises
    ------
    SourceError
        If it cannot be read, or is not Python.
    """
    if path.suffix == ".ipynb" and path.is_file():
        raise SourceError(
            f"{str(path)!r} is a notebook; write %warmup notebook {path.name}"
        )
    data = read_bytes(path, _LIMIT, "name the modules instead")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        code = data.decode(encoding)
        tree = parse_cell(code)
        return Script(collect(tree), tree)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{str(path)!r} is not {error.encoding}; name its encoding in the first"
            " line, as in # coding: latin-1"
        ) from None
    except SyntaxError as error:
        place = f"line {error.lineno} of " if error.lineno else ""
        raise SourceError(
            f"{place}{str(path)!r} is not Python ({error.msg}); correct it first"
        ) from None
    except (RecursionError, MemoryError):
        raise SourceError(
            f"{str(path)!r} is nested too deeply to be read; name the modules instead"
        ) from None
    except (ValueError, LookupError) as error:
        raise SourceError(
            f"{str(path)!r} is not Python ({error}); name a .py file"
        ) from None
