"""The installed module that a misspelt name probably meant."""

from __future__ import annotations

import collections
import contextlib
import functools
import pkgutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 64
"""Characters of a name beyond which nobody has merely misspelt it."""


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
        itself, or nothing similar is installed.
    """
    missing = getattr(error, "name", None)
    if not isinstance(error, ModuleNotFoundError) or not isinstance(missing, str):
        return None
    if not f"{module}.".startswith(f"{missing}."):
        return None
    parent, _, leaf = missing.rpartition(".")
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
