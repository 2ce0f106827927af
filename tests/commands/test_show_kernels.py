"""The command ``kernels``, on files whose first filters are known."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small_files import run, save_colours, save_small

from compression.artifact import read_contents
from compression.commands import show_kernels
from compression.models.mobilenet_v2 import mobilenet_v2

FIRST = "features.0.0.weight"


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of the picture that the command draws, as a list of (dense, others, title)."""
    calls, draw = [], show_kernels.draw_kernels

    def record(dense, *, others, title):
        calls.append((dense, others, title))
        return draw(dense, others=others, title=title)

    monkeypatch.setattr(show_kernels, "draw_kernels", record)
    return calls


def prune_first(folder, *, keep, strategy):
    """Write a file of the run's network with all but ``keep`` of its first filters zero, and its batch norm folded."""
    model = mobilenet_v2(num_classes=2, width_mult=0.1)
    model.load_state_dict(load_file(folder / "dense.safetensors"))
    with torch.no_grad():
        model.get_parameter(FIRST)[keep:] = 0
    path = folder / f"{strategy}.cmp"
    save_small(path, model.eval(), fold_bn=True, info={"strategy": strategy, "sparsity": 0.125})
    return path


def test_runs_and_files_are_side_by_side_after_the_dense_model(own_run, tmp_path, drawn):
    first = prune_first(own_run, keep=6, strategy="gmp")
    second = prune_first(own_run, keep=2, strategy="rigl")
    output = tmp_path / "kernels.png"
    result = run("kernels", first, second, "--output", output)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"gmp at 12.5 % sparsity: {first}",
        f"rigl at 12.5 % sparsity: {second}",
        f"in {output}",
    ]
    [(dense, others, title)] = drawn
    assert title == f"{FIRST}: the dense model and 2 compressed models"
    assert [int((weight != 0).flatten(1).any(1).sum()) for _, weight in others] == [6, 2]
    # The dense model is folded like the files, so filters that were kept are the same in all pictures.
    for keep, (_, weight) in zip((6, 2), others, strict=True):
        assert torch.allclose(weight[:keep], dense[:keep])
    with Image.open(output) as image:
        assert min(image.size) > 100


def test_a_folder_of_a_run_means_its_compressed_model(own_run, tmp_path, drawn):
    result = run("kernels", own_run, "--output", tmp_path / "kernels.png")
    assert result.exit_code == 0, result.output
    [(dense, [(caption, weight)], title)] = drawn
    # This file keeps its batch norm, so the dense model does too.
    assert torch.equal(dense, load_file(own_run / "dense.safetensors")[FIRST])
    assert weight.shape == dense.shape
    assert (caption, title) == ("compressed", f"{FIRST}: the dense model and 1 compressed model")


def test_files_with_equal_captions_are_named_by_their_place(own_run, tmp_path, drawn):
    result = run("kernels", own_run, own_run / "model.cmp", "--output", tmp_path / "kernels.png")
    assert result.exit_code == 0, result.output
    captions = [caption for caption, _ in drawn[0][1]]
    assert all(caption.endswith(f"/{own_run.name}/model.cmp") and len(caption) <= 44 for caption in captions)


def test_integers_are_drawn_as_the_network_computes_with_them(own_run, monkeypatch):
    path = own_run / "model.cmp"
    state = {FIRST: torch.full((4, 3, 1, 1), 2, dtype=torch.int8), f"{FIRST}_scale": torch.arange(4) / 4}
    monkeypatch.setattr(type(read_contents(path)), "decode", lambda *_, **__: state)
    kernels = show_kernels._read_kernels(path, max_bytes=None)
    assert kernels.weight[:, 0, 0, 0].tolist() == [0, 0.5, 1, 1.5]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", "nothing/model.cmp does not exist; allowed: folders of runs, and model.cmp files"),
        ("linear", "has no convolution of images"),
        ("alone", "no dense.safetensors beside"),
        ("other", "its first filters are 3x5x5; allowed: 3x3x3"),
    ],
)
def test_wrong_input_is_refused_in_one_line(own_run, tmp_path, case, message):
    paths = {"missing": [tmp_path / "nothing"], "linear": [tmp_path / "linear" / "model.cmp"]}
    (tmp_path / "nothing").mkdir()
    save_colours(tmp_path / "linear" / "model.cmp")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "model.cmp").write_bytes((own_run / "model.cmp").read_bytes())
    paths["alone"] = [tmp_path / "alone"]
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5), torch.nn.Flatten(), torch.nn.Linear(576, 2))
    save_small(tmp_path / "other.cmp", other, target="my_nets.Net", kwargs={})
    paths["other"] = [own_run, tmp_path / "other.cmp"]
    result = run("kernels", *paths[case], "--output", tmp_path / "kernels.png")
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not (tmp_path / "kernels.png").exists()


def test_a_record_of_another_size_is_not_used(own_run, tmp_path):
    """The dense model needs the run's record, which must be that of the file."""
    save_file({"x": torch.zeros(1)}, own_run / "dense.safetensors")
    record = json.loads((own_run / "metrics.json").read_text())
    assert record["dense"]["bytes"]["safetensors"] != (own_run / "dense.safetensors").stat().st_size
    result = run("kernels", own_run, "--output", tmp_path / "kernels.png")
    assert (result.exit_code, "does not name its network" in result.output) == (2, True)
