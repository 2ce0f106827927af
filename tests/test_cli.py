import csv
import subprocess
import sys
from importlib.util import find_spec

import onnx
import pytest
import torch
from full_disk import fill_disk
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

import compression
from compression.artifact import load_artifact, save_artifact
from compression.cli import app
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.peak_memory import measure_peak_memory
from compression.quantization.graph import trace
from compression.quantization.integer_network import integer_network, integer_state
from compression.quantization.network import make_plan, quantizable_layers
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.storage.safetensors_bitmask import read_bitmask_file

CLASSES = ["blue", "red"]
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, *, num_classes):
        super().__init__()
        self.fc = nn.Linear(3, num_classes)

    def forward(self, images):
        return self.fc(images.mean((2, 3)))
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def save_mobile(path, model, **more):
    save_artifact(
        path,
        model,
        architecture={
            "target": "compression.models.mobilenet_v2.mobilenet_v2",
            "kwargs": {"width_mult": 0.1},
            "num_classes": 2,
        },
        class_names=CLASSES,
        input={"size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
        info={"strategy": "oneshot_l1", "sparsity": 0.5},
        **more,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hold images and two artifacts: a family's, and that of a user's net that knows red from blue."""
    folder = tmp_path_factory.mktemp("cli")
    save_mobile(folder / "mobile.cmp", mobilenet_v2(num_classes=2, width_mult=0.1))
    (folder / "cli_test_net.py").write_text(NET)
    net = torch.nn.Module()
    net.fc = torch.nn.Linear(3, 2)
    with torch.no_grad():
        net.fc.weight.copy_(torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]))
        net.fc.bias.zero_()
    save_artifact(
        folder / "own.cmp",
        net,
        architecture={"target": "cli_test_net.Net", "kwargs": {}, "num_classes": 2},
        class_names=CLASSES,
        input={"size": 8, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    )
    images = folder / "images"
    (images / "deep").mkdir(parents=True)
    (images / ".hidden").mkdir()
    for name, colour in {"b.png": (0, 0, 255), "a.bmp": (255, 0, 0), "deep/c.PNG": (255, 0, 0)}.items():
        Image.new("RGB", (20, 30), colour).save(images / name)
    Image.new("RGB", (20, 30)).save(images / ".hidden" / "d.png")
    (images / "notes.txt").write_text("hello")
    (images / "broken.png.bak").write_text("hello")
    (folder / "broken.png").write_bytes(b"hello")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def own_net(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("cli_test_net", None)


@pytest.mark.usefixtures("own_net")
def test_predict_prints_a_table_and_writes_probabilities(folder, tmp_path):
    out = tmp_path / "out.csv"
    result = run("predict", folder / "own.cmp", folder / "images", "--allow-import", "cli_test_net", "--csv", out)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    # Logits are +1 and -1 (red and blue normalized): the sigmoid of 2 is 0.881.
    assert lines == [
        ["file", "class", "probability"],
        [str(folder / "images" / "a.bmp"), "red", "0.881"],
        [str(folder / "images" / "b.png"), "blue", "0.881"],
        [str(folder / "images" / "deep" / "c.PNG"), "red", "0.881"],
    ]
    rows = list(csv.reader(out.read_text().splitlines()))
    assert rows[0] == ["file", "class", "blue", "red"]
    assert rows[2] == [str(folder / "images" / "b.png"), "blue", "0.880797", "0.119203"]
    assert len(rows) == 4


@pytest.mark.usefixtures("own_net")
def test_engines_agree(folder):
    arguments = ("predict", folder / "own.cmp", folder / "images" / "b.png", "--allow-import", "cli_test_net")
    engines = ["eager", "onnxruntime", *(["openvino"] if find_spec("openvino") else [])]
    tables = [run(*arguments, "--engine", engine, "--threads", 1).stdout for engine in engines]
    assert len(set(tables)) == 1
    assert "blue" in tables[0]


def test_predict_with_a_family(folder):
    result = run("predict", folder / "mobile.cmp", folder / "images" / "a.bmp", folder / "images" / "b.png")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 3


IMAGES = "jpg, jpeg, png, ppm, bmp, pgm, tif, tiff, webp"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("images/notes.txt", f"images/notes.txt is not an image; allowed: {IMAGES}"),
        ("nowhere.png", "nowhere.png does not exist; allowed: image files and folders of them"),
        ("empty", f"empty holds no images; allowed: {IMAGES}"),
        ("broken.png", "broken.png: not a readable image"),
    ],
)
def test_bad_images_are_named(folder, monkeypatch, image, message):
    monkeypatch.chdir(folder)
    result = run("predict", "mobile.cmp", image)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["predict", "inspect", "convert"])
def test_bad_artifacts_are_named(folder, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    rest = {"predict": [folder / "images"], "inspect": [], "convert": ["--to", "onnx"]}[command]
    data = (folder / "mobile.cmp").read_bytes()
    (tmp_path / "cut.cmp").write_bytes(data[:-5])
    (tmp_path / "flip.cmp").write_bytes(data[:-5] + b"!" + data[-4:])
    (tmp_path / "none.cmp").write_bytes(b"hello")
    messages = {
        "cut.cmp": f"cut.cmp is truncated: has {len(data) - 5} of {len(data)} bytes",
        "flip.cmp": "flip.cmp is damaged: checksum of section tensors differs",
        "none.cmp": "none.cmp is not an artifact of this package (or its first bytes are damaged)",
        "nowhere.cmp": "artifact 'nowhere.cmp' does not exist",
    }
    for name, message in messages.items():
        result = run(command, name, *rest)
        assert result.exit_code == 2
        assert result.stderr == f"error: {message}\n"


def test_own_code_is_not_run_unasked(folder):
    result = run("predict", folder / "own.cmp", folder / "images")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: model cli_test_net.Net is not one of compression.models and would run code of "
        "'cli_test_net'; allow it with allow=['cli_test_net'], "
        "on the command line --allow-import cli_test_net\n"
    )


def test_inspect(folder):
    result = run("inspect", folder / "own.cmp")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    num_bytes = (folder / "own.cmp").stat().st_size
    assert ["architecture", "cli_test_net.Net(num_classes=2)"] in lines
    assert ["classes", "2:", "blue,", "red"] in lines
    weight = next(line for line in lines if line[:1] == ["fc.weight"])
    assert weight[1:5] == ["2x3", "66.67", "%", "32"]
    counts = {" ".join(line[:-3]): int(line[-3].replace(",", "")) for line in lines if line[-1:] == ["%"]}
    assert counts["file"] == num_bytes
    assert sum(counts.values()) == 2 * num_bytes
    assert int(weight[6].replace(",", "")) == sum(counts[name] for name in counts if name.startswith("weights:"))
    # 2 weights of 32 bits and gaps of 3; nothing is quantized, so there are no scales.
    assert ["formula", "9"] in [line[:2] for line in lines]
    assert any("safetensors" in line for line in result.stdout.splitlines())


def test_inspect_shows_the_info(folder):
    result = run("inspect", folder / "mobile.cmp")
    assert "strategy      oneshot_l1" in result.stdout
    assert "sparsity      0.5" in result.stdout
    assert "52 x num_batches_tracked" in result.stdout


def test_convert_to_state_dict_and_safetensors(folder, tmp_path):
    expected = load_artifact(folder / "mobile.cmp").model.state_dict()
    result = run("convert", folder / "mobile.cmp", "--to", "state_dict", "--output", tmp_path / "m.pt")
    num_bytes = (tmp_path / "m.pt").stat().st_size
    assert result.stdout == f"{tmp_path / 'm.pt'}: PyTorch state dict, FP32: {num_bytes:,} bytes\n"
    run("convert", folder / "mobile.cmp", "--to", "safetensors", "--output", tmp_path / "m.safetensors")
    for state in (torch.load(tmp_path / "m.pt"), load_file(tmp_path / "m.safetensors")):
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_convert_to_safetensors_with_a_bitmask(tmp_path):
    model = mobilenet_v2(num_classes=2, width_mult=0.1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) > 0.9)
    save_mobile(tmp_path / "m.cmp", model)
    expected = load_artifact(tmp_path / "m.cmp").model.state_dict()
    result = run("convert", tmp_path / "m.cmp", "--to", "safetensors_bitmask")
    assert result.exit_code == 0, result.output
    written = tmp_path / "m.bitmask.safetensors"
    num_bytes = written.stat().st_size
    label = "safetensors, sparse weights with a bitmask, FP32"
    assert result.stdout == f"{written}: {label}: {num_bytes:,} bytes\n"
    state = read_bitmask_file(written)
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    run("convert", tmp_path / "m.cmp", "--to", "safetensors")
    assert num_bytes < 0.8 * (tmp_path / "m.safetensors").stat().st_size


def test_converted_integers_are_labelled_and_stay_integers(tmp_path):
    float_model = mobilenet_v2(num_classes=2, width_mult=0.1).eval()
    plan = make_plan(float_model, dict.fromkeys(quantizable_layers(float_model), Bits(4, 8)), activation_bits=8)
    made = quantized(float_model, plan, Calibration(MinMax, MinMax, 1), [(torch.randn(4, 3, 16, 16), None)])
    model = integer_network(trace(float_model), plan)
    model.load_state_dict(integer_state(made.network, plan))
    save_mobile(tmp_path / "m.cmp", model.eval(), plan=plan)
    expected = model.state_dict()
    # In these files an integer of four bits takes a byte.
    label = "INT8 (W4A8, simulated)"
    for to, name in {
        "safetensors": "safetensors",
        "safetensors_bitmask": "bitmask.safetensors",
        "onnx": "onnx",
    }.items():
        result = run("convert", tmp_path / "m.cmp", "--to", to)
        assert result.exit_code == 0, result.output
        assert f", {label}: {(tmp_path / f'm.{name}').stat().st_size:,} bytes" in result.stdout
    for state in (load_file(tmp_path / "m.safetensors"), read_bitmask_file(tmp_path / "m.bitmask.safetensors")):
        assert state.keys() == expected.keys()
        assert all(
            state[key].dtype == value.dtype and torch.equal(state[key], value) for key, value in expected.items()
        )
    assert state["classifier.1.weight"].dtype == torch.int8


@pytest.mark.usefixtures("own_net")
def test_convert_to_onnx_beside_the_file(folder):
    result = run("convert", folder / "own.cmp", "--to", "onnx", "--allow-import", "cli_test_net")
    assert result.exit_code == 0, result.output
    num_bytes = (folder / "own.onnx").stat().st_size
    assert result.stdout == f"{folder / 'own.onnx'}: ONNX, FP32: {num_bytes:,} bytes\n"
    proto = onnx.load(folder / "own.onnx")
    assert {prop.key: prop.value for prop in proto.metadata_props}["class_names"] == '["blue", "red"]'


def test_convert_never_overwrites_its_input(folder):
    before = (folder / "mobile.cmp").read_bytes()
    result = run("convert", folder / "mobile.cmp", "--to", "onnx", "--output", folder / "mobile.cmp")
    assert result.exit_code == 2
    assert "is the artifact itself; allowed: another file" in result.stderr
    assert (folder / "mobile.cmp").read_bytes() == before


def test_an_output_that_cannot_be_written(folder):
    result = run("convert", folder / "mobile.cmp", "--to", "state_dict", "--output", folder / "own.cmp" / "x.pt")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_a_full_disk_is_told_in_one_line(folder, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    fill_disk(monkeypatch, after=1000)
    result = run("convert", folder / "mobile.cmp", "--to", "safetensors", "--output", output)
    assert result.exit_code == 2
    assert result.stderr == f"error: {output}: No space left on device\n"
    assert not list(tmp_path.iterdir())


def test_usage():
    for arguments in (["--help"], ["predict", "--help"], ["inspect", "--help"], ["convert", "--help"]):
        assert run(*arguments).exit_code == 0
    assert run("--version").stdout == f"compression {compression.__version__}\n"
    assert run("convert", "m.cmp", "--to", "zip").exit_code == 2
    assert run("foo").exit_code == 2


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "compression", "predict"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Missing argument 'FILE'" in done.stderr


def test_help_does_not_wait_for_torch():
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from compression.cli import app\n"
        "assert CliRunner().invoke(app, ['predict', '--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_peak_memory_of_an_artifact(folder):
    peak = measure_peak_memory(folder / "mobile.cmp", image_size=32, batch_size=256, threads=1)
    # 256 images of 8 channels at 32x32 alone are 8 MiB of activations.
    assert 8 << 20 < peak.extra_bytes < 1 << 30
    assert peak.baseline_bytes > 8 << 20
    assert (peak.batch_size, peak.threads) == (256, 1)


def test_peak_memory_of_a_file_that_is_none(folder):
    path = folder / "broken.onnx"
    path.write_bytes(b"hello")
    with pytest.raises(compression.InputError, match=r"could not be measured: ONNX file .* cannot be read"):
        measure_peak_memory(path, image_size=32, batch_size=1, threads=1)
