"""What could be imported, found without importing or running anything."""

from __future__ import annotations

import pkgutil
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

from ipywarmup.nearest import modules_on

if TYPE_CHECKING:
    from collections.abc import Iterable

_FINDERS: tuple[Any, ...] = (BuiltinImporter, FrozenImporter, PathFinder)
_EDITABLE = {"_EditableFinder", "RedirectingFinder"}
"""Finders of installations that can be edited: those of setuptools and editables."""


def find(name: str) -> ModuleSpec | None:
    """
    Find a module without importing its parents, as `importlib.util.find_spec` would.

    Python's own finders are asked, and those of editable installations, which look
    names up in a table. Other finders are not: some of them import, build or install
    what they are asked for. Nor is it asked what a module adds to its package when it
    runs: ``os.path`` and ``six.moves`` are no modules here.

    Parameters
    ----------
    name : str
        Absolute dotted name.

    Returns
    -------
    importlib.machinery.ModuleSpec or None
        Not to be loaded; None if there is no such module.
    """
    top, *parts = name.split(".")
    spec = _find_top(top)
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        top = f"{top}.{part}"
        spec = _find_within(top, spec.submodule_search_locations)
    return spec


def submodules(package: str) -> list[str]:
    """Return the names of a package's modules, less the package's own, sorted."""
    spec = find(package)
    if spec is None or spec.submodule_search_locations is None:
        return []
    names = modules_on(spec.submodule_search_locations) - {"__main__"}
    return sorted(name for name in names if name.isidentifier())


def top_level() -> list[str]:
    """Return the names of all that can be imported and lies in no package, sorted."""
    # Whatever else is on sys.path, `import` passes over it.
    path = [entry for entry in sys.path if isinstance(entry, str)]
    names = (modules_on(path) | sys.stdlib_module_names) - {"__main__"}
    return sorted(name for name in names if name.isidentifier())


def _find_top(name: str) -> ModuleSpec | None:
    editable = [finder for finder in sys.meta_path if _is_editable(finder)]
    for finder in (*_FINDERS, *editable):
        try:
            spec: ModuleSpec | None = finder.find_spec(name)
        except Exception:  # noqa: S112 - a broken finder finds nothing, for `import` too
            continue
        if spec is not None:
            return spec
    return None


def _is_editable(finder: object) -> bool:
    # Setuptools puts the class itself on the path, editables an instance.
    kind = finder if isinstance(finder, type) else type(finder)
    return kind.__name__ in _EDITABLE


def _find_within(name: str, path: Iterable[str]) -> ModuleSpec | None:
    """
    Find a module on the path of its package.

    `PathFinder` would look up the parent of a namespace package among the imported
    modules, where it is not.
    """
    portions: list[str] = []
    for entry in path:
        finder: Any = pkgutil.get_importer(entry)
        try:
            spec: ModuleSpec | None = finder and finder.find_spec(name)
        except Exception:  # noqa: S112 - see above
            continue
        if spec is None:
            continue
        if spec.loader is not None:
            return spec
        portions.extend(spec.submodule_search_locations or ())
    if not portions:
        return None
    namespace = ModuleSpec(name, None, is_package=True)
    namespace.submodule_search_locations = portions
    return namespace
