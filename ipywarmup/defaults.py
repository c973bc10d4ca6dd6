"""What holds unless somebody asks for something else."""

from __future__ import annotations

import os
import sys

PATIENCE = 10.0
"""Seconds for which an import that makes no progress may hold up others."""

SWITCH_INTERVAL = 0.000_2
"""
Seconds after which a thread that computes gives the interpreter to an import.

An import lets it go at each file that it reads, and starves if it has to wait for the
usual 5 ms each time.
"""

BORROW_LIMIT = 60.0
"""Seconds for which an import that never ends may keep the interpreter's settings."""


def default_lanes() -> int:
    """
    Return how many imports are worth running side by side.

    Returns
    -------
    int
        1 where a GIL lets one thread run at a time (4 to 8 lanes took 20-30 %
        longer there), else the number of processors, at most 8.
    """
    gil_enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    return 1 if gil_enabled else min(8, os.cpu_count() or 1)
