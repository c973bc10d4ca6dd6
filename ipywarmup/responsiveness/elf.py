"""
What an ELF file says of itself: which libraries it needs, which symbols it has.

It reads the headers and the tables of the dynamic linker, nothing else of the file.
"""

from __future__ import annotations

import array
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    Read = Callable[[int, int], bytes]
    """Returns so many bytes from an offset on, fewer at the end of the file."""

MACHINES = {62: 0x0303, 183: 0x0A03}
"""x86-64 and aarch64, and how the loader's cache calls them."""

_LIMIT = 64 << 20
"""No table of a library that is worth the while is larger, in bytes."""

_MOST_HASHES = 8 << 20
"""Bytes of the hashes of two million symbols; libtorch_cpu has a tenth of that."""

_FIRST = 4096
"""Bytes at the start of the file that hold the headers of nearly all files."""

_HEADER = struct.Struct("<16sHHIQQQIHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<qQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_HASH_HEADER = struct.Struct("<IIII")

_ET_EXEC, _ET_DYN = 2, 3
_PT_LOAD, _PT_DYNAMIC, _PF_W = 1, 2, 2
_DT_NEEDED, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ = 1, 5, 6, 10
_DT_SONAME, _DT_RPATH, _DT_RUNPATH = _TEXTS = 14, 15, 29
_DT_GNU_HASH, _DT_FLAGS_1 = 0x6FFFFEF5, 0x6FFFFFFB
# Filters, auxiliary filters and auditors: they bring in more than DT_NEEDED says.
_DT_BRINGS_MORE = {0x7FFFFFFD, 0x7FFFFFFF, 0x6FFFFEFB, 0x6FFFFEFC}
_DF_1_NODEFLIB = 0x800

_GLOBAL, _WEAK, _FUNC = 1, 2, 2

_MARKS = {b"__bss_start", b"_edata", b"_end", b"_init", b"_fini"}
"""What linkers put into every library, for its own use."""

_CPP = b"_Z"
"""How the names of C++ begin."""

_REPLACEABLE = (b"_Znw", b"_Zna", b"_Zdl", b"_Zda")
"""Allocation and deallocation, which any library may define in its own way."""

_TABLES = (b"_ZTV", b"_ZTI", b"_ZTS", b"_ZTT")
"""Tables that C++ puts into every library that uses a class; nothing writes to them."""


class NotElfError(Exception):
    """Nothing that the loader could open, or that this reads."""


class ForeignElfError(NotElfError):
    """A library for another machine: the loader goes on searching."""


class _Segment(NamedTuple):
    """A program header."""

    kind: int
    flags: int
    offset: int
    address: int
    physical_address: int
    file_size: int
    memory_size: int
    alignment: int


class Dynamic(NamedTuple):
    """
    The dynamic section of a library.

    Parameters
    ----------
    machine : int
        ``e_machine``.
    size : int
        Bytes of the file that the loader maps, counted from its start.
    needed : tuple of str
        Names of the libraries that it needs.
    soname, rpath, runpath : str or None
        The strings of these names; no `rpath` where there is a `runpath`.
    plain : bool
        Whether it has no tags that change how its libraries are searched for.
    strings, strings_size, symbols, hashes : int
        File offsets of the tables, and the size of the one of strings, in bytes.
    constant : tuple of range
        Addresses of what nothing may write to.
    """

    machine: int
    size: int
    needed: tuple[str, ...]
    soname: str | None
    rpath: str | None
    runpath: str | None
    plain: bool
    strings: int
    strings_size: int
    symbols: int
    hashes: int
    constant: tuple[range, ...]


class Symbols(NamedTuple):
    """
    The dynamic symbols of a library.

    Parameters
    ----------
    undefined : frozenset of bytes
        Names of those that it wants from others.
    weak : frozenset of bytes
        Those among them that it can do without.
    hashes : array
        GNU hashes of those that it defines, in their order, the lowest bits set.
    first : int
        Position of the first of these in the table of symbols.
    """

    undefined: frozenset[bytes]
    weak: frozenset[bytes]
    hashes: array.array[int]
    first: int

    @property
    def uses_python(self) -> bool:
        """Whether it calls the C API of Python."""
        return any(name.startswith((b"Py", b"_Py")) for name in self.undefined)


def parse(read: Read) -> Dynamic:
    """
    Read the dynamic section of a shared library or of a program.

    Raises
    ------
    NotElfError
        If it is anything else.
    """
    try:
        return _parse(read)
    except struct.error as error:
        raise NotElfError("it ends too early") from error


def _parse(read: Read) -> Dynamic:
    machine, segments = _program_headers(read)
    loads = [segment for segment in segments if segment.kind == _PT_LOAD]
    dynamic = next((each for each in segments if each.kind == _PT_DYNAMIC), None)
    if dynamic is None or not loads:
        raise NotElfError("no dynamic section")
    needed, tags = _tags(read, dynamic)
    if not {_DT_STRTAB, _DT_SYMTAB, _DT_STRSZ} <= tags.keys():
        raise NotElfError("no tables of symbols and strings")
    strings, strings_size = _offset(loads, tags[_DT_STRTAB]), tags[_DT_STRSZ]

    offsets = [*needed, *(tags[tag] for tag in _TEXTS if tag in tags)]
    # They stand side by side, more often than not.
    start = min(offsets, default=0)
    stop = min(max(offsets, default=0) + _FIRST, strings_size)
    if stop - start > _LIMIT:
        raise NotElfError("strings too far apart")
    raw = read(strings + start, stop - start)

    def text(offset: int) -> str:
        return os.fsdecode(_name(raw, offset - start))

    def string(tag: int) -> str | None:
        return text(tags[tag]) if tag in tags else None

    runpath = string(_DT_RUNPATH)
    return Dynamic(
        machine=machine,
        size=max(load.offset + load.file_size for load in loads),
        needed=tuple(map(text, needed)),
        soname=string(_DT_SONAME),
        rpath=None if runpath is not None else string(_DT_RPATH),
        runpath=runpath,
        plain=not (
            _DT_BRINGS_MORE & tags.keys() or tags.get(_DT_FLAGS_1, 0) & _DF_1_NODEFLIB
        ),
        strings=strings,
        strings_size=strings_size,
        symbols=_offset(loads, tags[_DT_SYMTAB]),
        hashes=_offset(loads, tags[_DT_GNU_HASH]) if _DT_GNU_HASH in tags else 0,
        constant=tuple(
            range(load.address, load.address + load.memory_size)
            for load in loads
            if not load.flags & _PF_W
        ),
    )


def _program_headers(read: Read) -> tuple[int, list[_Segment]]:
    first = read(0, _FIRST)
    if first[:4] != b"\x7fELF":
        raise NotElfError("no ELF header")
    if first[4:7] != b"\x02\x01\x01":
        raise ForeignElfError("not 64-bit little-endian")
    _, kind, machine, _, _, start, _, _, _, size, count = _HEADER.unpack_from(first)
    if machine not in MACHINES:
        raise ForeignElfError(f"machine {machine}")
    if kind not in (_ET_EXEC, _ET_DYN) or size != _PROGRAM_HEADER.size:
        raise NotElfError("neither library nor program")
    table = first[start : start + size * count]
    if len(table) != size * count:
        table = _table(read, start, size * count)
    return machine, list(map(_Segment._make, _PROGRAM_HEADER.iter_unpack(table)))


def _tags(read: Read, dynamic: _Segment) -> tuple[list[int], dict[int, int]]:
    """Return what is needed, and the last of each other tag."""
    needed, tags = [], {}
    raw = _table(read, dynamic.offset, dynamic.file_size)
    for tag, value in _ENTRY.iter_unpack(raw[: len(raw) // _ENTRY.size * _ENTRY.size]):
        if tag == 0:
            break
        if tag == _DT_NEEDED:
            needed.append(value)
        else:
            tags[tag] = value
    return needed, tags


def _offset(loads: list[_Segment], address: int) -> int:
    """Return where in the file that is which is mapped to an address."""
    for load in loads:
        if load.address <= address < load.address + load.file_size:
            return address - load.address + load.offset
    raise NotElfError(f"nothing at {address:#x}")


def _table(read: Read, offset: int, size: int) -> bytes:
    if size > _LIMIT:
        raise NotElfError(f"a table of {size} bytes")
    raw = read(offset, size)
    if len(raw) != size:
        raise NotElfError("it ends too early")
    return raw


def symbols(read: Read, dynamic: Dynamic) -> Symbols:
    """
    Read the dynamic symbols.

    Raises
    ------
    NotElfError
        If there is no GNU hash table, which linkers have written since 2006.
    """
    if not dynamic.hashes:
        raise NotElfError("no GNU hash table")
    try:
        count, first, blooms, _ = _HASH_HEADER.unpack(
            read(dynamic.hashes, _HASH_HEADER.size)
        )
        start = dynamic.hashes + _HASH_HEADER.size + 8 * blooms
        buckets = _integers(_table(read, start, 4 * count))
        last = max(buckets, default=0)
        if not last and first <= 1:
            # Some linkers write so where nothing is exported, however much is wanted.
            raise NotElfError("nothing says how many symbols it has")
        if 4 * (last - first) > _MOST_HASHES:
            raise NotElfError(f"{last} symbols")
        hashes = _chains(read, start + 4 * count, first, last)
        raw = _table(read, dynamic.symbols, _SYMBOL.size * first)
        strings = _table(read, dynamic.strings, dynamic.strings_size)
    except struct.error as error:
        raise NotElfError("it ends too early") from error
    undefined, weak = set(), set()
    for name, info, _, section, _, _ in _SYMBOL.iter_unpack(
        raw[: first * _SYMBOL.size]
    ):
        if section == 0 and name:
            symbol = _name(strings, name)
            undefined.add(symbol)
            if info >> 4 == _WEAK:
                weak.add(symbol)
    return Symbols(frozenset(undefined), frozenset(weak), hashes, first)


def _integers(raw: bytes) -> array.array[int]:
    numbers = array.array("I")
    numbers.frombytes(raw)
    return numbers


def _chains(read: Read, start: int, first: int, last: int) -> array.array[int]:
    """Return the hashes of all defined symbols, their end marks made alike."""
    if last < first:
        return array.array("I")
    raw = bytearray(_table(read, start, 4 * (last - first)))
    # The last bucket's chain goes on to the next end mark.
    while True:
        block = read(start + len(raw), _FIRST)
        marked = block[: len(block) // 4 * 4 : 4]
        end = next((n for n, low in enumerate(marked, 1) if low & 1), None)
        if end is not None:
            raw += block[: 4 * end]
            break
        if len(block) < _FIRST or len(raw) > _MOST_HASHES:
            raise NotElfError("no end of its symbols")
        raw += block
    # All at once: there are tens of thousands.
    marks = int.from_bytes(b"\1\0\0\0" * (len(raw) // 4), "little")
    hashes = int.from_bytes(raw, "little") | marks
    return _integers(hashes.to_bytes(len(raw), "little"))


def _name(strings: bytes, offset: int) -> bytes:
    end = strings.find(b"\0", offset)
    if end < 0:
        raise NotElfError("a string without an end")
    return strings[offset:end]


def differing(
    read: Read,
    dynamic: Dynamic,
    symbols: Symbols,
    hashes: AbstractSet[int] | None = None,
) -> set[bytes]:
    """
    Return names of symbols of which it makes a difference where they are defined.

    It makes none for the functions and constants of C++: a program has one definition
    of each, or several that are the same, but for `new` and `delete`. It makes none for
    unique symbols either, which the loader shares.

    Parameters
    ----------
    hashes : set of int, optional
        Look at the symbols with these hashes only.
    """
    start = dynamic.symbols + symbols.first * _SYMBOL.size
    if hashes is None:
        # All at once, names and all: most have to be looked at.
        table = _table(read, start, len(symbols.hashes) * _SYMBOL.size)
        strings = _table(read, dynamic.strings, dynamic.strings_size)
        return {
            _name(strings, offset)
            for offset, info, _, _, address, _ in _SYMBOL.iter_unpack(table)
            if not (
                info & 15 == _FUNC
                and strings.startswith(_CPP, offset)
                and not strings.startswith(_REPLACEABLE, offset)
            )
            and _differs(_name(strings, offset), info, address, dynamic)
        }
    found = set()
    for position, number in enumerate(symbols.hashes):
        if number not in hashes:
            continue
        raw = read(start + position * _SYMBOL.size, _SYMBOL.size)
        offset, info, _, _, address, _ = _SYMBOL.unpack(raw)
        length = min(_FIRST, dynamic.strings_size - offset)
        name = _name(read(dynamic.strings + offset, length), 0)
        if _differs(name, info, address, dynamic):
            found.add(name)
    return found


def _differs(name: bytes, info: int, address: int, dynamic: Dynamic) -> bool:
    is_alike = not name.startswith(_REPLACEABLE) and (
        info & 15 == _FUNC
        or any(address in addresses for addresses in dynamic.constant)
    )
    return not (
        info >> 4 not in (_GLOBAL, _WEAK)
        or name in _MARKS
        or name.startswith(_TABLES)
        or (is_alike and name.startswith(_CPP))
    )


def hash_of(name: bytes) -> int:
    """Return the GNU hash of a symbol's name, its lowest bit set."""
    result = 5381
    for byte in name:
        result = (result * 33 + byte) & 0xFFFFFFFF
    return result | 1
