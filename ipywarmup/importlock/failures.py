"""What a failed import leaves, what it means, and what can be done about it."""

from __future__ import annotations

import sys
from importlib.machinery import ExtensionFileLoader
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.importlock.bootstrap import is_machinery, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class MainThreadModules(NamedTuple):
    """
    Packages that must first be imported on the main thread.

    Parameters
    ----------
    platform : str
        Where that is so, as `sys.platform` names it.
    first : str
        The module that is the trouble: once it is imported, all is well.
    packages : frozenset of str
        The packages that import it.
    reason : str
        What happens otherwise.
    versions : str
        Of what this has been seen.
    sources : tuple of str
        Who says so.
    """

    platform: str
    first: str
    packages: frozenset[str]
    reason: str
    versions: str
    sources: tuple[str, ...]


_OPENBLAS = (
    "OpenBLAS starts threads while Windows loads it, and may hang so if other threads"
    " run"
)

MAIN_THREAD_MODULES = (
    MainThreadModules(
        platform="win32",
        first="numpy",
        packages=frozenset({"matplotlib", "numpy", "pandas", "torch"}),
        reason=_OPENBLAS,
        versions="numpy 1.26 to 2.4, Python 3.10 to 3.13, Windows 11",
        sources=(
            "https://github.com/numpy/numpy/issues/24290",
            "https://github.com/jgravelle/jdocmunch-mcp/issues/118",
            "https://github.com/modelcontextprotocol/python-sdk/issues/2832",
            "https://github.com/scooter-lacroix/sandbox-mcp/issues/3",
        ),
    ),
    # It brings an OpenBLAS of its own.
    MainThreadModules(
        platform="win32",
        first="scipy.linalg",
        packages=frozenset({"scipy", "seaborn", "sklearn", "statsmodels"}),
        reason=_OPENBLAS,
        versions="scipy 1.17, Python 3.13, Windows 11",
        sources=(
            "https://github.com/modelcontextprotocol/python-sdk/issues/2832",
            "https://github.com/cdeust/Cortex/issues/92",
        ),
    ),
)

# What CPython says where only the main thread will do.
_WANTS_MAIN_THREAD = (
    "signal only works in main thread",
    "set_wakeup_fd only works in main thread",
    "There is no current event loop in thread",
    "no running event loop",
    "main thread is not in main loop",
)


def refusal(module: str) -> ImportError | None:
    """Return why a module is not imported on a worker, None if it may be."""
    package = module.partition(".")[0]
    for entry in MAIN_THREAD_MODULES:
        if (
            sys.platform == entry.platform
            and package in entry.packages
            and entry.first not in sys.modules
        ):
            return ImportError(
                f"not imported on a worker: {entry.reason}; import {entry.first} in a"
                " cell first",
                name=entry.first,
            )
    return None


def wants_main_thread(error: BaseException) -> bool:
    """Whether an import failed only because it did not run on the main thread."""
    if isinstance(error, EOFError):  # there is nobody to ask
        return True
    return isinstance(error, ValueError | RuntimeError) and any(
        words in _message(error) for words in _WANTS_MAIN_THREAD
    )


def is_transient(error: BaseException) -> bool:
    """Whether an import failed because another one was under way."""
    if type(error).__name__ == "_DeadlockError":
        return True
    if isinstance(error, ImportError | AttributeError):
        return "partially initialized module" in _message(error)
    if not isinstance(error, KeyError):
        return False
    # importlib looks a parent up that another thread has taken away meanwhile.
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and is_machinery(traceback.tb_frame.f_code)


def heal(module: str, error: BaseException) -> None:
    """
    Take away what a failed import has left of its package.

    Parameters
    ----------
    module : str
        What was to be imported.
    error : BaseException
        What that raised.
    """
    missing = _missing(error)
    if isinstance(error, ModuleNotFoundError) and missing == module:
        return
    # An import within the import may have failed, and be the reason.
    forget_orphans({module, missing})


def forget_orphans(modules: Iterable[str]) -> None:
    """
    Take modules out of `sys.modules` whose parent is not there any more.

    A package whose body has not ended is gone, but its submodules are not: the next
    import would find them there, not bind them to their new parent, and fail in another
    way than the first. Extension modules stay, since some cannot be loaded twice.

    Parameters
    ----------
    modules : iterable of str
        Their packages are looked through.
    """
    packages = {module.partition(".")[0] for module in modules}
    # A list, since others import meanwhile.
    names = [name for name in list(sys.modules) if name.partition(".")[0] in packages]
    for name in sorted(names):
        parent = name.rpartition(".")[0]
        if not parent or parent in sys.modules:
            continue
        # What has no spec was put there by somebody, not imported.
        spec = spec_of(sys.modules.get(name))
        loader = getattr(spec, "loader", None)
        if spec is not None and not isinstance(loader, ExtensionFileLoader):
            sys.modules.pop(name, None)


# What a module raises may be of a class of its own, which raises in turn.


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return ""


def _missing(error: BaseException) -> str:
    """Return the module that an ImportError is about, empty if it is about none."""
    try:
        name = error.name if isinstance(error, ImportError) else None
    except BaseException:
        return ""
    return name if isinstance(name, str) else ""
