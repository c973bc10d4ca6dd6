"""Which strings can name a module, and which module is whose parent."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from ipywarmup.nearest import meant_by_distribution

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


def check_names(modules: Iterable[str]) -> list[str]:
    """
    Return names as a list, if each can name a module.

    Raises
    ------
    TypeError
        If `modules` is one string, or holds anything but strings.
    ValueError
        If a name is not an absolute dotted name.
    """
    if isinstance(modules, str | bytes):
        raise TypeError(
            f"expected a list of module names, not the string {modules!r}; write"
            f" [{modules!r}]"
        )
    names = list(modules)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a module name is a string, not {name!r}")
        if not all(part.isidentifier() for part in name.split(".")):
            meant = meant_by_distribution(name)
            raise ValueError(
                f"{name!r} is not an absolute dotted module name"
                + (f"; {meant}" if meant else ", like 'numpy' or 'sklearn.ensemble'")
            )
    return names


def parents_first(names: Iterable[str], among: Container[str]) -> list[str]:
    """
    Return names in their order, but each after its parents.

    Parameters
    ----------
    names : iterable of str
        Absolute dotted names.
    among : container of str
        The parents that matter; the others are left out.

    Returns
    -------
    list of str
        Each name once, and those parents, named or not.
    """
    ordered: dict[str, None] = {}
    for name in names:
        parents = itertools.accumulate(name.split(".")[:-1], "{}.{}".format)
        ordered.update(dict.fromkeys(parent for parent in parents if parent in among))
        ordered[name] = None
    return list(ordered)
