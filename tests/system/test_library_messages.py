import subprocess
import sys

SCRIPT = """
import logging, sys, warnings
from compression.system.library_messages import keep_in_log_file

root = logging.getLogger()
root.setLevel(sys.argv[2])
root.addHandler(logging.StreamHandler(sys.stdout))
root.addHandler(logging.FileHandler(sys.argv[1]))
keep_in_log_file()
warnings.warn("lr_scheduler before optimizer")
logging.getLogger("lightning.pytorch.utilities.rank_zero").warning("few workers")
logging.getLogger("lightning.pytorch").info("a tip")
logging.getLogger("torch.onnx").warning("no shape")
logging.getLogger("torch.onnx").error("no kernel")
logging.getLogger("compression").warning("ours")
"""


def run(tmp_path, level):
    file = tmp_path / "train.log"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", SCRIPT, str(file), level], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout, file.read_text()


def test_warnings_of_libraries_are_in_the_log_file_only(tmp_path):
    screen, file = run(tmp_path, "INFO")
    assert screen == "no kernel\nours\n"
    first, *others = file.splitlines()
    assert first.endswith("UserWarning: lr_scheduler before optimizer")
    assert [line for line in others if not line.startswith(" ")] == ["few workers", "no shape", "no kernel", "ours"]


def test_at_debug_level_they_are_on_the_screen_too(tmp_path):
    screen, file = run(tmp_path, "DEBUG")
    assert screen == file
    assert "UserWarning: lr_scheduler before optimizer" in screen


def test_without_a_log_file_only_errors_are_shown():
    script = """
import logging, warnings
from compression.system.library_messages import keep_in_log_file

keep_in_log_file()
warnings.warn("will change")
logging.getLogger("torch.onnx").warning("no shape")
logging.getLogger("torch.onnx").error("no kernel")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "no kernel\n")
