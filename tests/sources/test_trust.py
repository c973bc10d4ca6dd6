"""Names that nobody typed: only what is installed may be imported."""

from __future__ import annotations

import importlib.metadata
import sys
import types
from typing import TYPE_CHECKING

import pytest

from ipywarmup.sources.trust import UntrustedError, check_trusted, modules_on_record

if TYPE_CHECKING:
    from pathlib import Path


def put_on_record(folder: Path, module: str) -> None:
    """Lay the metadata of a distribution that has a module into a folder."""
    record = folder / f"{module}-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0"
    )
    (record / "top_level.txt").write_text(module)


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
    folder, packages = map(tmp_path_factory.mktemp, ("checkout", "site-packages"))
    (folder / "editable_one.py").touch()
    put_on_record(packages, "editable_one")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(packages)
    assert here not in (folder, packages)
    check_trusted("editable_one")


@pytest.mark.parametrize("entry", ["", "packages", "{elsewhere}/link"])
def test_a_record_in_the_working_directory_is_none(
    here: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    entry: str,
) -> None:
    """Metadata that merely lies there vouches for nothing that lies elsewhere."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "from_elsewhere.py").touch()
    (here / "packages").mkdir()
    (folder / "link").symlink_to(here / "packages")
    entry = entry.format(elsewhere=folder)
    put_on_record(here / entry, "from_elsewhere")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(entry)
    assert "from_elsewhere" in importlib.metadata.packages_distributions()
    with pytest.raises(UntrustedError, match="neither installed"):
        check_trusted("from_elsewhere")


@pytest.mark.usefixtures("here")
def test_whatever_is_installed_is_on_record() -> None:
    """What declares its modules, and what has only a list of its files."""
    assert modules_on_record() >= set(importlib.metadata.packages_distributions())


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
    put_on_record(here, "linked")
    with pytest.raises(UntrustedError, match="is a file of the working directory"):
        check_trusted("linked")


def test_a_submodule_that_is_not_there_is_not_installed(here: Path) -> None:
    """A package speaks only for what lies in it."""
    (here / "xml").mkdir()
    (here / "xml" / "planted.py").write_text("raise AssertionError")
    with pytest.raises(UntrustedError, match=r"'xml\.planted' is not installed"):
        check_trusted("xml.planted")
