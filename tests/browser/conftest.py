"""Fixtures that drive a real JupyterLab, or Notebook 7, in Chromium."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

import pytest

try:
    from playwright import sync_api
except ImportError:
    sync_api = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Locator,
        Page,
    )
    from playwright.sync_api import Error as PageError

Theme = Literal["dark", "light"]
# What a page finds: a kernel that will be idle, one that has only just been started,
# the one that an earlier page left, maybe in the middle of a cell, or none.
Kernel = Literal["fresh", "starting", "kept", "none"]

SYSTEM_CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The driver counts in milliseconds, everything of ours in seconds.
PAGE_TIMEOUT = 60.0
SERVER_TIMEOUT = 90.0
STOP_TIMEOUT = 20.0
POLL = 0.05

VIEWPORT = {"width": 1100, "height": 760}
SCALE = 1.5

# Defaults that keep dialogs, toasts and timers out of the tests.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
    # A notebook is saved when the test says so.
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    # All cells stay attached, so that cell_locator(i) finds the ones below the fold.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    # No language servers: they only log that none is installed.
    "@jupyterlab/lsp-extension:plugin": {"activate": "off"},
}

# What a kernel does before it is ready: the notebook's folder may hold a script for it.
KERNEL_STARTUP = "kernel_startup.py"
RUN_KERNEL_STARTUP = f"""
import pathlib
import runpy
if pathlib.Path({KERNEL_STARTUP!r}).exists():
    runpy.run_path({KERNEL_STARTUP!r})
"""

# No looking for extensions that want the application built anew.
# No debugger: it logs an error when its kernel goes, or when there is none.
PAGE_CONFIG = {
    "buildAvailable": False,
    "buildCheck": False,
    "disabledExtensions": {"@jupyterlab/debugger-extension": True},
}

# Expressions in the page's JavaScript.
NO_SPLASH = "!document.getElementById('jupyterlab-splash')"
CURRENT = "window.jupyterapp.shell.currentWidget"
KERNEL = f"{CURRENT}.context.sessionContext.session?.kernel"
# What "Open With > Notebook (no kernel)" does.
OPEN_WITHOUT_KERNEL = """async (path) => {
    await window.jupyterapp.restored;
    const kernelPreference = {shouldStart: false, shouldReuse: false};
    await window.jupyterapp.commands.execute(
        'docmanager:open', {path, factory: 'Notebook', kernelPreference});
}"""


def unavailable(reason: str) -> NoReturn:
    """Skip, or fail where the environment promises a browser."""
    if os.environ.get("IPYWARMUP_REQUIRE_BROWSER") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class App(NamedTuple):
    """An application that shows notebooks.

    Parameters
    ----------
    module
        What Python runs to serve it.
    config
        The name of its settings.
    home
        The address of a page without a notebook, from the root.
    page
        The address of a notebook, less its path.
    query
        What follows that path.
    own_error
        What its page fails to catch whenever it starts, whatever it shows.
    """

    module: str
    config: str
    home: str
    page: str
    query: str = ""
    own_error: str = ""


# "reset" forgets which tabs and side panels an earlier page had open.
LAB = App("jupyterlab", "LabApp", "/lab", "/lab/tree/", "?reset")
# JupyterLab's own parts, put together to one page for each notebook.
NOTEBOOK = App(
    *("notebook", "JupyterNotebookApp", "/tree", "/notebooks/"),
    own_error="Cannot read properties of undefined (reading 'schema')",
)


@dataclass(frozen=True)
class LabServer:
    """A running server.

    Parameters
    ----------
    app
        What it serves.
    port
        Its port on the loopback interface.
    root
        The folder that it serves.
    log
        Its log file.
    """

    app: App
    port: int
    root: Path
    log: Path

    @property
    def url(self) -> str:
        """The address of the server, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Tell whether the server serves the application page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self.app.home)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def server_environment(base: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's own settings is seen."""
    folders = {
        "HOME": "home",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "XDG_CACHE_HOME": "home/.cache",
        "XDG_CONFIG_HOME": "home/.config",
        "XDG_DATA_HOME": "home/.local/share",
    }
    # Variables of a Jupyter in which the tests themselves may have been started.
    foreign = ("JUPYTER", "JPY_")
    env = {key: val for key, val in os.environ.items() if not key.startswith(foreign)}
    for variable, name in folders.items():
        folder = base / name
        folder.mkdir(parents=True, exist_ok=True)
        env[variable] = str(folder)
    startup = Path(env["IPYTHONDIR"], "profile_default", "startup")
    startup.mkdir(parents=True)
    (startup / "00-folder.py").write_text(RUN_KERNEL_STARTUP, "utf-8")
    # The kernel spec of this interpreter wins over one that the user installed.
    env["JUPYTER_PREFER_ENV_PATH"] = "1"
    return env


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, which ends its kernels; kill its group if it does not."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT)


@contextlib.contextmanager
def serve(app: App, base: Path) -> Iterator[LabServer]:
    """Run a server with this interpreter's kernel."""
    server = LabServer(app, free_port(), base / "root", base / "server.log")
    server.root.mkdir()
    app_settings = base / "settings"
    app_settings.mkdir()
    (app_settings / "overrides.json").write_text(json.dumps(SETTINGS), "utf-8")
    labconfig = base / "config" / "labconfig"
    labconfig.mkdir(parents=True)
    (labconfig / "page_config.json").write_text(json.dumps(PAGE_CONFIG), "utf-8")
    command = [
        sys.executable,
        "-m",
        app.module,
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={server.port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={server.root}",
        "--IdentityProvider.token=",
        "--LabApp.extension_manager=readonly",
        f"--{app.config}.expose_app_in_browser=True",
        f"--{app.config}.app_settings_dir={app_settings}",
    ]
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=server.root,
            env=server_environment(base),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C in the terminal is for pytest, which stops it.
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + SERVER_TIMEOUT
        pause = threading.Event()
        while not server.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = server.log.read_text("utf-8", "replace")[-4000:]
                pytest.fail(f"{app.module} did not start:\n{tail}", pytrace=False)
            pause.wait(POLL)
        yield server
    finally:
        stop(process)


@pytest.fixture(scope="session")
def server_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[App], LabServer]]:
    """Return a function that starts an application's server, once."""
    servers: dict[App, LabServer] = {}
    with contextlib.ExitStack() as stack:

        def start(app: App) -> LabServer:
            if app not in servers:
                base = tmp_path_factory.mktemp(app.module)
                servers[app] = stack.enter_context(serve(app, base))
            return servers[app]

        yield start


# Not for the session: while the driver runs, this thread counts as running an event
# loop, and asyncio.run() in any later test would fail.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium, the system's or else the driver's own."""
    if sync_api is None:
        unavailable("playwright is not installed")
    sync_api.expect.set_options(timeout=PAGE_TIMEOUT * 1000)
    with sync_api.sync_playwright() as driver:
        executable = SYSTEM_CHROMIUM
        if not executable.exists():
            executable = Path(driver.chromium.executable_path)
        if not executable.exists():
            unavailable(f"no Chromium: neither {SYSTEM_CHROMIUM} nor {executable}")
        chromium = driver.chromium.launch(
            executable_path=executable,
            headless=True,
            args=CHROMIUM_ARGS,
            # Scroll bars are part of what the screenshots are there to judge.
            ignore_default_args=["--hide-scrollbars"],
        )
        try:
            yield chromium
        finally:
            chromium.close()


class Lab:
    """One notebook at a time, in a page of its own of JupyterLab or Notebook.

    Parameters
    ----------
    server
        The server that runs the kernels and keeps the notebooks.
    context
        The browser profile that the pages belong to.
    folder
        Where the notebooks are, and what their kernels import.
    screenshots
        The folder that the pictures go to.
    readme_screenshots
        The folder that those of the README go to.

    Attributes
    ----------
    errors
        What the pages wrote to the console as errors or did not catch; the app
        itself adds nothing to it.
    expect
        Playwright's waiting assertions; importing them fails where it is missing.
    """

    def __init__(
        self,
        server: LabServer,
        context: BrowserContext,
        folder: Path,
        screenshots: Path,
        readme_screenshots: Path,
    ) -> None:
        self.server = server
        self.folder = folder
        self.errors: list[str] = []
        self.expect = sync_api.expect
        self._context = context
        self._screenshots = screenshots
        self._readme_screenshots = readme_screenshots
        self._page: Page | None = None
        self._path: Path | None = None
        self._theme: Theme = "light"

    @property
    def page(self) -> Page:
        """The page that shows the notebook."""
        assert self._page is not None, "open() comes first"
        return self._page

    @property
    def path(self) -> Path:
        """The notebook's file."""
        assert self._path is not None, "open() comes first"
        return self._path

    def write_module(self, name: str, source: str = "") -> None:
        """Write a module that the kernels can import."""
        path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), "utf-8")

    def write_kernel_startup(self, source: str) -> None:
        """Write what the next kernels do before they are ready."""
        (self.folder / KERNEL_STARTUP).write_text(textwrap.dedent(source), "utf-8")

    def open(self, notebook: Sequence[str] | Path, *, idle: bool = True) -> Page:
        """Show code cells, or a copy of a notebook file, next to an idle kernel.

        Without `idle`, do not wait for the kernel, which has only just been started.
        """
        self.close()
        if isinstance(notebook, Path):
            self._path = self.folder / notebook.name
            shutil.copyfile(notebook, self._path)
        else:
            self._path = self.folder / "notebook.ipynb"
            made = {
                "cells": [
                    {
                        "cell_type": "code",
                        "execution_count": None,
                        "id": f"cell-{at}",
                        "metadata": {},
                        "outputs": [],
                        "source": source,
                    }
                    for at, source in enumerate(notebook)
                ],
                # Without a kernel spec JupyterLab asks for one in a dialog.
                "metadata": {
                    "kernelspec": {
                        "display_name": "Python 3 (ipykernel)",
                        "language": "python",
                        "name": "python3",
                    }
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            }
            self._path.write_text(json.dumps(made), "utf-8")
        return self._load("fresh" if idle else "starting")

    def reopen(self, kernel: Kernel = "fresh", *, trusted: bool = True) -> Page:
        """Show the saved notebook in a fresh page.

        With the kernel kept, it is what somebody sees who reloads the browser's tab.
        An untrusted one is what a colleague sees who got the file by mail.
        """
        self.close(keep_kernel=kernel == "kept")
        if not trusted:
            content = self.saved()
            # Any change does: the signature that the server stored no longer fits.
            content["metadata"]["untrusted"] = True
            self.path.write_text(json.dumps(content), "utf-8")
        return self._load(kernel)

    def close(self, *, keep_kernel: bool = False) -> None:
        """Shut the kernel down and close the page."""
        if self._page is None:
            return
        if not keep_kernel:
            # A page that never came up has nothing to shut down.
            with contextlib.suppress(sync_api.Error):
                self._page.evaluate(
                    "() => window.jupyterapp?.shell.currentWidget"
                    "?.context?.sessionContext?.shutdown()"
                )
        self._page.close()
        self._page = None

    def run_all(self) -> None:
        """Start all cells, and come back at once."""
        self._run("notebook:run-all-cells")

    def run_cell(self, index: int) -> None:
        """Start one cell, and come back at once."""
        self.page.evaluate(
            f"(index) => {{ {CURRENT}.content.activeCellIndex = index; }}", index
        )
        self._run("notebook:run-cell")

    def wait_idle(self, timeout: float = PAGE_TIMEOUT) -> None:
        """Wait until all started cells have ended and the kernel is idle."""
        self._wait(f"() => !window.testRuns && {KERNEL}?.status === 'idle'", timeout)

    def wait_running(self, index: int, timeout: float = PAGE_TIMEOUT) -> None:
        """Wait until the kernel has come to a cell, and still works on it."""
        # Queued cells count as running too, so all cells above must have ended.
        self._wait(
            f"""() => [...{CURRENT}.content.model.cells].every((cell, at) =>
                at > {index} || (cell.executionState === 'running') === (at === {index})
            )""",
            timeout,
        )

    def is_running(self) -> bool:
        """Tell whether a started cell has not ended yet."""
        # The kernel's status does not tell: creating a subshell for the messages of a
        # first widget leaves it at "idle" while the cell goes on.
        running: bool = self.page.evaluate("() => Boolean(window.testRuns)")
        return running

    def save(self) -> None:
        """Write the notebook to its file."""
        self.page.evaluate(f"() => {CURRENT}.context.save()")

    def saved(self) -> dict[str, Any]:
        """Return the notebook as it is in its file."""
        content: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        return content

    def set_theme(self, theme: Theme) -> None:
        """Switch the colours of this and all later pages of the test."""
        self._theme = theme
        light = "true" if theme == "light" else "false"
        name = f"JupyterLab {theme.capitalize()}"
        # Setting the theme that is already set never fires the signal waited for.
        self.page.evaluate(
            """async ([name, light]) => {
                if (document.body.dataset.jpThemeLight !== light) {
                    await window.jupyterapp.commands.execute(
                        'apputils:change-theme', {theme: name});
                }
            }""",
            [name, light],
        )
        self._wait(f"() => document.body.dataset.jpThemeLight === '{light}'")
        # The splash screen covers the page while the style sheets change.
        self._wait(f"() => {NO_SPLASH}")

    def has_kernel(self) -> bool:
        """Tell whether the notebook is connected to a kernel."""
        connected: bool = self.page.evaluate(f"() => Boolean({KERNEL})")
        return connected

    def cell_locator(self, index: int) -> Locator:
        """Return the locator of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def output_locator(self, index: int) -> Locator:
        """Return the locator of a cell's outputs, without their prompts."""
        return self.cell_locator(index).locator(".jp-OutputArea-output")

    def outputs(self, index: int) -> str:
        """Return the text that is visible below a cell."""
        return "\n".join(self.output_locator(index).all_inner_texts())

    def bundles(self, index: int) -> list[dict[str, Any]]:
        """Return a cell's outputs as the page holds them, saved or not."""
        outputs: list[dict[str, Any]] = self.page.evaluate(
            f"(index) => {CURRENT}.content.model.cells.get(index).outputs.toJSON()",
            index,
        )
        return outputs

    def screenshot(
        self, name: str, index: int | None = None, *, readme: bool = False
    ) -> Path:
        """Write a picture of the page, or of one cell, and return its file."""
        folder = self._readme_screenshots if readme else self._screenshots
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        if index is None:
            self.page.screenshot(path=path)
        else:
            self.cell_locator(index).screenshot(path=path)
        return path

    def _run(self, command: str) -> None:
        # Commands resolve when their cells have ended; wait_idle() waits for that,
        # as the kernel's status is still idle right after a cell was sent.
        self.page.evaluate(
            """(command) => {
                window.testRuns = (window.testRuns ?? 0) + 1;
                window.jupyterapp.commands.execute(command).finally(
                    () => { window.testRuns -= 1; });
            }""",
            command,
        )

    def _load(self, kernel: Kernel) -> Page:
        page = self._page = self._context.new_page()
        page.set_default_timeout(PAGE_TIMEOUT * 1000)
        page.on("console", self._on_console)
        page.on("pageerror", self._on_page_error)
        path = self.path.relative_to(self.server.root).as_posix()
        app = self.server.app
        if kernel == "none":
            page.goto(f"{self.server.url}{app.home}{app.query}")
            self._wait(f"() => window.jupyterapp && {NO_SPLASH}")
            page.evaluate(OPEN_WITHOUT_KERNEL, path)
        else:
            page.goto(f"{self.server.url}{app.page}{path}{app.query}")
        self._wait(f"() => window.jupyterapp && {CURRENT}?.context?.isReady")
        self._wait(f"() => {NO_SPLASH}")
        if kernel == "starting":
            self._wait(f"() => {KERNEL}")
        elif kernel != "none":
            self._wait(f"() => {KERNEL}?.connectionStatus === 'connected'")
        if kernel == "fresh":
            self.wait_idle()
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        self.set_theme(self._theme)
        return page

    def _wait(self, condition: str, timeout: float = PAGE_TIMEOUT) -> None:
        self.page.wait_for_function(condition, timeout=timeout * 1000)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_page_error(self, error: PageError) -> None:
        if str(error) != self.server.app.own_error:
            self.errors.append(str(error))


@pytest.fixture
def lab(
    server_of: Callable[[App], LabServer],
    browser: Browser,
    request: pytest.FixtureRequest,
) -> Iterator[Lab]:
    """Hand out JupyterLab, or the app that the test asks for, without a notebook."""
    server = server_of(getattr(request, "param", LAB))
    name: str = request.node.name
    folder = server.root / "".join(char if char.isalnum() else "-" for char in name)
    folder.mkdir()
    screenshots = Path(__file__).parent / "screenshots"
    context = browser.new_context(
        viewport={"width": VIEWPORT["width"], "height": VIEWPORT["height"]},
        device_scale_factor=SCALE,
    )
    handed_out = Lab(
        server,
        context,
        folder,
        screenshots,
        Path(os.environ.get("IPYWARMUP_SCREENSHOTS") or screenshots),
    )
    try:
        yield handed_out
    finally:
        handed_out.close()
        context.close()
