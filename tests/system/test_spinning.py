import os
import subprocess
import sys

import pytest

from compression.system.spinning import PASSES, limit_spinning


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, str(PASSES)),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_settings_of_the_user_are_kept(before, after, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    limit_spinning()
    assert os.environ.pop("GOMP_SPINCOUNT", None) == after


def test_commands_limit_it_before_pytorch_is_loaded():
    script = (
        "import sys, compression.cli as cli, compression.sweep.execute\n"
        "assert 'torch' not in sys.modules\n"
        "cli.limit_spinning()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
