"""A running TensorBoard, read over HTTP as its web page reads it."""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_EVERYTHING = {"startIndex": 0, "sliceSize": 10_000, "allowedStatuses": [f"STATUS_{s}" for s in ("SUCCESS", "UNKNOWN")]}


class Board:
    """A running TensorBoard."""

    def __init__(self, address: str) -> None:
        self.address = address

    def scalar_tags(self) -> dict[str, list[str]]:
        """Return the names of the curves of each run."""
        return {run: sorted(tags) for run, tags in self._ask("scalars/tags").items()}

    def experiment(self) -> dict[str, Any]:
        """Return the columns of the HParams table."""
        return self._ask("hparams/experiment", {"includeMetrics": True})

    def rows(self) -> dict[str, tuple[dict[str, Any], dict[str, float]]]:
        """Return (hyperparameters, metrics) of each row of the HParams table, by the name of the row."""
        columns = self.experiment()
        hparams = [{"hparam": one["name"]} for one in columns["hparamInfos"]]
        metrics = [{"metric": one["name"]} for one in columns["metricInfos"]]
        groups = self._ask("hparams/session_groups", {**_EVERYTHING, "colParams": [*hparams, *metrics]})
        assert groups["totalSize"] == len(groups["sessionGroups"])
        return {
            group["name"]: (
                group["hparams"],
                {one["name"]["tag"]: one["value"] for one in group["metricValues"]},
            )
            for group in groups["sessionGroups"]
        }

    def _ask(self, route: str, question: dict[str, Any] | None = None) -> Any:
        body = None if question is None else json.dumps(question).encode()
        request = urllib.request.Request(
            f"{self.address}/data/plugin/{route}", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())


@contextmanager
def board(logdir: Path, *, num_rows: int) -> Iterator[Board]:
    """Start ``tensorboard --logdir`` on a free port, and wait until it has read ``num_rows`` rows of results."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--reload_interval", "1", "--load_fast", "false"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    try:
        found = next(re.search(r"http://localhost:\d+", line) for line in process.stderr if "http://" in line)
        assert found is not None
        # TensorBoard continues to write, and a full pipe would block it.
        drain.start()
        started = Board(found[0])
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and len(_known(started)) < num_rows:
            time.sleep(0.5)
        yield started
    finally:
        process.terminate()
        process.wait()
        drain.join()
        process.stderr.close()


def _known(started: Board) -> list[str]:
    return [run for run in started.scalar_tags() if run.endswith("/result")]
