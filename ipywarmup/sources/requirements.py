"""Which packages require which, as their distributions say."""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
from typing import TYPE_CHECKING

from ipywarmup.nearest import normal_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"\s*([A-Za-z0-9._-]+)")


class Requirements:
    """
    The requirements of what is installed, read when first asked for.

    Those of extras do not count: nobody knows which of them were asked for, and tests
    and documentation require nearly everything.
    """

    def __init__(self) -> None:
        # By distribution.
        self._required: dict[str, list[str]] = {}

    @functools.cached_property
    def _distributions(self) -> Mapping[str, list[str]]:
        return importlib.metadata.packages_distributions()

    def related(self, package: str, other: str) -> bool:
        """
        Tell whether one of two packages may import the other.

        Parameters
        ----------
        package, other : str
            Top-level modules.

        Returns
        -------
        bool
            True, too, where no distribution is known for one of them.
        """
        if package == other:
            return True
        if {package, other} & sys.stdlib_module_names:
            return False
        ours, theirs = (
            {normal_distribution(name) for name in self._distributions.get(top, ())}
            for top in (package, other)
        )
        if not ours or not theirs:
            return True
        return bool(self._all(ours) & theirs or self._all(theirs) & ours)

    def _all(self, distributions: set[str]) -> set[str]:
        """Return distributions with all that they require."""
        found: set[str] = set()
        left = list(distributions)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                if name not in self._required:
                    self._required[name] = list(_required(name))
                left.extend(self._required[name])
        return found


def _required(distribution: str) -> Iterator[str]:
    try:
        lines = importlib.metadata.requires(distribution) or ()
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return
    for line in lines:
        requirement, _, marker = line.partition(";")
        match = _NAME.match(requirement)
        if match is not None and "extra" not in marker:
            yield normal_distribution(match[1])
