"""
Native libraries opened without the interpreter's lock.

An extension module's libraries are opened while it is created, with the lock held:
large ones keep every other thread waiting for a tenth of a second. Those that have
nothing to do with Python can be opened before, by calling C's `dlopen` as a foreign
function, which lets the lock go.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywarmup.responsiveness.graph import Node

logger = logging.getLogger("ipywarmup")

_NEEDED_HERE = ("_ctypes", "_struct", "array")
"""Extension modules that all of this takes."""

WORTHWHILE = 32 << 20
"""
Bytes of libraries that take longer to open than it takes to find out whether they may
be: some 5 ms. OpenBLAS has 25 MB and takes 2 ms, Arrow 70 MB and 9 ms, torch 450 MB
and 150 ms.
"""


# Guarantees
# - What is opened is what creating the extension module would open, from the same
#   files, in the same order of initialization; it calls nothing of Python.
# - Its symbols are bound as they would be, but for C++'s inline functions and the like,
#   of which every library has its own copy; whichever is used does the same. A library
#   that brings its own `new` and `delete` has them used as the import would.
# - Flags are those of the import, without RTLD_GLOBAL: when the extension module is
#   created, the loader makes all that comes with it global, open or not.
# - Whatever goes wrong is left to the import itself, to report it or to do without.
# This code assumes
# - that the calling thread is about to create the extension module, and that no other
#   thread opens libraries meanwhile: the loader has one lock, and who waits for
#   it inside an import keeps the interpreter's lock.


def open_needed(path: str, *, worthwhile: int = WORTHWHILE) -> list[str]:
    """
    Open the large libraries that an extension module needs and that do not use Python.

    Does nothing where the loader is not that of glibc on Linux.

    Parameters
    ----------
    path : str
        The file of an extension module that is about to be created.
    worthwhile : int
        Leave libraries that have fewer bytes, with what comes with them, to the import.

    Returns
    -------
    list of str
        Paths of what was opened, in this order.
    """
    name = path.rpartition("/")[2].partition(".")[0]
    if name in _NEEDED_HERE or not _is_supported():
        return []
    opened: list[str] = []
    try:
        full_path = path if path.startswith("/") else f"{Path.cwd()}/{path}"
        _open_needed(full_path, worthwhile, opened)
    except Exception as error:  # nobody's: the import meets it, or does without
        logger.debug("libraries of %s are left to its import: %r", path, error)
    return opened


def _is_supported() -> bool:
    if sys.platform != "linux" or sys.maxsize < 1 << 32:
        return False
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):
        return False


def _open_needed(path: str, worthwhile: int, opened: list[str]) -> None:
    flags = sys.getdlopenflags()
    if flags & ~(os.RTLD_LAZY | os.RTLD_NOW | os.RTLD_GLOBAL):
        return
    from ipywarmup.responsiveness import graph, loader  # noqa: PLC0415

    module = loader.Library(path)
    if all(map(loader.was_open, module.dynamic.needed)):
        return
    nodes = graph.nodes_of(module)
    if graph.size_of(nodes) < worthwhile:
        return
    candidates = graph.candidates(nodes)
    while candidates and graph.size_of(candidates[-1].closure()) < worthwhile:
        candidates.pop()
    for node in candidates:
        _open(node, nodes, flags & (os.RTLD_LAZY | os.RTLD_NOW), opened, set())
        if not node.is_open:
            # What comes after it is not to be initialized before it.
            return


def _open(
    node: Node, nodes: list[Node], mode: int, opened: list[str], entered: set[Node]
) -> None:
    """Open a library, and before it what it would not find the same by itself."""
    from ipywarmup.responsiveness import graph, loader  # noqa: PLC0415

    entered.add(node)
    if not graph.comes_alone(node):
        for needed in reversed(node.needs.values()):
            if not needed.is_open and needed not in entered:
                _open(needed, nodes, mode, opened, entered)
        if not graph.comes_alone(node):
            return
    if (
        node.path is not None
        and graph.binds_alike(node, nodes)
        and loader.open_without_gil(node.path, mode)
    ):
        opened.append(node.path)
        for each in node.closure():
            each.is_open = True
