"""What a warmup changes in the interpreter and in the shell, to see that it is back."""

from __future__ import annotations

import _thread
import faulthandler
import gc
import importlib
import importlib.util
import os
import signal
import sys
import threading
import types
import warnings
from typing import Any, TypeAlias

State: TypeAlias = dict[str, Any]

_PLACES: tuple[Any, ...] = (
    *(importlib, importlib._bootstrap, importlib._bootstrap_external, importlib.util),
    *(threading, _thread, os, warnings, gc, sys, signal),
    *(importlib._bootstrap._ModuleLock, importlib._bootstrap._ModuleLockManager),  # type: ignore[attr-defined]
    importlib.util._LazyModule,  # type: ignore[attr-defined]
)
"""Modules and classes whose functions are looked at, every one of them."""


def state_of_interpreter() -> State:
    """Return settings, streams and functions as they are now."""
    found: State = {
        "collector's thresholds": gc.get_threshold(),
        "collector is on": gc.isenabled(),
        "frozen objects": gc.get_freeze_count(),
        "switch interval": sys.getswitchinterval(),
        "type of warnings": type(warnings),
        "faulthandler is on": faulthandler.is_enabled(),
        "tracing": (sys.gettrace(), sys.getprofile()),
        "module types": [
            name
            for name, module in list(sys.modules.items())
            if type(module).__name__ == "module"
            and type(module) is not types.ModuleType
        ],
    }
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        found |= {
            f"sys.{name}": stream,
            f"sys.{name}.write": stream.write,
            f"sys.{name}.echo": getattr(stream, "echo", None),
        }
    for number in signal.valid_signals():
        found[f"handler of signal {int(number)}"] = signal.getsignal(number)
    if sys.platform != "win32":
        import resource  # noqa: PLC0415

        found["core dumps"] = resource.getrlimit(resource.RLIMIT_CORE)
    for place in _PLACES:
        found |= {
            f"{place.__name__}.{name}": value
            for name, value in vars(place).items()
            if callable(value)
        }
    return found


def state_of_shell(shell: Any) -> State:  # noqa: ANN401 - of IPython
    """Return what an IPython shell calls, lists and configures now."""
    magics = shell.magics_manager
    return {
        "line magics": sorted(magics.magics["line"]),
        "cell magics": sorted(magics.magics["cell"]),
        "registry of magics": sorted(magics.registry),
        "event callbacks": {
            event: list(callbacks)
            for event, callbacks in shell.events.callbacks.items()
        },
        "input transformers": (
            shell.input_transformers_cleanup + shell.input_transformers_post
        ),
        "input transformer manager": (
            shell.input_transformer_manager.cleanup_transforms
            + shell.input_transformer_manager.line_transforms
            + shell.input_transformer_manager.token_transformers
        ),
        "ast transformers": list(shell.ast_transformers),
        "completers": list(shell.Completer.custom_matchers),
        "configurables": list(shell.configurables),
        "custom exceptions": shell.custom_exceptions,
        "threads that draw": [
            thread.name
            for thread in threading.enumerate()
            if thread.name == "ipywarmup-publisher"
        ],
    }


def differences(before: State, after: State) -> list[str]:
    """Return what is not the same, a line each."""
    return [
        f"{name}: {after.get(name)!r:.100} in the place of {before.get(name)!r:.100}"
        for name in {**before, **after}
        if before.get(name) is not after.get(name)
        and before.get(name) != after.get(name)
    ]
