"""The end of a process without freeing its objects."""

import os
import subprocess
import sys

import pytest
from runs import ROOT

SCRIPT = """
import atexit, threading, time
from compression.system.quick_exit import exit_quickly

class Freed:
    def __del__(self):
        print("freed")

def finish():
    time.sleep(0.2)
    print("thread")

kept = Freed()
atexit.register(print, "handler")
threading.Thread(target=finish).start()
print("last line", end=" ")
exit_quickly({code})
"""


@pytest.mark.parametrize("code", [0, 1, 143])
def test_threads_handlers_and_output_are_finished_and_nothing_is_freed(code):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(code=code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == "last line thread\nhandler\n"


def test_output_that_nobody_reads_fails_as_usual():
    lines = ["import sys", "from compression.system.quick_exit import exit_quickly", "sys.stdin.read()", "print(1)"]
    script = "; ".join([*lines, "exit_quickly(0)"])
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        # Otherwise `print` itself would fail, before the exit.
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, error = process.communicate()
    assert process.returncode == 120
    assert b"BrokenPipeError" in error
