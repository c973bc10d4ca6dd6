"""What could be imported is found, and nothing is imported for it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
import zipfile
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

import pytest

from ipywarmup.sources.installed import find, submodules, top_level

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name",
    [
        "sys",
        "os",
        "json",
        "json.decoder",
        "importlib.util",
        "collections.abc",
        "xml.dom.minidom",
        "numpy.linalg",
        "sklearn.ensemble",
        "ipywarmup.sources.installed",
    ],
)
def test_what_can_be_imported_is_found(name: str) -> None:
    """The finder agrees with importlib, which imports the parents."""
    found, expected = find(name), importlib.util.find_spec(name)
    assert found is not None
    assert expected is not None
    assert found.submodule_search_locations == expected.submodule_search_locations
    assert found.name == name


@pytest.mark.parametrize(
    "name", ["nosuch", "nosuch.part", "json.nosuch", "json.decoder.nosuch", "os.path"]
)
def test_what_cannot_is_not(name: str) -> None:
    """A missing module, parent or package, and an attribute, are not modules."""
    assert find(name) is None


def test_a_package_without_init_within_another_is_found(here: Path) -> None:
    """Namespace packages are looked into, though their parents are not imported."""
    (here / "outer_space" / "inner").mkdir(parents=True)
    (here / "outer_space" / "inner" / "leaf.py").touch()
    found = find("outer_space.inner.leaf")
    assert found is not None
    assert found.origin is not None
    assert found.origin.endswith("leaf.py")
    assert submodules("outer_space.inner") == ["leaf"]
    assert "outer_space" not in sys.modules


def test_a_package_in_an_archive_is_found(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip file on the path is looked into as well."""
    with zipfile.ZipFile(here / "archive.zip", "w") as archive:
        archive.writestr("zipped/__init__.py", "raise AssertionError")
        archive.writestr("zipped/part.py", "raise AssertionError")
    monkeypatch.syspath_prepend(here / "archive.zip")
    assert find("zipped.part") is not None
    assert submodules("zipped") == ["part"]


def test_only_finders_that_look_names_up_are_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A finder of an editable installation is, one that may do anything is not."""

    class _EditableFinder:
        @classmethod
        def find_spec(cls, name: str, *_: object) -> ModuleSpec | None:
            return ModuleSpec(name, None) if name == "edited" else None

    class Installing:
        def find_spec(self, name: str, *_: object) -> None:
            pytest.fail(f"asked for {name}")

    monkeypatch.setattr(sys, "meta_path", [Installing(), _EditableFinder])
    assert find("edited") is not None
    assert find("nosuch") is None


def test_a_broken_finder_costs_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a finder raises is not the user's concern, and others are asked."""

    class RedirectingFinder:
        def find_spec(self, *_: object) -> None:
            raise RuntimeError

    monkeypatch.setattr(sys, "meta_path", [RedirectingFinder()])
    assert find("nosuch") is None
    assert find("json") is not None


def test_a_submodule_is_told_from_an_attribute() -> None:
    """`from package import name` imports a module only where there is one."""
    assert find("sklearn.ensemble") is not None
    assert find("xml.dom.minidom") is not None
    assert find("sklearn.ensemble.RandomForestClassifier") is None
    assert find("json.*") is None
    assert find("sys.path") is None


def test_submodules_are_listed(here: Path) -> None:
    """Modules and packages, sorted, but neither data nor what cannot be named."""
    package = here / "listed"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__", "__main__", "b", "a", "_private", "inner/__init__", "1-x"):
        (package / f"{name}.py").touch()
    (package / "data.txt").touch()
    assert submodules("listed") == ["_private", "a", "b", "inner"]
    assert submodules("listed.a") == []
    assert submodules("nosuch") == []


def test_top_level_names_are_listed(here: Path) -> None:
    """The standard library, what is installed and what lies here."""
    (here / "lying_here.py").touch()
    names = top_level()
    assert {"sys", "json", "numpy", "sklearn", "lying_here"} <= set(names)
    assert names == sorted(names)
    assert "ensemble" not in names


def test_nothing_is_imported() -> None:
    """In a fresh process, looking for heavy packages leaves them unimported."""
    program = textwrap.dedent("""
        import sys
        from ipywarmup.sources.installed import find, submodules, top_level
        before = set(sys.modules)
        assert find("sklearn.ensemble._forest") and find("distutils.core.x") is None
        assert "ensemble" in submodules("sklearn") and "numpy" in top_level()
        print(sorted(set(sys.modules) - before))
    """)
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert "sklearn" not in output
    assert "setuptools" not in output
    assert "numpy" not in output
