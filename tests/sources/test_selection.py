"""Of what a file names, that is taken which is installed, and the rest is explained."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ipywarmup.panel.rows import enumerate_names
from ipywarmup.sources.imports import FUTURE, RELATIVE, WITHIN, Import
from ipywarmup.sources.selection import (
    EXCLUDED,
    LOADED,
    OPTIONAL,
    Selection,
    describe,
    select,
)
from ipywarmup.sources.trust import ELSEWHERE, HERE, NOT_INSTALLED

if TYPE_CHECKING:
    from pathlib import Path

# Of the standard library, and imported by none of the tests' parts.
UNLOADED = ("this", "xml.dom.pulldom", "antigravity")


@pytest.fixture(autouse=True)
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure of what is said above, whatever ran before."""
    for name in ("xml.dom", "sklearn", "sklearn.ensemble", "numpy", *UNLOADED):
        monkeypatch.delitem(sys.modules, name, raising=False)


def named(*names: str) -> list[Import]:
    """Return names as a plain cell would import them."""
    return [Import(name, line) for line, name in enumerate(names, start=1)]


def test_what_is_installed_is_taken_in_its_order() -> None:
    """Each name once, but a package before its modules."""
    selection = select(named("this", "sklearn.ensemble", "numpy", "sklearn", "this"))
    assert selection == Selection(("this", "sklearn", "sklearn.ensemble", "numpy"))


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (Import("nosuch", 1), NOT_INSTALLED),
        (Import("nosuch", 1, optional=True), OPTIONAL),
        (Import("xml.nosuch", 1), NOT_INSTALLED),
        (Import("xml.nosuch", 1, optional=True), OPTIONAL),
        (Import("sys", 1), LOADED),
        (Import(".part", 1, reason=RELATIVE), RELATIVE),
        (Import("__future__", 1, reason=FUTURE), FUTURE),
        (Import("this", 1, reason=WITHIN), WITHIN),
        (Import("lying_here", 1), HERE),
        (Import("lying_here", 1, optional=True), HERE),
        (Import("lying_here.part", 1), HERE),
        (Import("lying_there", 1), ELSEWHERE),
    ],
)
def test_what_is_left_out_has_its_reason(
    here: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    candidate: Import,
    reason: str,
) -> None:
    """A reason for each, and what is beside it is taken."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.syspath_prepend(elsewhere)
    for path in (here / "lying_here.py", elsewhere / "lying_there.py"):
        path.write_text("raise AssertionError")
    selection = select([candidate, Import("antigravity", 9)])
    assert selection.taken == ("antigravity",)
    assert selection.left_out == ((candidate.module, reason),)


def test_a_file_that_shadows_a_package_is_left_out(here: Path) -> None:
    """A numpy.py of the working directory is not what the notebook's author meant."""
    (here / "numpy.py").write_text("raise AssertionError")
    (here / "sklearn").mkdir()
    (here / "sklearn" / "__init__.py").write_text("raise AssertionError")
    selection = select(named("numpy", "sklearn.ensemble"))
    assert selection.taken == ()
    assert [reason for _, reason in selection.left_out] == [HERE, HERE]


def test_exclusions_hold_for_all_that_is_in_a_package() -> None:
    """A package goes with its modules; its parents and namesakes stay."""
    names = named("xml.dom.pulldom", "xml.dom", "this", "sklearn.ensemble", "sklearn")
    selection = select(names, ["xml.dom", "thi", "sklearn.ensemble.part"])
    assert selection.taken == ("this", "sklearn", "sklearn.ensemble")
    assert selection.left_out == (("xml.dom.pulldom", EXCLUDED), ("xml.dom", EXCLUDED))


def test_one_import_of_several_is_enough() -> None:
    """One above a function is enough to take it, one without a guard to need it."""
    selection = select(
        [
            Import("this", 1, reason=WITHIN),
            Import("this", 2),
            Import("nosuch", 3, optional=True),
            Import("nosuch", 4),
        ]
    )
    assert selection == Selection(("this",), (("nosuch", NOT_INSTALLED),))  # type: ignore[arg-type]


def test_the_records_of_distributions_are_read_once(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes long, and is needed for each package that lies elsewhere."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.syspath_prepend(elsewhere)
    for name in ("one", "two"):
        (elsewhere / f"checkout_{name}.py").touch()
    reads: list[int] = []

    names = ("checkout_one", "checkout_two")

    def records() -> set[str]:
        reads.append(1)
        return set(names)

    monkeypatch.setattr("ipywarmup.sources.selection.modules_on_record", records)
    assert select(named(*names)).taken == names
    assert reads == [1]


def test_it_is_told_in_words_a_line_each() -> None:
    """What was taken, and each reason once; long lists are shortened."""
    selection = select(
        [
            Import("__future__", 1, reason=FUTURE),
            *named("this", "numpy", *(f"gone{n}" for n in range(6))),
            Import("nosuch_optional", 1, optional=True),
        ]
    )
    assert describe(selection, "analysis.ipynb", enumerate_names) == [
        "From analysis.ipynb: this, numpy",
        "Left out (not installed): gone0, gone1, gone2, gone3, gone4 and 1 more",
        "Left out (optional, and not installed): nosuch_optional",
    ]
    nothing = describe(select([]), "analysis.ipynb", enumerate_names)
    assert nothing == ["Nothing to warm in analysis.ipynb"]


def test_local_files_come_with_a_remedy(here: Path) -> None:
    """Who wants them imported is told how."""
    (here / "helpers.py").touch()
    assert describe(select(named("helpers")), "x.ipynb", enumerate_names)[1] == (
        "Left out (a file of the working directory; name it in %warmup to import it):"
        " helpers"
    )
