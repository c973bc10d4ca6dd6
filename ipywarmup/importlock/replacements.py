"""Functions that something else takes the place of, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Replacements:
    """Put functions in the place of others, and take them out again."""

    def __init__(self) -> None:
        # By module and name: what was there, and what stands in for it.
        self._replaced: dict[tuple[Any, str], tuple[Any, Any]] = {}

    def put(
        self, module: object, name: str, make: Callable[[Any], Callable[..., object]]
    ) -> None:
        """
        Put a function in the place of another; do nothing where there is none.

        Parameters
        ----------
        module : object
            A module or a class.
        name : str
            Of the function in it.
        make : callable
            Takes the function that is there, and returns the one that stands in for it.
        """
        original = getattr(module, name, None)
        if original is not None:
            ours = make(original)
            self._replaced[module, name] = original, ours
            setattr(module, name, ours)

    def remove(self) -> None:
        """Put all back; what somebody else has put there meanwhile stays."""
        for (module, name), (original, ours) in self._replaced.items():
            if getattr(module, name, None) is ours:
                setattr(module, name, original)
        self._replaced.clear()
