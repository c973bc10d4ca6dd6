"""Names that nobody typed: only what is installed may be imported."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING

import pytest

from ipywarmup.sources.trust import UntrustedError, check_trusted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name",
    ["json", "sys", "xml.dom.minidom", "zipimport", "numpy", "sklearn.ensemble"],
)
def test_what_is_installed_is_trusted(here: Path, name: str) -> None:
    """The standard library and installed distributions pass."""
    assert not list(here.iterdir())
    check_trusted(name)


def test_a_file_of_the_working_directory_is_not(here: Path) -> None:
    """A module, a package and a namespace package that merely lie there fail."""
    (here / "lying_module.py").write_text("raise AssertionError")
    (here / "lying_package").mkdir()
    (here / "lying_package" / "__init__.py").write_text("raise AssertionError")
    (here / "lying_namespace" / "inner").mkdir(parents=True)
    for name in ("lying_module", "lying_package.sub", "lying_namespace.inner"):
        with pytest.raises(UntrustedError, match=f"'{name}' is a file of the working"):
            check_trusted(name)


def test_a_file_that_shadows_the_standard_library_is_not(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A well-known name does not help a file that stands in its way."""
    (here / "chunky.py").write_text("raise AssertionError")
    monkeypatch.setattr(
        sys, "stdlib_module_names", sys.stdlib_module_names | {"chunky"}
    )
    with pytest.raises(UntrustedError, match="working directory"):
        check_trusted("chunky")


def test_an_environment_in_the_working_directory_is_trusted(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed in ./.venv is installed, although it lies there."""
    packages = here / ".venv" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed_here.py").touch()
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setattr("site.getsitepackages", lambda: [str(packages)])
    check_trusted("installed_here")


def test_a_file_elsewhere_on_the_path_is_not(
    here: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PYTHONPATH does not make a distribution of a folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "from_elsewhere.py").touch()
    monkeypatch.syspath_prepend(folder)
    assert here != folder
    with pytest.raises(UntrustedError, match="neither installed"):
        check_trusted("from_elsewhere")


def test_an_editable_installation_is_trusted(
    here: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A checkout that was installed in place is on record, and passes."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "editable_one.py").touch()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(
        "importlib.metadata.packages_distributions",
        lambda: {"editable_one": ["editable-one"]},
    )
    assert here != folder
    check_trusted("editable_one")


def test_what_cannot_be_found_is_not(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name without a module, or with one that nobody has loaded, fails."""
    assert here.exists()
    monkeypatch.setitem(sys.modules, "made_by_hand", types.ModuleType("made_by_hand"))
    for name in ("no_such_module_at_all", "made_by_hand"):
        with pytest.raises(UntrustedError, match="is not installed"):
            check_trusted(name)


def test_a_link_of_the_working_directory_is_not(
    here: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A link that leads elsewhere, with a record of it beside, does not get through."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "linked.py").touch()
    (here / "linked.py").symlink_to(folder / "linked.py")
    record = here / "linked-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: linked\nVersion: 1")
    (record / "top_level.txt").write_text("linked")
    with pytest.raises(UntrustedError, match="is a file of the working directory"):
        check_trusted("linked")


def test_a_submodule_that_is_not_there_is_not_installed(here: Path) -> None:
    """A package speaks only for what lies in it."""
    (here / "xml").mkdir()
    (here / "xml" / "planted.py").write_text("raise AssertionError")
    with pytest.raises(UntrustedError, match=r"'xml\.planted' is not installed"):
        check_trusted("xml.planted")
