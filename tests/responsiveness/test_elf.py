"""ELF files: what is read of them, and what is made of files that are none."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.responsiveness import elf

if TYPE_CHECKING:
    from collections.abc import Sequence

_ADDRESS = 0x10000
"""Where the bytes of the file are mapped, so that addresses are not offsets."""


def write(  # noqa: PLR0913
    *,
    needed: Sequence[str] = (),
    undefined: Sequence[str] = (),
    weak: Sequence[str] = (),
    defined: Sequence[str] = (),
    tags: Sequence[tuple[int, int]] = (),
    machine: int = 62,
    kind: int = 3,
    first: int | None = None,
    **strings: str,
) -> bytes:
    """Return a library, by the book: two segments and the tables of the loader."""
    names = b"\0"

    def add(name: str) -> int:
        nonlocal names
        names += name.encode() + b"\0"
        return len(names) - len(name) - 1

    wanted = [(add(name), 0x10, 0) for name in undefined]
    wanted += [(add(name), 0x20, 0) for name in weak]
    offered = [(add(name), 0x12, 1) for name in defined]
    dynamic = [(1, add(name)) for name in needed]
    numbers = {"soname": 14, "rpath": 15, "runpath": 29}
    dynamic += [(numbers[tag], add(text)) for tag, text in strings.items()]
    symbols = struct.pack("<IBBHQQ", 0, 0, 0, 0, 0, 0) + b"".join(
        struct.pack("<IBBHQQ", name, info, 0, section, _ADDRESS, 8)
        for name, info, section in wanted + offered
    )
    start = len(wanted) + 1 if first is None else first
    chains = [elf.hash_of(name.encode()) & ~1 for name in defined]
    if chains:
        chains[-1] |= 1
    hashes = struct.pack("<IIII", 1, start, 1, 0) + bytes(8)
    hashes += struct.pack(f"<{1 + len(chains)}I", start if chains else 0, *chains)
    body = b""
    for tag, table in ((5, names), (6, symbols), (0x6FFFFEF5, hashes)):
        dynamic.append((tag, _ADDRESS + 176 + len(body)))
        body += table
    dynamic += [(10, len(names)), *tags, (0, 0)]
    section = b"".join(struct.pack("<qQ", *entry) for entry in dynamic)
    size = 176 + len(body) + len(section)
    ident = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, kind, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    segments = [(1, 4, 0, size), (2, 6, 176 + len(body), len(section))]
    table = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, at, _ADDRESS + at, 0, length, length, 8)
        for kind, flags, at, length in segments
    )
    return header + table + body + section


class _File:
    """The bytes of a file, and how many of them were asked for."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.asked = 0

    def read(self, offset: int, size: int) -> bytes:
        """Return so many bytes."""
        raw = self.raw[max(offset, 0) :][: max(size, 0)]
        self.asked += len(raw)
        return raw


def parse(raw: bytes) -> elf.Dynamic:
    """Parse bytes."""
    return elf.parse(_File(raw).read)


def symbols(raw: bytes) -> elf.Symbols:
    """Read the symbols in bytes."""
    return elf.symbols(_File(raw).read, parse(raw))


def test_what_a_library_says_of_itself_is_read() -> None:
    """Names of what it needs come in order; a search path comes as it is written."""
    dynamic = parse(
        write(needed=["libb.so", "liba.so.1"], soname="libc.so", rpath="$ORIGIN:/opt")
    )
    assert dynamic.needed == ("libb.so", "liba.so.1")
    assert (dynamic.soname, dynamic.rpath, dynamic.runpath) == (
        "libc.so",
        "$ORIGIN:/opt",
        None,
    )
    assert dynamic.plain


def test_a_runpath_overrules_an_rpath() -> None:
    """Where there are both, the older one does not count."""
    dynamic = parse(write(rpath="/old", runpath="/new"))
    assert (dynamic.rpath, dynamic.runpath) == (None, "/new")


@pytest.mark.parametrize("machine", [62, 183])
@pytest.mark.parametrize("kind", [2, 3])
def test_libraries_and_programs_of_both_machines_are_read(
    machine: int, kind: int
) -> None:
    """x86-64 and aarch64, libraries and programs at fixed addresses."""
    assert parse(write(machine=machine, kind=kind)).machine == machine


@pytest.mark.parametrize(
    "tag", [(0x7FFFFFFD, 1), (0x7FFFFFFF, 1), (0x6FFFFEFC, 1), (0x6FFFFFFB, 0x800)]
)
def test_tags_that_change_the_search_are_told(tag: tuple[int, int]) -> None:
    """Filters, auditors and libraries without default folders are not plain."""
    assert not parse(write(tags=[tag])).plain


@pytest.mark.parametrize(
    ("wanted", "uses"),
    [
        ({"undefined": ["PyLong_FromLong"]}, True),
        ({"undefined": ["malloc", "_Py_Dealloc"]}, True),
        ({"weak": ["Py_IsInitialized"]}, True),
        ({"undefined": ["malloc", "APy_thing", "py_thing"]}, False),
        ({"defined": ["PyInit_module"]}, False),
    ],
)
def test_who_wants_a_symbol_of_python_uses_it(
    wanted: dict[str, Any],
    uses: bool,  # noqa: FBT001
) -> None:
    """Only undefined symbols count, strong or weak, by the start of their names."""
    assert symbols(write(**{"defined": ["own"], **wanted})).uses_python is uses


def test_symbols_are_told_apart() -> None:
    """What it wants, what it can do without, and the hashes of what it defines."""
    found = symbols(write(undefined=["a"], weak=["b"], defined=["c", "d", "e"]))
    assert found.undefined == frozenset({b"a", b"b"})
    assert found.weak == frozenset({b"b"})
    assert list(found.hashes) == [elf.hash_of(name) for name in (b"c", b"d", b"e")]


def test_an_empty_hash_table_does_not_hide_symbols() -> None:
    """Where nothing tells how many there are, nothing is taken for free of Python."""
    with pytest.raises(elf.NotElfError):
        symbols(write(undefined=["PyLong_FromLong"], first=1))


def test_functions_of_cplusplus_make_no_difference() -> None:
    """Functions of C do; tables of C++ do not, nor do the marks of linkers."""
    names = ["_Z1fv", "inflate", "_end", "_ZTV1A"]
    raw = write(defined=names)
    hashes = {elf.hash_of(name.encode()) for name in names}
    assert elf.differing(_File(raw).read, parse(raw), symbols(raw), hashes) == {
        b"inflate"
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x7fELF",
        b"/* GNU ld script */\nGROUP ( libm.so.6 )\n",
        bytes(5000),
        write()[:64],
        write(kind=1),
        write(needed=["x" * 5000]),
        write(tags=[(1, 1 << 40)]),
        write(tags=[(5, 1 << 62)]),
        write(tags=[(10, 0)], needed=["a"]),
    ],
)
def test_what_is_no_library_is_told(raw: bytes) -> None:
    """Empty files, linker scripts, object files and strings out of bounds."""
    with pytest.raises(elf.NotElfError):
        parse(raw)


@pytest.mark.parametrize(
    "raw", [write(machine=40), write().replace(b"ELF\2", b"ELF\1", 1)]
)
def test_a_library_for_another_machine_is_told(raw: bytes) -> None:
    """The loader goes on searching then."""
    with pytest.raises(elf.ForeignElfError):
        parse(raw)


def test_a_table_of_gigabytes_is_not_read() -> None:
    """A size that cannot be true costs nothing."""
    whole = write(defined=["a"], tags=[(10, 1 << 40)])
    file = _File(whole)
    with pytest.raises(elf.NotElfError):
        elf.symbols(file.read, elf.parse(file.read))
    assert file.asked < 4 * len(whole)


@pytest.mark.parametrize("size", [0, 64, 1 << 20, 32 << 20])
def test_hashes_without_an_end_are_given_up(size: int) -> None:
    """A table of symbols whose end mark is missing is not searched for it for ever."""
    file = _File(bytes(size))
    with pytest.raises(elf.NotElfError):
        elf._chains(file.read, start=0, first=1, last=9)
    assert file.asked < 9 << 20


def test_more_symbols_than_any_library_has_are_not_read() -> None:
    """A number of symbols that would fill the memory is refused."""
    raw = write(defined=["last"])
    bucket = struct.pack("<II", 1, elf.hash_of(b"last"))
    with pytest.raises(elf.NotElfError, match="symbols"):
        symbols(raw.replace(bucket, struct.pack("<I", 3_000_000) + bucket[4:]))


def test_allocation_is_no_function_like_others() -> None:
    """`new` and `delete` may be replaced, so it matters whose they are."""
    names = ["_Znwm", "_ZdlPv", "_ZN3foo3barEv"]
    raw = write(defined=names)
    known = symbols(raw)
    for hashes in (None, set(known.hashes)):
        found = elf.differing(_File(raw).read, parse(raw), known, hashes)
        assert found == {b"_Znwm", b"_ZdlPv"}


def test_nothing_but_the_tables_is_read() -> None:
    """What comes behind them costs nothing."""
    raw = write(needed=["liba.so"], defined=["a"], soname="libb.so")
    short, long = _File(raw.ljust(8192, b"\0")), _File(raw.ljust(1 << 20, b"\0"))
    for file in (short, long):
        elf.symbols(file.read, elf.parse(file.read))
    assert short.asked == long.asked


def test_damaged_files_raise_nothing_else() -> None:
    """Any byte may be wrong, and the file may end anywhere."""
    chance = random.Random(4)  # noqa: S311
    whole = write(needed=["liba.so"], undefined=["f"], defined=["a", "b"], soname="s")
    outcomes = set()
    for _ in range(3000):
        raw = bytearray(
            whole[: chance.choice([len(whole), chance.randrange(len(whole))])]
        )
        for _ in range(chance.randrange(4)):
            if raw:
                raw[chance.randrange(len(raw))] = chance.choice([0, 1, 127, 255])
        try:
            symbols(bytes(raw))
            outcomes.add("read")
        except elf.NotElfError:
            outcomes.add("told")
    assert outcomes == {"read", "told"}
