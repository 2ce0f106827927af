"""Commands, snippets, keys and links in the documentation."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from runs import ROOT, compose_config

from compression.core.preparation import Fit, Preparation
from compression.data.decode import read_image
from compression.models.resnet18 import resnet18
from compression.reporting.metrics import make_metrics
from compression.runtimes.onnx_export import export_onnx


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


def test_the_front_page_is_short() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    without_code = re.sub(r"^    .*\n", "", text, flags=re.MULTILINE)
    for paragraph in without_code.split("\n\n"):
        if not paragraph.lstrip().startswith(("|", "-", "#", "<", "!")):
            sentences = re.findall(r"[.?!](?:\s|$)", paragraph)
            assert len(sentences) <= 3, paragraph


def documented_commands() -> list[str]:
    """Return every `python train.py ...` line of the documentation, with its page's variables and without a comment."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "experiments").rglob("README.md")]
    return sorted({command for page in pages for command in commands_of(page.read_text())})


def commands_of(text: str) -> list[str]:
    """Return the `python train.py ...` lines of a page. A line that ends in a backslash goes on in the next."""
    variables: dict[str, str] = {}
    found = []
    for line in map(str.strip, text.replace("\\\n", " ").splitlines()):
        expanded = Template(line).safe_substitute(variables)
        if assigned := re.fullmatch(r'([A-Z]+)="(.*)"', expanded):
            variables[assigned[1]] = assigned[2]
        elif expanded.startswith("python train.py"):
            found.append(expanded.split("  #")[0].strip())
    return found


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_compose(command: str) -> None:
    arguments = [word for word in shlex.split(command)[2:] if word != "-m"]
    if any(word.startswith("-") for word in arguments):
        pytest.skip("an option of Hydra's, tested in test_command_line.py")
    first_of_each = [word.split(",")[0] if "[" not in word and "{" not in word else word for word in arguments]
    compose_config(*first_of_each)


def test_the_onnxruntime_snippet_is_short_and_runs(tmp_path: Path) -> None:
    [snippet] = [block for block in blocks("docs/artifact.md", "python") if "onnxruntime" in block]
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 11
    torch.manual_seed(0)
    names = ["cat", "dog", "emu"]
    model = resnet18(num_classes=3, stem="imagenet").eval()
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    export_onnx(model, tmp_path / "model.onnx", image_size=32, class_names=names, mean=mean, std=std)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    (tmp_path / "snippet.py").write_text(snippet)
    done = subprocess.run(
        [sys.executable, "snippet.py", "image.png"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    images = (torch.tensor(pixels) / 255 - torch.tensor(mean)) / torch.tensor(std)
    with torch.inference_mode():
        expected = names[model(images.permute(2, 0, 1)[None]).argmax()]
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_pixels_page_prepares_images_as_predict_does(tmp_path: Path, fit: Fit, channels: int) -> None:
    [source] = blocks("docs/pixels.md", "python")
    scope: dict[str, Any] = {}
    exec(source, scope)
    for size in ((40, 25), (25, 40), (10, 10), (300, 2)):
        pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "x.png")
        how = Preparation(channels=channels, fit=fit, background=(9, 99, 199))
        expected = read_image(tmp_path / "x.png", image_size=16, preparation=how).numpy()
        found = scope["prepare"](tmp_path / "x.png", size=16, channels=channels, fit=fit, background=how.background)
        assert np.array_equal(np.asarray(found).reshape(16, 16, channels).transpose(2, 0, 1), expected)


def test_the_model_on_the_models_page_runs() -> None:
    [source] = [block for block in blocks("docs/models.md", "python") if "class SmallNet" in block]
    scope: dict[str, type[torch.nn.Module]] = {}
    exec(source, scope)
    assert scope["SmallNet"](num_classes=7)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    [settings] = [yaml.safe_load(block) for block in blocks("docs/models.md", "yaml")]
    assert settings["_target_"].endswith("SmallNet")


def test_the_criterion_of_the_contributing_page_gives_scores() -> None:
    source = blocks("CONTRIBUTING.md", "python")[0]
    scope: dict[str, type] = {}
    exec(source, scope)
    scores = scope["Largest"]()({"weight": torch.tensor([1.0, -3.0])}, evidence=None)
    assert scores["weight"].tolist() == [-1.0, -3.0]


def test_every_metric_key_is_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    model = {"accuracy": 1.0, "nonzero_parameters": 1, "macs": 1, "nonzero_macs": 1}
    sizes = {"safetensors": 1, "artifact": 1, "gzip_state_dict": 1}
    evaluated = {"dense": {**model, "bytes": sizes}, "compressed": {**model, "bytes": sizes}, "timing": {}}
    document = make_metrics(run={}, evaluated=evaluated, stage_seconds={}, provenance={})
    for key in [*document, *document["improvement"], *sizes]:
        assert f"{key}`" in page or f".{key}" in page, key
    json.dumps(document)


def test_links_between_pages_have_existing_targets() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "experiments").glob("**/*.md"),
    ]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
