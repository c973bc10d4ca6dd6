"""
What is computed with a package, to see that it is all there.

By `importlib.import_module`: types are checked where these packages are missing, too.
"""

from __future__ import annotations

import importlib
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def with_torch() -> None:
    """Multiply, and go through a layer forwards and backwards."""
    torch: Any = importlib.import_module("torch")

    ones = torch.ones(8, 8)
    assert float((ones @ ones).sum()) == 512.0
    layer = torch.nn.Linear(8, 2)
    loss = layer(ones).square().sum()
    loss.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.shape == (2, 8)
    assert int(torch.utils.data.TensorDataset(ones)[0][0].sum()) == 8


def with_sklearn() -> None:
    """Fit a forest and a regression to what they can learn."""
    np: Any = importlib.import_module("numpy")
    ensemble: Any = importlib.import_module("sklearn.ensemble")
    linear_model: Any = importlib.import_module("sklearn.linear_model")

    places = np.arange(40.0).reshape(20, 2)
    classes = np.arange(20) >= 10
    forest = ensemble.RandomForestClassifier(5, n_jobs=1, random_state=0)
    assert forest.fit(places, classes).score(places, classes) > 0.9
    regression = linear_model.LogisticRegression()
    assert regression.fit(places, classes).score(places, classes) > 0.9


def with_pandas() -> None:
    """Group and add."""
    pd: Any = importlib.import_module("pandas")

    frame = pd.DataFrame({"key": list("abab"), "value": [1, 2, 3, 4]})
    assert frame.groupby("key")["value"].sum().to_dict() == {"a": 4, "b": 6}


def with_pyarrow() -> None:
    """
    Write a table into memory, and read it again.

    On this thread alone: a plain interpreter that leaves right after a read on the
    threads of pyarrow aborts in one case of ten (pyarrow 26.0.1, apache/arrow 34314).
    """
    pd: Any = importlib.import_module("pandas")

    frame = pd.DataFrame({"key": list("abab"), "value": [1, 2, 3, 4]})
    memory = io.BytesIO()
    frame.to_parquet(memory, engine="pyarrow")
    memory.seek(0)
    again = pd.read_parquet(memory, engine="pyarrow", use_threads=False)
    assert again.equals(frame)


COMPUTE: dict[str, Callable[[], None]] = {
    "torch": with_torch,
    "sklearn": with_sklearn,
    "pandas": with_pandas,
    "pyarrow": with_pyarrow,
}


def square(task: str, number: int) -> float:
    """Compute with the package of a module, and return the square of a number."""
    COMPUTE[task.partition(".")[0]]()
    return float(number * number)
