"""The module that a misspelt name, or one that pip knows, probably meant."""

from __future__ import annotations

import collections
import contextlib
import functools
import inspect
import pkgutil
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import Distribution

_LONGEST = 64
"""Characters of a name beyond which nobody has merely misspelt it."""
_MODULES = {
    "beautifulsoup4": "bs4",
    "biopython": "Bio",
    "faiss-cpu": "faiss",
    "gitpython": "git",
    "imbalanced-learn": "imblearn",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "psycopg2-binary": "psycopg2",
    "python-dateutil": "dateutil",
    "python-dotenv": "dotenv",
    "pytorch": "torch",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "umap-learn": "umap",
}
"""What popular distributions are imported as, where they are not installed."""


def hint_for(error: BaseException, module: str) -> str | None:
    """
    Return what a missing module was probably meant to be.

    Parameters
    ----------
    error : BaseException
        What the import of `module` raised.
    module : str
        Absolute dotted name that was asked for.

    Returns
    -------
    str or None
        ``"did you mean 'pandas'?"``; None if `error` is not about `module`
        itself, and nothing is called so or similarly that is installed.
    """
    missing = getattr(error, "name", None)
    if not isinstance(error, ModuleNotFoundError) or not isinstance(missing, str):
        return None
    if not f"{module}.".startswith(f"{missing}."):
        return None
    parent, _, leaf = missing.rpartition(".")
    if not parent and (meant := meant_by_distribution(missing)):
        return meant
    if parent:
        path = getattr(sys.modules.get(parent), "__path__", None)
        if path is None:
            return None
        index = _submodules(tuple(path))
    else:
        # Whatever else is on sys.path, `import` passes over it.
        index = _top_level(tuple(entry for entry in sys.path if isinstance(entry, str)))
    found = index.nearest(leaf)
    if found is None:
        return None
    suggestion = f"{parent}.{found}" if parent else found
    return f"did you mean {suggestion + module[len(missing) :]!r}?"


def meant_by_distribution(name: str) -> str | None:
    """
    Return what to import of a distribution, in the words of a hint.

    Parameters
    ----------
    name : str
        What somebody has asked for that is no module.

    Returns
    -------
    str or None
        ``"did you mean 'sklearn' (of scikit-learn)?"``; None if `name` is no
        distribution that is installed or well known.
    """
    import importlib.metadata  # noqa: PLC0415 - for mistakes only

    found = _MODULES.get(normal_distribution(name))
    modules = {found} if found else set[str]()
    # Whatever else is on sys.path, nothing is installed there. No name means all.
    path = [entry for entry in sys.path if isinstance(entry, str)] if name else []
    for distribution in importlib.metadata.distributions(name=name, path=path):
        modules = {
            module
            for module in top_level_of(distribution)
            if module.isidentifier() and module[0] != "_"
        }
        break
    if not modules or name in modules:
        return None
    return f"did you mean {min(modules)!r} (of {name})?"


def normal_distribution(name: str) -> str:
    """Return the name of a distribution, spelled as all others are (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def top_level_of(distribution: Distribution) -> Iterable[str]:
    """Return the top-level modules that a distribution declares, else its files'."""
    declared = (distribution.read_text("top_level.txt") or "").split()
    return declared or {
        file.parts[0] if len(file.parts) > 1 else inspect.getmodulename(file) or ""
        for file in distribution.files or ()
    }


class NameIndex:
    """
    Find names that differ from a word by a letter or two.

    Every name is filed under itself and under itself less any one letter. Two
    words that share such a key differ by one insertion, deletion, substitution
    or transposition (or a pair of them), so a look-up costs as many steps as the
    word has letters, however many names there are: the symmetric delete method
    of W. Garbe's SymSpell (2012), at depth one.

    Parameters
    ----------
    names : iterable of str
        What may be meant.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: collections.defaultdict[str, list[str]] = collections.defaultdict(
            list
        )
        for name in sorted(set(names)):
            for key in _keys(name):
                self._names[key].append(name)

    def nearest(self, word: str) -> str | None:
        """Return the most similar name other than `word`, None if there is none."""
        if len(word) > _LONGEST:
            return None
        candidates = {
            name for key in _keys(word) for name in self._names.get(key, ())
        } - {word}
        # Two letters of two are a different word, not a misspelling.
        candidates = {name for name in candidates if min(len(name), len(word)) > 2}  # noqa: PLR2004
        if len(candidates) < 2:  # noqa: PLR2004
            return next(iter(candidates), None)
        return max(sorted(candidates), key=lambda name: _shared(name, word))


def _keys(word: str) -> set[str]:
    word = word.casefold()
    return {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}


def _shared(name: str, word: str) -> float:
    """Rate two words by the letters they share in order, 0 to 1."""
    import difflib  # noqa: PLC0415 - not needed before there is a choice

    return difflib.SequenceMatcher(None, name.casefold(), word.casefold()).ratio()


@functools.lru_cache(maxsize=4)
def _top_level(path: tuple[str, ...]) -> NameIndex:
    """Index the standard library and what is installed on `path`."""
    return NameIndex(
        name for name in modules_on(path) | sys.stdlib_module_names if name[0] != "_"
    )


@functools.lru_cache(maxsize=32)
def _submodules(path: tuple[str, ...]) -> NameIndex:
    return NameIndex(modules_on(path))


def modules_on(path: Iterable[str]) -> set[str]:
    """Return the modules that can be imported from `path`, importing none."""
    names: set[str] = set()
    for entry in path:
        # A finder of somebody's own costs its own names, not those of the others,
        # and not the index either, which would be made again for the next name.
        with contextlib.suppress(Exception):
            names.update(module.name for module in pkgutil.iter_modules([entry]))
    return names
