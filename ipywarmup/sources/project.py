"""What a project wants to be warmed: ``[tool.ipywarmup]`` of a pyproject.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ipywarmup.names import check_names
from ipywarmup.nearest import NameIndex
from ipywarmup.sources.files import SourceError, read_bytes
from ipywarmup.sources.trust import UntrustedError, check_trusted

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "pyproject.toml"
_TABLE = "ipywarmup"
_KEYS = ("modules", "exclude")
_LIMIT = 4_000_000


@dataclass(frozen=True)
class Project:
    """
    What a project says.

    Parameters
    ----------
    path : pathlib.Path
        The file that says so.
    modules : tuple of str
        Absolute dotted names of what to warm where nothing else is known.
    exclude : tuple of str
        Absolute dotted names of what to leave alone, with all that is within.
    """

    path: Path
    modules: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def find_project(folder: Path) -> Project | None:
    """
    Read the nearest pyproject.toml with a table for ipywarmup.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look first; then in the folders above it.

    Returns
    -------
    Project or None
        None if there is no such file.

    Raises
    ------
    SourceError
        If there is, and something in it is wrong.
    """
    folder = folder.absolute()
    for path in (place / _FILE for place in (folder, *folder.parents)):
        if not path.is_file():
            continue
        data = read_bytes(path, _LIMIT, "move [tool.ipywarmup] to one of a subfolder")
        # Whose project does not mention it has nothing to fear of a broken file.
        if _TABLE.encode() in data:
            table = _table(path, data)
            if table is not None:
                return _checked(path, table)
    return None


def _table(path: Path, data: bytes) -> Any:  # noqa: ANN401 - of TOML
    try:
        # The first import of it may well be here, where a file of that name may lie.
        check_trusted("tomllib")
        import tomllib  # noqa: PLC0415

        content = tomllib.loads(data.decode())
    except UntrustedError:
        raise SourceError(
            f"{str(path)!r} cannot be read while a tomllib.py stands in the way of"
            " Python's own; rename that"
        ) from None
    except UnicodeDecodeError:
        raise SourceError(f"{str(path)!r} is not UTF-8; save it as that") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise SourceError(
            f"{str(path)!r} is not TOML: {reason}; correct it first"
        ) from None
    tool = content.get("tool")
    return tool.get(_TABLE) if isinstance(tool, dict) else None


def _checked(path: Path, table: Any) -> Project:  # noqa: ANN401 - of TOML
    where = f"[tool.{_TABLE}] of {str(path)!r}"
    if not isinstance(table, dict):
        raise SourceError(f"{where} is not a table; write modules = [...] below it")
    for key in table:
        if key not in _KEYS:
            meant = NameIndex(_KEYS).nearest(key)
            raise SourceError(
                f"{where} has an unknown key {key!r}; "
                + (
                    f"did you mean {meant!r}?"
                    if meant
                    else "there are modules, exclude"
                )
            )
    return Project(path, *(_names(where, key, table.get(key, [])) for key in _KEYS))


def _names(where: str, key: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401 - of TOML
    if not isinstance(value, list):
        raise SourceError(
            f"{key} in {where} is not a list; write {key} = "
            + (f'["{value}"]' if isinstance(value, str) else '["numpy", "pandas"]')
        )
    try:
        return tuple(dict.fromkeys(check_names(value)))
    except (TypeError, ValueError) as error:
        raise SourceError(f"{key} in {where}: {error}") from None
