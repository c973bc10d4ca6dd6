"""The hint: the installed name that a misspelt one probably meant."""

from __future__ import annotations

import pkgutil
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup import nearest
from ipywarmup.importing import Outcome, import_module
from ipywarmup.nearest import NameIndex, hint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from ipywarmup.manager import WarmupManager


@pytest.fixture(autouse=True)
def _fresh_indexes() -> Iterator[None]:
    """Index anew for each test what is installed."""
    yield
    nearest._top_level.cache_clear()
    nearest._submodules.cache_clear()


def hint_of(name: str) -> str | None:
    """Return the hint of a module that is really asked for."""
    return import_module(name).hint(name)


@pytest.mark.parametrize(
    ("distribution", "module"),
    [
        ("beautifulsoup4", "bs4"),
        ("Pillow", "PIL"),
        ("opencv_python", "cv2"),
        ("PyYAML", "yaml"),
        ("jupyter_console_distribution", None),
        ("json", None),
    ],
)
def test_the_name_of_a_distribution_is_understood(
    distribution: str, module: str | None
) -> None:
    """Of one that is installed, or well known."""
    said = module and f"did you mean {module!r} (of {distribution})?"
    assert nearest.meant_by_distribution(distribution) == said
    if module is not None:
        assert hint_of(distribution) == said


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("jsno", "json"),
        ("jso", "json"),
        ("jsson", "json"),
        ("jsom", "json"),
        ("JSON", "json"),
        ("Asyncoi", "asyncio"),
        ("hypothesi", "hypothesis"),
        ("asynci.events", "asyncio.events"),
        ("asyncio.evnts", "asyncio.events"),
        ("xml.dmo.minidom", "xml.dom.minidom"),
        ("xml.dom.minidon", "xml.dom.minidom"),
    ],
)
def test_a_misspelt_name_has_the_nearest_one_as_its_hint(
    misspelt: str, meant: str
) -> None:
    """A letter too many, too few, wrong or swapped, or of the wrong case, is found."""
    assert hint_of(misspelt) == f"did you mean {meant!r}?"


@pytest.mark.parametrize(
    "name",
    [
        "no_such_module_at_all",
        "asyncio.no_such_module_at_all",
        "json.decoder.nothing",
        "qq",
        "ś",
        "j" * 10_240,
        "json" + "n" * 61,
    ],
    ids=lambda name: str(name)[:32],
)
def test_without_anything_near_there_is_no_hint(name: str) -> None:
    """Names unlike any other, too short or too long to be misspelt have no hint."""
    assert hint_of(name) is None


def test_the_hint_is_in_the_record_beside_pythons_own_error(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """The error stays as it is, and the key `hint` tells what was meant."""
    manager = new_manager(inline)
    manager.submit(["jsno", "no_such_module_at_all", "json"])
    assert [(record["error"], record["hint"]) for record in manager.canaries()] == [
        ("ModuleNotFoundError: No module named 'jsno'", "did you mean 'json'?"),
        ("ModuleNotFoundError: No module named 'no_such_module_at_all'", None),
        (None, None),
    ]


def test_a_package_on_the_path_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has come onto sys.path since the last hint is known, and its submodules."""
    assert hint_of("throwaway_pakage") is None
    package = tmp_path / "throwaway_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner_part.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert hint_of("throwaway_pakage") == "did you mean 'throwaway_package'?"
    meant = "did you mean 'throwaway_package.inner_part'?"
    assert hint_of("throwaway_package.iner_part") == meant
    del sys.modules["throwaway_package"]


def test_a_module_missing_within_another_gives_no_hint(
    write_module: Callable[..., str],
) -> None:
    """Only what was asked for was misspelt by the user."""
    assert hint_of(write_module("import jsno")) is None


@pytest.mark.parametrize(
    "error",
    [
        ImportError("no", name="jsno"),
        ModuleNotFoundError("no"),
        ModuleNotFoundError("no", name="jsn"),
        ModuleNotFoundError("no", name="jsno.other"),
    ],
    ids=repr,
)
def test_an_error_about_something_else_gives_no_hint(error: ImportError) -> None:
    """An error that does not name the module or its parent is none of ours."""
    assert hint_for(error, "jsno") is None


def test_the_most_similar_of_several_is_meant() -> None:
    """Of the names within reach the best match wins, then the alphabet."""
    index = NameIndex(["pandas", "panda", "pandax", "randas", "numpy"])
    assert index.nearest("pandas") == "panda"
    assert index.nearest("sandas") == "pandas"
    assert index.nearest("andas") == "pandas"
    assert index.nearest("nunpy") == "numpy"
    assert index.nearest("scipy") is None
    assert NameIndex([]).nearest("pandas") is None


def test_very_short_and_very_long_names_are_not_misspelt() -> None:
    """Up to two letters, and beyond 64, nobody has merely made a mistake."""
    index = NameIndex(["ab", "abc", "x" * 64])
    assert index.nearest("ac") is None
    assert index.nearest("abd") == "abc"
    assert index.nearest("x" * 63 + "y") == "x" * 64
    assert index.nearest("x" * 65) is None


class _CountingModules(dict[str, Any]):
    """The index's table, which counts how often it is asked."""

    looked_up = 0

    def get(self, key: str, default: object = None) -> Any:  # noqa: ANN401
        """Count, then answer."""
        self.looked_up += 1
        return super().get(key, default)


def test_ten_thousand_missing_names_cost_a_few_steps_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The path is read once, and a name costs a look-up a letter, not one a module."""
    reads: list[object] = []
    rated: list[object] = []
    iter_modules, shared = pkgutil.iter_modules, nearest._shared

    def reading(path: list[str]) -> Iterator[pkgutil.ModuleInfo]:
        reads.append(path)
        return iter_modules(path)

    def rating(name: str, word: str) -> float:
        rated.append(name)
        return shared(name, word)

    nearest._top_level.cache_clear()
    monkeypatch.setattr(pkgutil, "iter_modules", reading)
    monkeypatch.setattr(nearest, "_shared", rating)
    index = nearest._top_level(tuple(sys.path))
    table = _CountingModules(index._names)
    monkeypatch.setattr(index, "_names", table)
    names = [f"missing_{number:05}" for number in range(10_000)]
    for name in names:
        assert hint_for(ModuleNotFoundError("no", name=name), name) is None
    assert len(reads) <= len(sys.path)
    assert rated == []
    assert 0 < table.looked_up <= sum(len(name) + 1 for name in names)


class _Finder:
    """A finder that finds nothing, and cannot list it either."""

    def __init__(self) -> None:
        self.asked = 0

    def find_spec(self, *_: object) -> None:
        """Find nothing."""

    def iter_modules(self, prefix: str) -> object:
        """Fail."""
        self.asked += 1
        raise OSError(prefix)


def test_a_finder_that_cannot_list_costs_no_other_hint(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It is asked once, not once a name; errors, hints, other imports are as ever."""
    finder = _Finder()
    good = write_module()
    monkeypatch.setitem(sys.path_importer_cache, str(tmp_path), finder)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    manager = new_manager(inline)
    manager.submit([*(f"missing_{number}" for number in range(100)), "jsno", good])
    records = manager.canaries()
    assert finder.asked == 1
    assert {record["hint"] for record in records[:-2]} == {None}
    assert records[-2]["error"] == "ModuleNotFoundError: No module named 'jsno'"
    assert records[-2]["hint"] == "did you mean 'json'?"
    assert records[-1]["status"] == "completed"


def test_junk_on_the_path_costs_no_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of sys.path that `import` passes over are passed over here, too."""
    monkeypatch.setattr(sys, "path", [None, 3, ["unhashable"], *sys.path])
    assert hint_of("jsno") == "did you mean 'json'?"
    assert hint_of("hypothesi") == "did you mean 'hypothesis'?"


def test_a_package_with_a_broken_path_costs_the_hint_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a package says nothing sensible of its submodules, there is no hint."""
    package = types.ModuleType("throwaway_broken")
    package.__path__ = 3  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "throwaway_broken", package)
    error = ModuleNotFoundError("no", name="throwaway_broken.part")
    assert Outcome(exception=error).hint("throwaway_broken.part") is None
