"""
The start-up of kernels, switched on and off for a profile of IPython.

A file of our own in the profile's `startup` folder does it. IPython runs whatever lies
there, so nothing that a person wrote has to be edited, and nothing is in the way of it:
a list of extensions in `ipython_config.json` would take the place of the one in
`ipython_config.py` instead of adding to it.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
from pathlib import Path
from typing import NamedTuple

from IPython.utils.path import get_home_dir, get_xdg_dir

DEFAULT = "default"
NAME = "50-ipywarmup.py"
_FIRST_LINE = "# Written by `python -m ipywarmup enable`, for `disable` to delete.\n"
_FOLDERS = "# Folders made for it, from the innermost: "
# One function, so that nothing of it stays in the user's namespace, and no name of
# somebody else is taken. The working directory may hold a folder of any name.
_PROGRAM = """
def ipywarmup_start():
    import os
    import sys

    path = sys.path[:]
    try:
        here = os.path.realpath("")
        sys.path[:] = [entry for entry in path if os.path.realpath(entry) != here]
        from ipywarmup.startup import begin
    except Exception:  # it has been uninstalled, or is not there for this Python
        return
    finally:
        sys.path[:] = path
    begin(get_ipython())


if hasattr(get_ipython(), "kernel"):
    ipywarmup_start()
del ipywarmup_start
"""


class ProfileError(Exception):
    """What stands in the way; the message is one line, with the remedy."""


class StartUp(NamedTuple):
    """
    Where a profile keeps what its kernels do at their start.

    Parameters
    ----------
    profile : str
    file : pathlib.Path
        The one that is ours, there or not.
    """

    profile: str
    file: Path

    @property
    def enabled(self) -> bool:
        """Whether the file is there; raises ProfileError if it is not ours."""
        return self._text() is not None

    def enable(self) -> bool:
        """
        Write the file.

        Returns
        -------
        bool
            False if it is there already.

        Raises
        ------
        ProfileError
            If it cannot be written, or is somebody else's.
        """
        text = self._text()
        place = self.file.parents[2]
        if os.path.isdir(place) and not os.access(place, os.W_OK):  # noqa: PTH112
            # Kernels take a temporary one then, in which there is no file of ours.
            raise ProfileError(
                f"{place} cannot be written, so no kernel would use it; see to that, or"
                " name another folder in IPYTHONDIR"
            )
        missing = self._missing_folders()
        made = len(missing) if text is None else _folders_of(text)
        wanted = f"{_FIRST_LINE}{_FOLDERS}{made}\n{_PROGRAM}"
        if text == wanted:
            return False
        # A kernel that starts meanwhile runs all of it or nothing.
        draft = self.file.with_suffix(f".{secrets.token_hex(8)}")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("x", encoding="utf-8") as stream:
                stream.write(wanted)
            draft.replace(self.file)
        except OSError as error:
            _delete(draft, missing)
            raise self._failure("written", error) from None
        return True

    def disable(self) -> bool:
        """
        Delete the file, and what folders were made for it.

        Returns
        -------
        bool
            False if it was not there.

        Raises
        ------
        ProfileError
            If it cannot be deleted, or is somebody else's.
        """
        text = self._text()
        if text is None:
            return False
        try:
            self.file.unlink()
        except OSError as error:
            raise self._failure("deleted", error) from None
        _delete(None, list(self.file.parents)[: _folders_of(text)])
        return True

    def _text(self) -> str | None:
        """Return what is in the file; None if it is not there."""
        if os.path.islink(self.file):  # noqa: PTH114 - never raises
            raise ProfileError(
                f"{self.file} is a link that somebody else has made; rename it first"
            )
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            return None
        except OSError as error:
            raise self._failure("read", error) from None
        if not text.startswith(_FIRST_LINE):
            raise ProfileError(
                f"{self.file} was written by somebody else; rename it first"
            )
        return text

    def _missing_folders(self) -> list[Path]:
        return [folder for folder in self.file.parents if not folder.exists()]

    def _failure(self, done: str, error: OSError) -> ProfileError:
        reason = error.strerror or str(error)
        otherwise = (
            ", or name another folder in IPYTHONDIR" if done == "written" else ""
        )
        return ProfileError(
            f"{self.file} cannot be {done}: {reason}; see to that{otherwise}"
        )


def find(profile: str = DEFAULT) -> StartUp:
    """
    Find a profile's start-up.

    Parameters
    ----------
    profile : str
        Its name, without ``profile_``. That of kernels is made at their first start,
        so it may be missing.

    Raises
    ------
    ProfileError
        If there is none of this name, or a link in its path leads nowhere.
    """
    folder = _ipython_folder()
    nameless = not profile.strip(".") or not profile.isprintable()
    if nameless or {os.sep, os.altsep} & set(profile):
        raise ProfileError(f"{profile!r} is no name of a profile")
    place = folder / f"profile_{profile}"
    file = place / "startup" / NAME
    for each in reversed(file.parents):
        # Those of os.path never raise.
        if os.path.islink(each) and not os.path.exists(each):  # noqa: PTH110, PTH114
            raise ProfileError(
                f"{each} is a link that leads nowhere; mend or delete it"
            )
    if profile != DEFAULT and not os.path.isdir(place):  # noqa: PTH112 - never raises
        raise ProfileError(
            f"there is no profile {profile!r} in {folder}; make it with"
            f" `ipython profile create {shlex.quote(profile)}`"
        )
    return StartUp(profile, file)


def _ipython_folder() -> Path:
    """
    Return the folder of IPython's profiles, there or not.

    That is what `IPython.paths.get_ipython_dir` returns, which makes it, or a temporary
    one where it cannot be written.
    """
    named = os.environ.get("IPYTHONDIR")
    if named is None:
        home, settings = Path(get_home_dir(), ".ipython"), get_xdg_dir()
        old = Path(settings, "ipython") if settings else home
        # Of IPython 1 and before: it counts where it is the only one.
        counts = os.access(old, os.W_OK) and not old.is_symlink()
        return old if counts and not os.path.exists(home) else home  # noqa: PTH110
    # As IPython does it: pathlib raises for a user who is unknown, and keeps "..".
    return Path(os.path.normpath(os.path.expanduser(named)))  # noqa: PTH111


def _folders_of(text: str) -> int:
    found = re.search(rf"^{_FOLDERS}(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _delete(file: Path | None, folders: list[Path]) -> None:
    """Delete a file, and those folders that hold nothing else."""
    try:
        if file is not None:
            file.unlink(missing_ok=True)
        for folder in folders:
            folder.rmdir()
    except OSError:
        return
