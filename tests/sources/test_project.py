"""A project says in its pyproject.toml what to warm and what to leave alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ipywarmup.sources.files import SourceError
from ipywarmup.sources.project import Project, find_project

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> Path:
    """Write the pyproject.toml of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_both_lists_are_read(here: Path) -> None:
    """Names come in their order, each once."""
    path = write(
        here,
        '[tool.ipywarmup]\nmodules = ["torch", "pandas", "torch"]\nexclude = ["a.b"]',
    )
    assert find_project(here) == Project(path, ("torch", "pandas"), ("a.b",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[project]\nname = 'x'",
        "[tool.other]\nipywarmup = 1",
        "tool = 1 # ipywarmup",
        "this is not TOML",
    ],
)
def test_the_nearest_that_has_a_table_counts(here: Path, text: str) -> None:
    """A file nearer by that says nothing of ipywarmup is passed over, broken or not."""
    path = write(here, "[tool.ipywarmup]\nmodules = ['torch']")
    write(here / "notebooks", text)
    assert find_project(here / "notebooks" / "deep") == Project(path, ("torch",))
    nearer = write(here / "notebooks", "[tool.ipywarmup]")
    assert find_project(here / "notebooks" / "deep") == Project(nearer)


def test_no_project_is_no_error(here: Path) -> None:
    """Most notebooks are in none; a folder of that name is none."""
    (here / "pyproject.toml").mkdir()
    assert find_project(here) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tool.ipywarmup]\nmodules = 'torch'", 'write modules = ["torch"]'),
        ("[tool.ipywarmup]\nexclude = 1", "exclude in [tool.ipywarmup] of"),
        ("[tool.ipywarmup]\nmodules = {}", 'write modules = ["numpy", "pandas"]'),
        ("[tool.ipywarmup]\nmodules = [1]", "a module name is a string, not 1"),
        ("[tool.ipywarmup]\nmodules = ['a b']", "'a b' is not an absolute dotted"),
        ("[tool.ipywarmup]\nmodules = ['.a']", "'.a' is not an absolute dotted"),
        (
            "[tool.ipywarmup]\nmodule = []",
            "unknown key 'module'; did you mean 'modules",
        ),
        ("[tool.ipywarmup]\nzzz = []", "unknown key 'zzz'; there are modules, exclude"),
        ("[tool]\nipywarmup = []", "is not a table; write modules = [...] below"),
        ("[tool.ipywarmup\n", "is not TOML: "),
        ("[tool.ipywarmup]\nmodules = ['a'", "is not TOML: "),
        ("[tool.ipywarmup]\nx = " + "[" * 9999, "is not TOML: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(here: Path, text: str, says: str) -> None:
    """Wrong types, names, keys and files: the culprit, its file and the remedy."""
    path = write(here, text)
    with pytest.raises(SourceError) as caught:
        find_project(here)
    message = str(caught.value)
    assert says in message
    assert repr(str(path)) in message
    assert "\n" not in message


def test_a_file_in_another_encoding_is_refused(here: Path) -> None:
    """TOML is UTF-8."""
    path = here / "pyproject.toml"
    path.write_bytes(b"[tool.ipywarmup] # \xff")
    with pytest.raises(SourceError, match="is not UTF-8; save it as that"):
        find_project(here)
