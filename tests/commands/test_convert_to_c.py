"""``convert --to c`` from the command line: what is written, and one line for what is refused."""

import json
from pathlib import Path

import pytest
import torch
from c_programs import compile_c, run_program
from click.testing import Result
from small_files import ALLOW, run, save_small
from tiny_net import TinyNet

from compression.core.tracing import trace
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized


def convert(file: Path, output: Path, *options: object) -> Result:
    return run("convert", file, "--to", "c", "--output", output, *ALLOW, *options)


def test_a_network_becomes_a_program_that_agrees(folder, tmp_path):
    result = convert(folder / "mobile.cmp", tmp_path / "c", "--optimize", "size", "--vector", "none")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    num_bytes = sum(path.stat().st_size for path in (tmp_path / "c").iterdir())
    assert lines[0] == f"{tmp_path / 'c'}: C source, FP32: {num_bytes:,} bytes"
    assert lines[3] == "test images: seeded noise, because no images were given"
    assert "no weight was changed" in lines[4]
    printed = run_program(compile_c(tmp_path / "c", "-O1")).decode()
    assert printed.startswith("10 of 10 images agree")
    flash, ram = (line.split()[1].replace(",", "") for line in lines[1:3])
    assert f"tables {flash} bytes, static memory {ram} bytes" in printed


def test_given_images_are_used(folder, tmp_path):
    result = convert(folder / "own.cmp", tmp_path / "c", "--images", folder / "images")
    assert "test images: 3 of the given images\n" in result.stdout
    assert run_program(compile_c(tmp_path / "c", "-O1")).decode().startswith("3 of 3 images agree")


def test_the_digits_of_a_run_are_used(own_run):
    record = json.loads((own_run / "metrics.json").read_text())
    record["run"] |= {"data": "compression.data.digits.Digits", "seed": 3}
    (own_run / "metrics.json").write_text(json.dumps(record))
    result = run("convert", own_run / "model.cmp", "--to", "c")
    assert "test images: test images of the run (digits)\n" in result.stdout
    assert (own_run / "model.c_source" / "model.h").is_file()


@pytest.mark.parametrize("text", ["not json", "[]", '{"run": {"data": 3, "seed": []}}'])
def test_a_damaged_record_means_noise(own_run, text):
    (own_run / "metrics.json").write_text(text)
    assert "test images: seeded noise" in run("convert", own_run / "model.cmp", "--to", "c").stdout


def test_the_name_of_a_file_is_in_no_text(folder, tmp_path):
    strange = tmp_path / "INJECTED*.cmp"
    strange.write_bytes((folder / "mobile.cmp").read_bytes())
    run("convert", strange, "--to", "c", "--output", tmp_path / "c")
    texts = [path.read_text() for path in (tmp_path / "c").iterdir()]
    assert len(texts) == 6
    assert not any("INJECTED" in text for text in texts)


def test_a_folder_with_files_is_refused_and_stays(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = convert(folder / "mobile.cmp", tmp_path)
    assert result.exit_code == 2
    assert "is not empty; allowed: a new or empty folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    result = convert(folder / "mobile.cmp", tmp_path / "file" / "c")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "cannot be written" in result.stderr


@pytest.mark.parametrize(("option", "value"), [("--vector", "7"), ("--optimize", "fast"), ("--images", "missing")])
def test_wrong_options_are_named(folder, tmp_path, option, value):
    result = convert(folder / "mobile.cmp", tmp_path / "c", option, value)
    assert result.exit_code == 2
    assert value in result.stderr
    assert not (tmp_path / "c").exists()


def test_options_of_c_are_refused_elsewhere(folder, tmp_path):
    result = run("convert", folder / "mobile.cmp", "--to", "onnx", "--vector", "none", "--output", tmp_path / "m.onnx")
    assert result.exit_code == 2
    assert "--vector, --optimize and --images belong to --to c; --to is onnx" in result.stderr


@pytest.mark.parametrize("optimize", ["speed", "size"])
def test_a_quantized_network_agrees(tmp_path, optimize):
    network = TinyNet(num_classes=2).eval()
    plan = make_plan(network, dict.fromkeys(quantizable_layers(network), Bits(4, 8)), activation_bits=8)
    made = quantized(network, plan, Calibration(MinMax, MinMax, 1), [(torch.randn(4, 3, 16, 16), None)])
    integers = integer_network(trace(network), plan)
    integers.load_state_dict(integer_state(made.network, plan))
    save_small(tmp_path / "m.cmp", integers.eval(), target="tiny_net.TinyNet", kwargs={}, plan=plan)
    options = ["--optimize", optimize, "--output", tmp_path / "c", "--allow-import", "tiny_net"]
    result = run("convert", tmp_path / "m.cmp", "--to", "c", *options)
    assert result.exit_code == 0, result.output
    printed = run_program(compile_c(tmp_path / "c", "-O1")).decode()
    assert printed.startswith("10 of 10 images agree; largest error of a logit 0 ")


def test_the_command_that_checks_a_folder_can_be_typed(folder, tmp_path):
    result = convert(folder / "own.cmp", tmp_path / "my c")
    assert result.exit_code == 0, result.output
    assert f"check: cd '{tmp_path / 'my c'}' && cc " in result.stdout
