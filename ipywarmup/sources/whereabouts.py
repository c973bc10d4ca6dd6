"""Which notebook a kernel belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ipywarmup.sources.files import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMEDY = "name it, as in %warmup notebook analysis.ipynb"
_SUFFIX = ".ipynb"


def current_notebook(
    namespace: Mapping[str, object], environment: Mapping[str, str]
) -> Path:
    """
    Return the notebook that this kernel was started for.

    Jupyter servers name it in ``JPY_SESSION_NAME``: by its full path, or, to who starts
    a session without a name, by its path from the server's root, which is the working
    directory or above. A console, or a notebook that was renamed, is named there, too,
    but is no file. VS Code names it in the user's namespace; what it tells a server is
    made up.

    Parameters
    ----------
    namespace : mapping
        The user's.
    environment : mapping
        `os.environ`.

    Returns
    -------
    pathlib.Path
        Of a file that is there.

    Raises
    ------
    SourceError
        Saying why it is unknown, and what to do.
    """
    for kind, name in (
        ("__vsc_ipynb_file__", namespace.get("__vsc_ipynb_file__")),
        ("JPY_SESSION_NAME", environment.get("JPY_SESSION_NAME")),
    ):
        if isinstance(name, str) and name:
            path = _existing(name)
            if path is not None:
                return path
            raise SourceError(
                f"this is no saved notebook: {kind} is {name!r}; {_REMEDY}"
            )
    raise SourceError(f"nothing tells which notebook this is; {_REMEDY}")


def _existing(name: str) -> Path | None:
    here = Path.cwd()
    # An absolute path stays what it is when joined.
    for folder in (here, *here.parents):
        path = folder / name
        try:
            if path.suffix == _SUFFIX and path.is_file():
                return path
        except (OSError, ValueError):
            return None
    return None
