"""A kernel knows which notebook it was started for, or says that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.services.sessions.sessionmanager import SessionManager

from ipywarmup.sources.files import SourceError
from ipywarmup.sources.whereabouts import current_notebook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def environment(here: Path) -> Callable[..., dict[str, str]]:
    """Return what a Jupyter server, whose root is here, puts into an environment."""
    # Traitlets are not typed.
    make: Any = AsyncMappingKernelManager
    kernels = make(root_dir=str(here))
    make = SessionManager
    sessions = make(
        kernel_manager=kernels,
        contents_manager=AsyncFileContentsManager(root_dir=str(here)),
    )

    def environment(path: str, name: str | None) -> dict[str, str]:
        variables: dict[str, str] = sessions.get_kernel_env(path, name)
        return variables

    return environment


@pytest.mark.parametrize("path", ["analysis.ipynb", "a folder/übung.ipynb"])
def test_a_jupyter_server_tells(
    save: Callable[..., Path],
    environment: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """Whether the session has a name, as JupyterLab gives it, or only a path."""
    notebook = save(name=path)
    # The server starts the kernel where the notebook is.
    monkeypatch.chdir(notebook.parent)
    for name in (notebook.name, None):
        assert current_notebook({}, environment(path, name)) == notebook


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("console-1-1b9d6bcd", "Console 1"),
        ("renamed.ipynb", "renamed.ipynb"),
        ("renamed.ipynb", None),
        ("analysis.ipynb", ""),
        ("script.py", "script.py"),
        ("x" * 300 + ".ipynb", None),
    ],
)
def test_a_session_that_is_no_notebook_is_told_from_one(
    here: Path,
    save: Callable[..., Path],
    environment: Callable[..., dict[str, str]],
    path: str,
    name: str | None,
) -> None:
    """A console, a script, a notebook that has another name by now: it says which."""
    save(name="analysis.ipynb")
    (here / "script.py").touch()
    with pytest.raises(SourceError, match=r"JPY_SESSION_NAME is .*; name it, as in"):
        current_notebook({}, environment(path, name))


def test_vs_code_tells(here: Path, save: Callable[..., Path]) -> None:
    """Its own variable counts, since it makes up the session's name."""
    namespace = {"__vsc_ipynb_file__": str(save())}
    made_up = {"JPY_SESSION_NAME": str(here / "analysis-jvsc-1b9d6bcd.ipynb")}
    assert current_notebook(namespace, made_up) == here / "analysis.ipynb"
    window = {"__vsc_ipynb_file__": str(here / "Interactive-1.interactive")}
    with pytest.raises(SourceError, match=r"__vsc_ipynb_file__ is .*interactive"):
        current_notebook(window, {})


def test_vs_code_names_no_file_before_the_first_save(
    save: Callable[..., Path],
) -> None:
    """The name that a new notebook shows is not that of a file which happens to be."""
    save(name="Untitled-1.ipynb")
    with pytest.raises(SourceError, match=r"__vsc_ipynb_file__ is 'Untitled-1"):
        current_notebook({"__vsc_ipynb_file__": "Untitled-1.ipynb"}, {})


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ({}, None),
        ({}, "fileId=1b9d6bcd"),
        # VS Code with a kernel in Colab: the notebook is on the user's own machine.
        ({"__vsc_ipynb_file__": "/home/somebody/analysis.ipynb"}, None),
    ],
)
@pytest.mark.parametrize("variable", ["COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION"])
def test_colab_keeps_the_notebook_elsewhere(
    namespace: dict[str, object], name: str | None, variable: str
) -> None:
    """One line tells why it cannot be read there, and what to do instead."""
    environment = {variable: "release"} | ({"JPY_SESSION_NAME": name} if name else {})
    with pytest.raises(
        SourceError, match=r"^a kernel in Colab does not see .*; write %%warmup"
    ):
        current_notebook(namespace, environment)


def test_colab_reads_a_notebook_that_is_there(save: Callable[..., Path]) -> None:
    """A runtime of Colab's image on one's own machine has the files of that."""
    notebook = save()
    environment = {"COLAB_RELEASE_TAG": "release", "JPY_SESSION_NAME": str(notebook)}
    assert current_notebook({}, environment) == notebook


@pytest.mark.parametrize("value", [None, "", 7])
def test_without_a_word_the_notebook_is_unknown(value: object) -> None:
    """A terminal has no notebook; what is in a user's variable may be anything."""
    with pytest.raises(
        SourceError, match=r"^nothing tells which notebook this is; nam"
    ):
        current_notebook({"__vsc_ipynb_file__": value}, {"JPY_SESSION_NAME": ""})
