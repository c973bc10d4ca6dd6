"""What a kernel does at its start, once `python -m ipywarmup enable` was run."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from ipywarmup.kernel import is_kernel, once_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from ipywarmup.stages import Stages

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
        start = Start(shell, magics.stages, threading.get_ident())
        magics.starting = start
        if not once_running(start.begin):
            start.begin()


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


class Start:
    """
    What looks for something to warm at the start of a kernel, on a thread of its own.

    Any thread may call its methods. Once `stop` has returned, nothing begins any more.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
        Of the kernel.
    stages : Stages
        Begins what has to wait for cells.
    main_thread : int
        The identifier of the thread that its cells run on.

    Attributes
    ----------
    taken : tuple of str
        What it has begun to warm.
    outcome : str
        One line: what was left out and why, what went wrong; empty if nothing did.
    """

    def __init__(
        self, shell: InteractiveShell, stages: Stages, main_thread: int
    ) -> None:
        self.taken: tuple[str, ...] = ()
        self.outcome = ""
        self._shell: Any = shell
        self._stages = stages
        self._main_thread = main_thread
        # Held by whoever ends it: the thread that begins to warm, or who stops that.
        # Reentrant, since a callback may do so on that thread.
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="ipywarmup-start", daemon=True
        )

    @property
    def looking(self) -> bool:
        """Whether it has begun nothing yet, and still may."""
        return not self._over.is_set()

    def begin(self) -> None:
        """Start to look, unless it was stopped."""
        if self.looking:
            self._thread.start()

    def stop(self) -> bool:
        """
        Have it begin nothing.

        Returns
        -------
        bool
            False if it was over already.
        """
        with self._lock:
            stopped = self.looking
            self._over.set()
        return stopped

    def wait(self) -> None:
        """Wait until it is over; what it has begun can be waited for then."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        self._over.wait(HEAD_START)
        try:
            if self.looking:
                self._collect_and_warm()
        except Exception as error:
            # Nobody has asked for anything yet who could be told.
            logger.info("nothing was warmed at the start", exc_info=True)
            self.outcome = f"nothing was warmed: {type(error).__name__}: {error}"
        finally:
            self.stop()

    def _collect_and_warm(self) -> None:
        from ipywarmup.importlock.bootstrap import unsupported  # noqa: PLC0415
        from ipywarmup.manager import get_manager  # noqa: PLC0415 - not on the main one
        from ipywarmup.panel.rows import enumerate_names  # noqa: PLC0415
        from ipywarmup.sources import collection  # noqa: PLC0415
        from ipywarmup.sources.selection import (  # noqa: PLC0415
            LOADED,
            OPTIONAL,
            Selection,
        )

        limit = unsupported()
        if limit is not None:
            self.outcome = f"nothing was warmed, since {limit}"
            return
        manager = get_manager(self._main_thread)
        found = collection.auto(self._shell.user_ns, os.environ)
        lines = collection.describe(found, enumerate_names)
        for line in lines:
            logger.info("%s", line)
        taken, later = found.selection.taken, found.selection.later
        if taken or later:
            # These show for themselves, and nobody misses what is there already.
            selection = Selection(
                taken,
                tuple(
                    each
                    for each in found.selection.left_out
                    if each.reason not in {LOADED, OPTIONAL}
                ),
            )
            # Nor what waits for cells: the status tells of that for as long as it does.
            told = dataclasses.replace(found, selection=selection)
            lines = collection.describe(told, enumerate_names)[1:]
        with self._lock:
            if not self.looking:
                return
            self.outcome = "; ".join(lines)
            taken = (*taken, *self._stages.plan(found))
            self.taken = (*taken, *(each.name for each in self._stages.waiting))
            if not taken:
                return
            warm = manager.prepare(taken, installed_only=True)
            self._over.set()
        warm()
