"""Which notebook a kernel belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ipywarmup.sources.files import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMEDY = "name it, as in %warmup notebook analysis.ipynb"
_SUFFIX = ".ipynb"
_VS_CODE = "__vsc_ipynb_file__"
_SERVER = "JPY_SESSION_NAME"
_COLAB = ("COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION")
"""What the environment of every kernel in Colab has, Kaggle's less."""


def current_notebook(
    namespace: Mapping[str, object], environment: Mapping[str, str]
) -> Path:
    """
    Return the notebook that this kernel was started for.

    Jupyter servers name it in ``JPY_SESSION_NAME``: by its full path, or, to who starts
    a session without a name, by its path from the server's root, which is the working
    directory or above. A console, or a notebook that was renamed, is named there, too,
    but is no file. VS Code names it in the user's namespace, by its full path once it
    has been saved; what it tells a server is made up. Colab names none: it keeps the
    notebook in Google Drive, which the kernel's machine may have mounted.

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
    named = [
        (_VS_CODE, namespace.get(_VS_CODE)),
        (_SERVER, environment.get(_SERVER)),
    ]
    trouble = f"nothing tells which notebook this is; {_REMEDY}"
    for kind, name in named:
        if isinstance(name, str) and name:
            path = _existing(name, anywhere_above=kind == _SERVER)
            if path is not None:
                return path
            trouble = f"this is no saved notebook: {kind} is {name!r}; {_REMEDY}"
            break
    if any(variable in environment for variable in _COLAB):
        trouble = (
            "a kernel in Colab does not see the notebook's file; write %%warmup above"
            " its imports, or mount Google Drive and name the file there"
        )
    raise SourceError(trouble)


def _existing(name: str, *, anywhere_above: bool) -> Path | None:
    here = Path.cwd()
    if not anywhere_above and not Path(name).is_absolute():
        return None
    # An absolute path stays what it is when joined.
    for folder in (here, *here.parents):
        path = folder / name
        try:
            if path.suffix == _SUFFIX and path.is_file():
                return path
        except (OSError, ValueError):
            return None
    return None
