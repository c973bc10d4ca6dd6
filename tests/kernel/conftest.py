"""A real kernel, driven through jupyter_client, and modules for it to import."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import os
import re
import signal
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

    from tests.conftest import Gate

    Message = dict[str, Any]

# Bounds on failure only: nothing waits that long in a test that passes.
TIMEOUT = 30.0
_numbers = itertools.count()
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclasses.dataclass
class Cell:
    """
    One execution, and what the kernel addressed to it so far.

    Parameters
    ----------
    msg_id : str
        Of the request, which is the parent of all that belongs to the cell.
    messages : list of dict
        In the order in which they came.
    """

    msg_id: str
    messages: list[Message] = dataclasses.field(default_factory=list)
    reply: Message = dataclasses.field(default_factory=dict)

    def of_type(self, *types: str) -> list[Message]:
        """Return the contents of its messages of these types."""
        return [
            message["content"]
            for message in self.messages
            if message["msg_type"] in types
        ]

    def stream(self, name: str) -> str:
        """Return what it shows of stdout or stderr."""
        return "".join(
            content["text"]
            for content in self.of_type("stream")
            if content["name"] == name
        )

    @property
    def stdout(self) -> str:
        """What it printed."""
        return self.stream("stdout")

    @property
    def stderr(self) -> str:
        """What it complained of."""
        return self.stream("stderr")

    @property
    def displays(self) -> list[Message]:
        """The contents of what it displayed."""
        return self.of_type("display_data")

    @property
    def result(self) -> dict[str, str]:
        """The bundle of its value."""
        (content,) = self.of_type("execute_result")
        bundle: dict[str, str] = content["data"]
        return bundle

    @property
    def error(self) -> str:
        """The name of the exception that ended it; empty if none did."""
        return "".join(content["ename"] for content in self.of_type("error"))

    @property
    def traceback(self) -> str:
        """What it shows of that exception, without colours."""
        (error,) = self.of_type("error")
        return _COLOUR.sub("", "\n".join(error["traceback"]))

    @property
    def shown(self) -> str:
        """Everything that it shows, for a look at whether something is in it."""
        types = ("stream", "display_data", "execute_result", "error")
        return repr(self.of_type(*types))

    @property
    def ended(self) -> bool:
        """Whether the kernel has said that it is through with it."""
        return {"execution_state": "idle"} in self.of_type("status")

    @property
    def span(self) -> tuple[float, float]:
        """When it began and ended, by the kernel's clock."""
        begin, end = (
            sent_at(message)
            for message in self.messages
            if message["msg_type"] == "status"
        )
        return begin, end


def sent_at(message: Message) -> float:
    """Return when a message was made, by the sender's clock."""
    timestamp: float = message["header"]["date"].timestamp()
    return timestamp


class Kernel:
    """
    A kernel process and a client that reads all it says.

    Parameters
    ----------
    folder : path
        Modules for it to import, and its working directory.
    environment : str
        What its environment has besides.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.modules = folder / "modules"
        self.modules.mkdir(parents=True)
        self.messages: list[Message] = []
        self._cells: dict[str, Cell] = {}
        self._replies: dict[str, Message] = {}
        self._subshell: str | None = None
        # Whether somebody sits before it, who could be asked for input.
        self.attended = False
        self.store_history = False
        environment = {
            **os.environ,
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "PYTHONPATH": str(self.modules),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            **environment,
        }
        self._output = folder / "output"
        self.manager = KernelManager(kernel_name="python3")
        self.manager.connection_file = str(folder / "connection.json")
        # A kernel that is slow to end is killed after that time.
        self.manager.shutdown_wait_time = 2 * TIMEOUT
        with self._output.open("ab") as output:
            self.manager.start_kernel(
                extra_arguments=["--log-level=ERROR"],
                env=environment,
                cwd=str(folder),
                stdout=output,
                stderr=output,
            )
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)
        self.features = self._control("kernel_info_request", {}).get(
            "supported_features", []
        )

    @property
    def output(self) -> str:
        """What the process, and those before it, wrote outside of all cells."""
        return self._output.read_text(encoding="utf-8")

    def shut_down(self) -> int:
        """Ask the process to end; return its status, negative if it was killed."""
        process = self._process()
        self.manager.shutdown_kernel()
        status: int = process.returncode
        return status

    def restart(self) -> int:
        """Have a new process in place of the old one, whose status is returned."""
        process = self._process()
        with self._output.open("ab") as output:
            self.manager.restart_kernel(stdout=output, stderr=output)
        self.client.wait_for_ready(timeout=TIMEOUT)
        status: int = process.returncode
        return status

    def terminate(self) -> int:
        """Send the process SIGTERM; return its status once it has ended."""
        self._process().send_signal(signal.SIGTERM)
        return self.wait_for_end()

    def wait_for_end(self) -> int:
        """Return the status of the process once it has ended."""
        status: int = self._process().wait(TIMEOUT)
        return status

    def _process(self) -> Any:  # noqa: ANN401 - the manager gives it no type
        """Return the process, whose status can be had after it is gone."""
        provisioner: Any = self.manager.provisioner
        return provisioner.process

    def start(self, code: str) -> Cell:
        """Ask for an execution without waiting for it."""
        content = {
            "code": textwrap.dedent(code),
            "silent": False,
            "store_history": self.store_history,
            "user_expressions": {},
            "allow_stdin": self.attended,
            "stop_on_error": False,
        }
        request = self.client.session.msg("execute_request", content)
        if self._subshell is not None:
            request["header"]["subshell_id"] = self._subshell
        self.client.shell_channel.send(request)
        cell = self._cells[request["msg_id"]] = Cell(request["msg_id"])
        return cell

    @contextlib.contextmanager
    def subshell(self) -> Iterator[None]:
        """Run the cells of a block beside those of the main thread."""
        self._subshell = self._control("create_subshell_request", {})["subshell_id"]
        try:
            yield
        finally:
            subshell, self._subshell = self._subshell, None
            self._control("delete_subshell_request", {"subshell_id": subshell})

    def _control(self, kind: str, content: Message) -> Message:
        """Return the content of the reply to a request on the control channel."""
        request = self.client.session.msg(kind, content)
        self.client.control_channel.send(request)
        reply = self.client.get_control_msg(timeout=TIMEOUT)
        assert reply["parent_header"]["msg_id"] == request["msg_id"]
        answer: Message = reply["content"]
        assert answer["status"] == "ok", answer
        return answer

    def finish(self, cell: Cell) -> Cell:
        """Read until a cell has ended."""
        self.read_until(lambda: cell.ended)
        cell.reply = self._reply(cell.msg_id)
        return cell

    def execute(self, code: str) -> Cell:
        """Run code in a cell of its own, and read until that has ended."""
        return self.finish(self.start(code))

    def value(self, expression: str) -> Any:  # noqa: ANN401 - of the expression
        """Return what an expression of literals is in the kernel, without a cell."""
        request = self.client.execute(
            "", silent=True, user_expressions={"value": expression}
        )
        value = self._reply(request)["content"]["user_expressions"]["value"]
        assert value["status"] == "ok", value
        return eval(value["data"]["text/plain"], {})  # noqa: S307 - our own repr

    def _reply(self, request: str) -> Message:
        """Return the reply to a request, and keep those to others for later."""
        while request not in self._replies:
            reply = self.client.get_shell_msg(timeout=TIMEOUT)
            self._replies[reply["parent_header"]["msg_id"]] = reply
        return self._replies.pop(request)

    def run(self, code: str) -> None:
        """Run code that has to succeed and to show nothing."""
        cell = self.execute(code)
        assert not cell.shown.strip("[]"), cell.shown

    def read_until(self, condition: Callable[[], object]) -> None:
        """Read messages until a condition holds."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, "the kernel did not say what was expected"
            message = self.client.get_iopub_msg(timeout=left)
            self.messages.append(message)
            parent = message["parent_header"].get("msg_id")
            if parent in self._cells:
                self._cells[parent].messages.append(message)

    def of_type(self, *types: str) -> list[Message]:
        """Return the messages of these types."""
        return [message for message in self.messages if message["msg_type"] in types]

    def states(self, model: str) -> list[tuple[Message, dict[str, Any]]]:
        """Return the messages that carry state of widgets of a model, and the state."""
        of_model = {
            message["content"]["comm_id"]
            for message in self.of_type("comm_open")
            if message["content"]["data"]["state"].get("_model_name") == model
        }
        return [
            (message, message["content"]["data"]["state"])
            for message in self.of_type("comm_open", "comm_msg")
            if message["content"]["comm_id"] in of_model
            and "state" in message["content"]["data"]
        ]

    def bar_values(self) -> list[tuple[int, int]]:
        """Return what each progress bar showed, one after another: value, maximum."""
        bars: dict[str, dict[str, Any]] = collections.defaultdict(dict)
        values = []
        for message, state in self.states("IntProgressModel"):
            bar = bars[message["content"]["comm_id"]]
            bar.update(state)
            values.append((bar["value"], bar["max"]))
        return values

    def final_tables(self) -> list[Message]:
        """Return the contents of all updates of displays."""
        return [message["content"] for message in self.of_type("update_display_data")]

    def shown_anywhere(self, text: str) -> list[Message]:
        """Return the messages addressed to any cell that show a text."""
        types = ("stream", "display_data", "update_display_data", "execute_result")
        return [
            message
            for message in self.of_type(*types, "error", "clear_output")
            if message["parent_header"] and text in repr(message["content"])
        ]

    def canary(self, module: str) -> dict[str, Any]:
        """Return the latest record of a module."""
        canaries = self.value("__import__('ipywarmup').get_manager().canaries()")
        found: dict[str, Any]
        *_, found = (canary for canary in canaries if canary["module"] == module)
        return found

    def close(self) -> None:
        """End the process, and give back all that it took."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def new_kernel(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Kernel]]:
    """Return a function that starts a kernel; all are ended after the module."""
    kernels: list[Kernel] = []

    def start(folder: Path | None = None, **environment: str) -> Kernel:
        folder = folder or tmp_path_factory.mktemp("kernel")
        kernels.append(Kernel(folder, **environment))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.close()


@pytest.fixture(scope="module")
def shared_kernel(new_kernel: Callable[[], Kernel]) -> Kernel:
    """Return the kernel that the tests of a module share."""
    return new_kernel()


@pytest.fixture
def bare_kernel(shared_kernel: Kernel, gates: list[Gate]) -> Iterator[Kernel]:
    """Return a kernel without the extension, which the test may load."""
    shared_kernel.messages.clear()
    shared_kernel.attended = False
    yield shared_kernel
    # Whatever a failing test left under way ends here, and not in the next one.
    for gate in gates:
        gate.open()
    shared_kernel.execute("%unload_ext ipywarmup")
    # IPython keeps what %config was told, for whoever loads the extension again.
    shared_kernel.execute("get_ipython().config.pop('WarmupMagics', None);")


@pytest.fixture
def kernel(bare_kernel: Kernel) -> Kernel:
    """Return a kernel with the extension freshly loaded, and no warmup."""
    bare_kernel.run("%load_ext ipywarmup\nimport ipywarmup")
    bare_kernel.messages.clear()
    return bare_kernel


@pytest.fixture
def write_module(shared_kernel: Kernel) -> Callable[..., str]:
    """Return a function that writes a module for the kernel and returns its name."""

    def write(source: str = "", *, name: str = "") -> str:
        name = name or f"throwaway_{next(_numbers)}"
        file = shared_kernel.modules / f"{name}.py"
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        shared_kernel.run("__import__('importlib').invalidate_caches()")
        return name

    return write


@pytest.fixture
def write_gated(
    write_module: Callable[..., str], new_gate: Callable[[], Gate]
) -> Callable[..., tuple[str, Gate]]:
    """Return a function that writes a module that blocks on a gate.

    It returns both. `before` and `after` are what the module does besides.
    """

    def write(after: str = "", *, before: str = "") -> tuple[str, Gate]:
        gate = new_gate()
        parts = (textwrap.dedent(before), gate.source, textwrap.dedent(after))
        return write_module("\n".join(parts)), gate

    return write
