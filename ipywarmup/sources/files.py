"""Files that names are read from: read whole, within limits, and never run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_MEGABYTE = 1_000_000


class SourceError(ValueError):
    """A file that names cannot be read from; its message is one line for the user."""


def at_home(path: Path | str) -> Path:
    """Expand ``~``; what names nobody's home stays, and is no file then."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - that one would raise


def read_bytes(path: Path, limit: int, remedy: str) -> bytes:
    """
    Return what is in a file.

    Parameters
    ----------
    path : pathlib.Path
        Relative to the working directory, or absolute.
    limit : int
        Bytes that the file may have; a larger one is not read.
    remedy : str
        What to do about a larger one.

    Raises
    ------
    SourceError
        Naming the file, and what to do about it.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise SourceError(f"{str(path)!r} is a folder; name a file in it")
        # Who reads a pipe or a device may wait for ever.
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(f"{str(path)!r} is no regular file; name one that is")
        if found.st_size > limit:
            raise SourceError(
                f"{str(path)!r} has {found.st_size / _MEGABYTE:.0f} MB, more than the"
                f" {limit / _MEGABYTE:.0f} MB that are read; {remedy}"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise SourceError(
            f"there is no {str(path)!r}; name a file by its path from"
            " the working directory, or by its full path"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise SourceError(
            f"{str(path)!r} cannot be read ({reason}); name another file"
        ) from None
