"""`python -m ipywarmup enable`, `disable`, `status`: one file, which is our own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from IPython.paths import get_ipython_dir

from ipywarmup import profiles
from ipywarmup.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., tuple[int, str, str]]

FILE = "profile_default/startup/50-ipywarmup.py"


@pytest.fixture
def ipython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of IPython's profiles, which is not there yet."""
    folder = tmp_path / "ipython"
    monkeypatch.setenv("IPYTHONDIR", str(folder))
    monkeypatch.delenv("IPYWARMUP_AUTO", raising=False)
    return folder


@pytest.fixture
def command(ipython: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs a command: its status, what it says, its errors."""
    del ipython

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return all that is in a folder: the bytes of files, None for folders."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def make_profile(ipython: Path, name: str = "default") -> Path:
    """Make a profile as somebody may have it."""
    startup = ipython / f"profile_{name}" / "startup"
    startup.mkdir(parents=True)
    (startup / "README").write_text("of IPython")
    (startup / "00-first.py").write_text("import os\n")
    (startup.parent / "ipython_config.py").write_text("c = get_config()\n")
    (startup.parent / "ipython_config.json").write_text('{"a": 1}')
    return startup


def test_enable_and_disable_leave_what_they_found(
    command: Command, ipython: Path
) -> None:
    """One file comes and goes; nothing else of the profile changes, byte for byte."""
    make_profile(ipython)
    before = tree(ipython)
    file = ipython / FILE
    assert command("status") == (0, "off for profile default\n", "")
    assert command("enable") == (0, f"on for profile default: {file}\n", "")
    assert {**before, FILE: file.read_bytes()} == tree(ipython)
    assert command("status") == (0, f"on for profile default: {file}\n", "")
    assert command("disable") == (0, "off for profile default\n", "")
    assert tree(ipython) == before


def test_both_can_be_repeated(command: Command, ipython: Path) -> None:
    """The second time changes nothing, and says so."""
    command("enable")
    before = tree(ipython)
    assert command("enable")[1].startswith("already on for profile default")
    assert tree(ipython) == before
    command("disable")
    assert command("disable") == (0, "already off for profile default\n", "")


def test_folders_that_were_not_there_go_again(command: Command, ipython: Path) -> None:
    """Before the first kernel there is no profile; afterwards there is none either,
    unless somebody has put something into it.
    """
    startup = (ipython / FILE).parent
    for make in (ipython.parent, ipython, ipython / "profile_default", startup):
        make.mkdir(parents=True, exist_ok=True)
        before = tree(ipython.parent)
        command("enable")
        assert (ipython / FILE).exists()
        command("disable")
        assert tree(ipython.parent) == before
    (ipython / FILE).parent.rmdir()
    command("enable")
    (ipython / "profile_default" / "startup" / "theirs.py").touch()
    command("disable")
    assert list(tree(ipython)) == [
        *("profile_default", "profile_default/startup"),
        "profile_default/startup/theirs.py",
    ]


def test_another_profile_is_another(command: Command, ipython: Path) -> None:
    """`--profile` names one that is there; the default one stays as it is."""
    make_profile(ipython, "work")
    status, said, _ = command("enable", "--profile", "work")
    assert (status, said.split(":")[0]) == (0, "on for profile work")
    assert (ipython / "profile_work" / "startup" / profiles.NAME).exists()
    assert command("status")[1] == "off for profile default\n"


@pytest.mark.parametrize(
    "name",
    ["nosuch", "../default", "", ".", "..", "a\0b", "a\nb", "foo bar", "x" * 999],
)
def test_a_profile_that_is_not_there(
    command: Command, ipython: Path, name: str
) -> None:
    """One line says which, and what to do."""
    make_profile(ipython)
    before = tree(ipython.parent)
    for what in ("enable", "disable", "status"):
        status, said, error = command(what, "--profile", name)
        assert (status, said, error.count("\n")) == (1, "", 1)
        assert error.startswith(f"{what}: ")
        if name in {"nosuch", "foo bar", "x" * 999}:
            assert f"`ipython profile create {shlex.quote(name)}`" in error
        else:
            assert error == f"{what}: {name!r} is no name of a profile\n"
    assert tree(ipython.parent) == before


def test_a_file_of_somebody_else_stays(command: Command, ipython: Path) -> None:
    """A file of our name that we did not write is neither replaced nor deleted."""
    file = make_profile(ipython) / profiles.NAME
    file.write_text("print('mine')")
    before = tree(ipython)
    for what in ("enable", "disable", "status"):
        assert command(what) == (
            1,
            "",
            f"{what}: {file} was written by somebody else; rename it first\n",
        )
    assert tree(ipython) == before


@pytest.mark.parametrize("target", ["theirs.py", "nowhere", profiles.NAME])
def test_a_link_in_the_place_of_the_file_stays(
    command: Command, ipython: Path, target: str
) -> None:
    """Whether it leads to a file, nowhere or to itself, it is not ours."""
    startup = make_profile(ipython)
    (startup / "theirs.py").write_text("print('theirs')")
    file = startup / profiles.NAME
    file.symlink_to(target)
    for what in ("enable", "disable", "status"):
        assert command(what) == (
            1,
            "",
            f"{what}: {file} is a link that somebody else has made; rename it first\n",
        )
    assert file.readlink().name == target
    assert (startup / "theirs.py").read_text() == "print('theirs')"
    assert sorted(path.name for path in startup.iterdir()) == sorted(
        {"README", "00-first.py", "theirs.py", profiles.NAME}
    )


def test_enable_takes_no_other_name(command: Command, ipython: Path) -> None:
    """What lies beside the file is nobody's business, whatever its name."""
    startup = make_profile(ipython)
    draft = startup / "50-ipywarmup.draft"
    draft.symlink_to("00-first.py")
    command("enable")
    assert draft.is_symlink()
    assert (startup / "00-first.py").read_text() == "import os\n"
    assert not (startup / profiles.NAME).is_symlink()


def test_a_file_of_another_version_is_renewed(command: Command, ipython: Path) -> None:
    """Which folders were made for it stays known."""
    command("enable")
    file = ipython / FILE
    new = file.read_text()
    file.write_text(new.replace("ipywarmup_start", "start_as_of_old"))
    assert command("enable")[1].startswith("on for profile default")
    assert file.read_text() == new
    command("disable")
    assert not tree(ipython)


@pytest.mark.parametrize("way", ["ipython", "profile_default", "startup", "file"])
def test_what_is_in_the_way_is_named(command: Command, ipython: Path, way: str) -> None:
    """A profile that cannot be written is one line, and stays what it was."""
    file = ipython / FILE
    parents = {path.name: path for path in file.parents}
    obstacle = parents.get(way, file)
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    if way == "file":
        obstacle.mkdir()
    else:
        obstacle.write_text("in the way")
    before = tree(ipython.parent)
    status, said, error = command("enable")
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert str(ipython) in error
    assert tree(ipython.parent) == before


@pytest.mark.parametrize("way", ["nowhere", "loop", "proc"])
def test_a_place_where_nothing_can_be_is_one_line(
    command: Command, ipython: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A link that leads nowhere is named; where there is nothing, nothing is on."""
    if way == "proc":
        ipython = Path("/proc/nope")
        monkeypatch.setenv("IPYTHONDIR", str(ipython))
        off = "off for profile default\n"
        assert command("status") == (0, off, "")
        assert command("disable") == (0, f"already {off}", "")
        wrong = f"{ipython / FILE} cannot be written"
    else:
        ipython.symlink_to(ipython if way == "loop" else "nowhere")
        wrong = f"{ipython} is a link that leads nowhere"
        for what in ("disable", "status"):
            error = f"{what}: {wrong}; mend or delete it\n"
            assert command(what) == (1, "", error)
    status, said, error = command("enable")
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert error.startswith(f"enable: {wrong}")


def test_a_folder_that_cannot_be_written_can_be_read(
    command: Command, ipython: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels take a temporary folder instead; nobody else makes one."""
    make_profile(ipython)
    temporary = ipython.parent / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    # Root may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != str(ipython))
    before = tree(ipython.parent)
    assert command("status") == (0, "off for profile default\n", "")
    assert command("disable") == (0, "already off for profile default\n", "")
    status, said, error = command("enable")
    assert (status, said) == (1, "")
    assert error == (
        f"enable: {ipython} cannot be written, so no kernel would use it; see to that,"
        " or name another folder in IPYTHONDIR\n"
    )
    assert tree(ipython.parent) == before


@pytest.mark.parametrize("variable", ["IPYTHONDIR", None])
def test_the_folder_is_that_of_ipython(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    """Nothing is made to find it, which IPython itself does."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("IPYTHONDIR", raising=False)
    if variable:
        monkeypatch.setenv(variable, "~/some/../where")
    before = tree(tmp_path)
    file = profiles.find().file
    assert tree(tmp_path) == before
    assert file == Path(get_ipython_dir()) / FILE
    if not variable:
        # Where those of IPython 1 were, if there are no others.
        shutil.rmtree(tmp_path / ".ipython")
        (tmp_path / ".config" / "ipython").mkdir(parents=True)
        assert profiles.find().file == Path(get_ipython_dir()) / FILE
        assert profiles.find().file == tmp_path / ".config" / "ipython" / FILE


def test_status_tells_of_the_variable(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wonders why nothing happens is told."""
    command("enable")
    for value, off in (("0", True), ("No", True), ("1", False), ("", False)):
        monkeypatch.setenv("IPYWARMUP_AUTO", value)
        assert ("IPYWARMUP_AUTO" in command("status")[1]) is off


def test_a_terminal_of_the_profile_is_as_ever(ipython: Path, command: Command) -> None:
    """IPython in a terminal runs the file too: it loads nothing and leaves no name."""
    command("enable")
    look = (
        "import sys; print([name for name in (*sys.modules, *globals())"
        " if 'ipywarmup' in name], 'WarmupMagics' in"
        " get_ipython().magics_manager.registry)"
    )
    # IPython warns of an environment that is not the one of its interpreter.
    environment = {**os.environ, "IPYTHONDIR": str(ipython)}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "-c", look],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("[] False\n", "")
