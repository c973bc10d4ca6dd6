"""What a kernel does at its start, once `python -m ipywarmup enable` was run."""

from __future__ import annotations

import functools
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from ipywarmup.kernel import is_kernel, once_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from ipywarmup.magics import WarmupMagics

logger = logging.getLogger("ipywarmup")

VARIABLE = "IPYWARMUP_AUTO"
"""Switches the start off in the environment of a kernel."""
_OFF = frozenset({"0", "false", "no", "off"})

HEAD_START = 0.1
"""
Seconds between the moment from which a kernel takes requests, and the warmup.

Whoever starts a kernel asks it for its kernel_info at once, and some send their first
cell right behind; neither should have to share the interpreter with an import.
"""


def is_switched_off(environment: Mapping[str, str]) -> bool:
    """Whether an environment switches the start off."""
    return environment.get(VARIABLE, "").strip().lower() in _OFF


def begin(shell: InteractiveShell) -> None:
    """
    Load the extension into a kernel that starts, and warm what it will import.

    That is what its notebook imports, as it was last saved, or else what its project
    lists. Nothing is said, whatever happens, and nothing waits: the files are read and
    the modules are imported on threads of their own. What is not installed, or lies in
    the working directory, is left alone. Terminals are left as they are.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        Of the kernel.
    """
    if not is_kernel(shell) or is_switched_off(os.environ):
        return
    from ipywarmup.magics import WarmupMagics, load  # noqa: PLC0415 - not for terminals

    # Not by the extension manager: a notebook that loads the extension itself would be
    # told that it is loaded already, in each of its saved versions from now on.
    load(shell)
    _let_unload(shell.extension_manager)
    magics = shell.magics_manager.registry[WarmupMagics.__name__]
    if magics.auto:
        start = functools.partial(_start, magics, threading.get_ident())
        if not once_running(start):
            start()


def _let_unload(manager: Any) -> None:  # noqa: ANN401 - an ExtensionManager
    """Have the extension count as loaded for whoever unloads it, once."""
    unload_extension = manager.unload_extension

    def unload(name: str) -> str | None:
        if name == __package__:
            manager.loaded.add(name)
            del manager.unload_extension
        result: str | None = unload_extension(name)
        return result

    manager.unload_extension = unload


def _start(magics: WarmupMagics, main_thread: int) -> None:
    magics.starting = threading.Thread(
        target=_warm, args=(magics, main_thread), name="ipywarmup-start", daemon=True
    )
    magics.starting.start()


def _warm(magics: WarmupMagics, main_thread: int) -> None:
    threading.Event().wait(HEAD_START)
    try:
        _collect_and_warm(magics, main_thread)
    except Exception:
        # Nobody has asked for anything yet who could be told.
        logger.info("nothing was warmed at the start", exc_info=True)


def _collect_and_warm(magics: WarmupMagics, main_thread: int) -> None:
    from ipywarmup.importlock.bootstrap import unsupported  # noqa: PLC0415
    from ipywarmup.manager import get_manager  # noqa: PLC0415 - not on the main thread
    from ipywarmup.panel.rows import enumerate_names  # noqa: PLC0415
    from ipywarmup.sources import collection  # noqa: PLC0415

    if unsupported() is not None:
        return
    shell = magics.shell
    if shell is None or magics is not shell.magics_manager.registry.get(
        type(magics).__name__
    ):
        return
    manager = get_manager(main_thread)
    found = collection.auto(shell.user_ns, os.environ)
    for line in collection.describe(found, enumerate_names):
        logger.info("%s", line)
    if found.selection.taken:
        manager.prepare(found.selection.taken, installed_only=True)()
