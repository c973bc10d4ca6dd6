"""
Import heavy modules in the background of an IPython or Jupyter session.

``%load_ext ipywarmup``, then ``%warmup torch pandas`` in a cell; `get_manager`
and `require` do the same from Python.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from ipywarmup.manager import WarmupManager as WarmupManager
    from ipywarmup.manager import get_manager as get_manager
    from ipywarmup.manager import require as require
    from ipywarmup.pool import WarmupPool as WarmupPool

__version__ = "0.1.0"

__all__ = ["WarmupManager", "WarmupPool", "get_manager", "require"]

# What it tells at level INFO is for who asks for it by name. A notebook that wants to
# see its own, by `logging.basicConfig`, must show the same with a warmup as without.
if logging.getLogger(__name__).level == logging.NOTSET:
    logging.getLogger(__name__).setLevel(logging.WARNING)


# With a `__getattr__` in sight, type checkers would take any name for a public one.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # `import ipywarmup` alone costs nothing: a public name loads its file.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "pool" if name == "WarmupPool" else "manager"
        return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give a shell the magic %warmup."""
    from ipywarmup.magics import load  # noqa: PLC0415 - IPython comes with the magic

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take %warmup away again, and all that came with it."""
    from ipywarmup.magics import unload  # noqa: PLC0415

    unload(shell)
