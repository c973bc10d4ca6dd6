"""Which strings can name a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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
            raise ValueError(
                f"{name!r} is not an absolute dotted module name, like 'numpy' or"
                " 'sklearn.ensemble'"
            )
    return names
