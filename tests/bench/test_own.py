"""The light modules whose imports `bench --own` measures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from ipywarmup.bench import own_programs
from ipywarmup.bench.rounds import compile_bytecode

if TYPE_CHECKING:
    import pytest


def is_compiled(source: Path) -> bool:
    """Whether there is bytecode of a file."""
    bytecode = Path(importlib.util.cache_from_source(str(source)))
    if not bytecode.exists():
        return False
    return bytecode.read_bytes().startswith(importlib.util.MAGIC_NUMBER)


def test_light_modules_are_many_and_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are 10,000 of them, parents first, and each has its bytecode."""
    monkeypatch.setattr(own_programs, "PACKAGES", 3)
    names = own_programs.write_light_modules(tmp_path)
    assert len(names) == len(set(names)) == 3 * own_programs.PARTS
    assert own_programs.PARTS * 100 == 10_000
    known: set[str] = set()
    for name in names:
        parent, _, _ = name.rpartition(".")
        assert not parent or parent in known
        known.add(name)
        path = tmp_path.joinpath(*name.split("."))
        assert is_compiled(
            path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        )


def test_bytecode_that_is_missing_is_written(tmp_path: Path) -> None:
    """What cannot be compiled is passed over, what can is compiled."""
    broken, good = tmp_path / "broken.py", tmp_path / "good.py"
    broken.write_text("def")
    good.write_text("ANSWER = 42")
    compile_bytecode(tmp_path)
    assert is_compiled(good)
    assert not is_compiled(broken)
