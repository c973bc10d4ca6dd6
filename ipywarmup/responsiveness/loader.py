"""
The functions of C that sharedlibs.py needs, and what the loader would do with a name.

It knows the loader of glibc on Linux, versions 2.31 to 2.41, x86-64 and aarch64.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.leaving import when_leaving
from ipywarmup.responsiveness import elf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

_CACHE = Path("/etc/ld.so.cache")
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER = struct.Struct("<20sII20x")
_CACHE_ENTRY = struct.Struct("<iIIIQ")

_VARIANTS = (
    "glibc-hwcaps",
    "tls",
    "x86_64",
    "haswell",
    "avx512_1",
    "aarch64",
    "atomics",
)
"""Folders in which the loader prefers a library for the processor at hand."""

_SMALL = 1 << 12
"""Bytes of nearly all that is read."""

_Buffer = ctypes.c_char * _SMALL

_LARGE = 1 << 16
"""Bytes that take longer to copy than it takes to give the GIL away."""

_RTLD_DI_LINKMAP = 2


class UnknownError(Exception):
    """Something that only the loader itself can tell."""


class _LinkMap(ctypes.Structure):
    """The public part of what the loader knows of a library."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
    )


class File:
    """
    A file that is read without giving the GIL away.

    Each release of it costs a whole switch interval while another thread computes;
    the import is about to read the same pages in the same way.
    """

    def __init__(self, path: str) -> None:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        self._pread = _c().pread
        self._descriptor = _c().open(os.fsencode(path), flags)
        if self._descriptor < 0:
            raise FileNotFoundError(path)
        self._buffer = _Buffer()

    def close(self) -> None:
        """Close it."""
        _c().close(self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Return so many bytes from an offset on, fewer at the end of the file."""
        if size <= 0 or not 0 <= offset < 1 << 63:
            return b""
        if size > _LARGE:
            return os.pread(self._descriptor, size, offset)
        buffer = self._buffer if size <= _SMALL else ctypes.create_string_buffer(size)
        count = self._pread(self._descriptor, buffer, size, offset)
        return buffer.raw[:count] if count > 0 else b""

    def size(self) -> int:
        """Return its size in bytes."""
        return int(_c().lseek(self._descriptor, 0, os.SEEK_END))


class _C(NamedTuple):
    open: Callable[..., int]
    close: Callable[..., int]
    pread: Callable[..., int]
    lseek: Callable[..., int]
    dlopen: Callable[..., int | None]
    dlclose: Callable[..., int]
    dlinfo: Callable[..., int]
    dlopen_without_gil: Callable[..., int | None]


@functools.cache
def _c() -> _C:
    holding, releasing = ctypes.PyDLL(None), ctypes.CDLL(None)
    functions = _C(
        holding.open,
        holding.close,
        holding.pread,
        holding.lseek,
        holding.dlopen,
        holding.dlclose,
        holding.dlinfo,
        releasing.dlopen,
    )
    holding.open.argtypes = [ctypes.c_char_p, ctypes.c_int]
    holding.close.argtypes = [ctypes.c_int]
    holding.pread.argtypes = [
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int64,
    ]
    holding.pread.restype = ctypes.c_ssize_t
    holding.lseek.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int]
    holding.lseek.restype = ctypes.c_int64
    holding.dlinfo.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    holding.dlclose.argtypes = [ctypes.c_void_p]
    for dlopen in (holding.dlopen, releasing.dlopen):
        dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
        dlopen.restype = ctypes.c_void_p
    return functions


# Guarantees
# - Constructors of a library that is opened without the GIL have run when the process
#   forks, and when the interpreter leaves: both wait for them, as they would have to
#   wait for the GIL otherwise. After that none begin.
# - A worker waits for neither, since those may wait for the worker.
# This code assumes
# - that constructors do not wait for Python.

_opening = threading.RLock()
_is_leaving = False


def open_without_gil(path: str, mode: int) -> bool:
    """
    Open a shared library while other Python threads run.

    Returns
    -------
    bool
        False if it cannot be opened, or not at this moment: another one is being opened
        so, the process forks, or the interpreter leaves.
    """
    lock = _opening
    if not lock.acquire(blocking=False):
        return False
    try:
        if _is_leaving:
            return False
        return bool(_c().dlopen_without_gil(os.fsencode(path), mode))
    finally:
        lock.release()


def _wait_for_constructors() -> None:
    """Wait for those that run, and let none begin until the lock is released."""
    interrupt = None
    while True:
        try:
            _opening.acquire()
        except KeyboardInterrupt as error:
            # The process would go on beside the constructors.
            interrupt = error
        else:
            break
    if interrupt is not None:
        raise interrupt


def _leave() -> None:
    global _is_leaving  # noqa: PLW0603 - there is one loader
    # Seen by whoever takes the lock after this; threads that go on may fork.
    _is_leaving = True
    try:
        _wait_for_constructors()
    finally:
        _go_on()


def _go_on() -> None:
    with contextlib.suppress(RuntimeError):  # Ctrl-C has come before the wait
        _opening.release()


def _go_on_in_child() -> None:
    global _opening  # noqa: PLW0603 - the old one is held by who has forked
    _opening = threading.RLock()


when_leaving(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_wait_for_constructors,
        after_in_parent=_go_on,
        after_in_child=_go_on_in_child,
    )


def where_open(name: str) -> str | None:
    """Return the path of a library that is open by this name, None if none is."""
    c = _c()
    handle = c.dlopen(os.fsencode(name), os.RTLD_NOLOAD | os.RTLD_LAZY)
    if not handle:
        return None
    link_map = ctypes.POINTER(_LinkMap)()
    failed = c.dlinfo(handle, _RTLD_DI_LINKMAP, ctypes.byref(link_map))
    path = b"" if failed else link_map.contents.name or b""
    c.dlclose(handle)
    return os.fsdecode(path)


class Library:
    """A file with what has been read of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        with contextlib.closing(File(path)) as file:
            self.dynamic = elf.parse(file.read)
            # To map a file that ends too early is to die of a bus error.
            if file.size() < self.dynamic.size:
                raise elf.NotElfError("it ends too early")

    @functools.cached_property
    def symbols(self) -> elf.Symbols:
        """Its dynamic symbols."""
        with contextlib.closing(File(self.path)) as file:
            return elf.symbols(file.read, self.dynamic)

    @functools.cached_property
    def wanted_weakly(self) -> frozenset[int]:
        """Hashes of the symbols that it wants from others, but can do without."""
        return frozenset(map(elf.hash_of, self.symbols.weak))

    def differing(self, hashes: AbstractSet[int] | None = None) -> set[bytes]:
        """
        Return the names of symbols of which it matters where they are defined.

        Parameters
        ----------
        hashes : set of int, optional
            Look at the symbols with these hashes only.
        """
        with contextlib.closing(File(self.path)) as file:
            return elf.differing(file.read, self.dynamic, self.symbols, hashes)

    def uses_python(self) -> bool:
        """Whether it calls the C API of Python, or is it."""
        needed = (*self.dynamic.needed, self.dynamic.soname or "")
        return (
            any(name.startswith("libpython") for name in needed)
            or self.symbols.uses_python
        )


def library(path: str) -> Library:
    """Return what has been read of a file, as long as it is the same file."""
    status = Path(path).stat()
    return _library(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _library(path: str, *_version: int) -> Library:
    return Library(path)


def search(name: str, needed_by: list[Library]) -> Library:
    """
    Find what the loader would open for a name that is not open yet.

    Parameters
    ----------
    name : str
        What a library needs.
    needed_by : list of Library
        The library that needs it, the one that needs that one, and so on.

    Raises
    ------
    UnknownError
        If only the loader can tell.
    elf.NotElfError
        If that is nothing that the loader could open.
    """
    if "$" in name or ("/" in name and not name.startswith("/")):
        raise UnknownError(name)
    candidates = [name] if "/" in name else _candidates(name, needed_by)
    for candidate in candidates:
        try:
            return library(candidate)
        except (FileNotFoundError, NotADirectoryError, elf.ForeignElfError):
            continue
    raise UnknownError(name)


def _candidates(name: str, needed_by: list[Library]) -> Iterator[str]:
    if not all(needer.dynamic.plain for needer in needed_by):
        raise UnknownError(name)
    first = needed_by[0]
    folders: list[str] = []
    if first.dynamic.runpath is None:
        for needer in (*needed_by, _program()):
            folders += _folders(needer.dynamic.rpath, needer)
    folders += _folders(_library_path(), None)
    folders += _folders(first.dynamic.runpath, first)
    for folder in folders:
        if _has_variants(folder):
            raise UnknownError(name)
        yield f"{folder}/{name}"
    in_cache = _cached_paths().get(name, [])
    if len(in_cache) != 1:
        raise UnknownError(name)
    yield in_cache[0]


def _folders(path: str | None, owner: Library | None) -> Iterator[str]:
    """Expand the folders of a search path, spelt as the loader spells them."""
    if path is None:
        return
    for folder in (
        path.replace(";", ":").split(":") if owner is None else path.split(":")
    ):
        expanded = folder
        if owner is not None:
            origin = owner.path.rpartition("/")[0]
            expanded = folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
        if "$" in expanded or not expanded.startswith("/"):
            raise UnknownError(path)
        yield expanded.rstrip("/")


@functools.cache
def _has_variants(folder: str) -> bool:
    for variant in _VARIANTS:
        try:
            Path(folder, variant).stat()
        except OSError:
            continue
        return True
    return False


@functools.cache
def _program() -> Library:
    program = Library(str(Path("/proc/self/exe").resolve()))
    if program.dynamic.soname is not None:
        raise UnknownError("the loader was started as a program")
    return program


@functools.cache
def _library_path() -> str | None:
    """Return what the loader has read at the start of the process."""
    environment = Path("/proc/self/environ").read_bytes().split(b"\0")
    variables = dict(line.partition(b"=")[::2] for line in environment)
    if variables.get(b"LD_AUDIT"):
        raise UnknownError("an auditor may change every name")
    path = os.fsdecode(variables.get(b"LD_LIBRARY_PATH", b""))
    if path != os.environ.get("LD_LIBRARY_PATH", ""):
        # Some programs write their title over it.
        raise UnknownError("what the loader has read cannot be told any more")
    return path or None


def _cached_paths() -> dict[str, list[str]]:
    return _read_cache(_CACHE.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _read_cache(_version: int) -> dict[str, list[str]]:
    """Return the paths of each name in the loader's cache, for this machine."""
    raw = _CACHE.read_bytes()
    # A cache in the older format has the newer one behind it.
    raw = raw[max(0, raw.find(_CACHE_MAGIC)) :]
    magic, count, _ = _CACHE_HEADER.unpack_from(raw)
    if magic != _CACHE_MAGIC:
        raise UnknownError(str(_CACHE))
    ours = elf.MACHINES[_program().dynamic.machine]
    paths: dict[str, list[str]] = {}
    start = _CACHE_HEADER.size
    entries = raw[start : start + count * _CACHE_ENTRY.size]
    for flags, key, value, _, variant in _CACHE_ENTRY.iter_unpack(entries):
        if flags == ours:
            name, path = (
                os.fsdecode(raw[offset : raw.index(b"\0", offset)])
                for offset in (key, value)
            )
            # Whether the loader takes one for certain processors is its own secret.
            paths.setdefault(name, []).extend([path] * (2 if variant else 1))
    return paths


@functools.cache
def global_paths() -> frozenset[str]:
    """Return the libraries that came with the program: all others see them first."""
    found = {_program().path}
    ahead = [_program()]
    while ahead:
        for name in ahead.pop().dynamic.needed:
            path = where_open(name)
            if path and path not in found:
                found.add(path)
                ahead.append(library(path))
    return frozenset(found)


_seen_open: set[str] = set()


def was_open(name: str) -> bool:
    """Whether a library has been open by this name, most probably still is."""
    if name not in _seen_open and where_open(name) is not None:
        _seen_open.add(name)
    return name in _seen_open
