"""The command line of ``train.py``: one line for a wrong command, and complete runs on image folders."""

import shutil
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from PIL import Image
from recipes import RECIPES
from runs import ROOT, TINY, compose_config, run_here, train

from compression.config.explain import explain
from compression.config.schema import STAGES
from compression.core.errors import InputError

WRONG = {
    "sparsity=1.0": "sparsity=1.0: must be in [0, 1), e.g. 0.9",
    "sparsity=-0.1": "sparsity=-0.1: must be in [0, 1), e.g. 0.9",
    "sparsity=abc": "sparsity=abc: must be a number",
    "strategy=foo": f"strategy=foo: must be one of {', '.join(sorted(RECIPES))}",
    "sparsty=0.5": "unknown key 'sparsty' (did you mean sparsity?); keys are data, model, training, strategy, "
    "distillation, quantization, storage, runtime, trainer, sensitivity, logger, callbacks, sparsity, bits, "
    "weight_bits, activation_bits, seed, threads, name, until, analysis, overwrite, plan, baselines, output_dir, "
    "store_max_bytes",
    "model=foo": "model=foo: must be one of custom, mobilenet_v2, resnet18, timm, vgg11",
    "strategy=none sparsity=0.5": "sparsity=0.5 contradicts strategy=none, whose sparsity is always 0.0: "
    "leave sparsity out, or choose another strategy",
    "strategy=two_four sparsity=0.9": "sparsity=0.9 contradicts strategy=two_four, whose sparsity is always 0.5: "
    "leave sparsity out, or choose another strategy",
    "data=image_folder": "data.root is not set: give data.root=VALUE",
    "distillation=foo": "distillation=foo: must be one of feature, logit, none",
    "distillation=logit distillation.student=resnet18": "distillation.student=resnet18: must be chosen as a group: "
    "distillation/student=resnet18",
    "distillation=logit distillation.alpha=1.5": "distillation.alpha=1.5: must be in [0, 1]",
    "until=foo": f"until=foo: must be one of {', '.join(STAGES)}",
    "weight_bits=9": "weight_bits=9: must be an integer in [2, 8], or 32 for off",
    "bits=6.5": "bits=6.5: must be an integer",
    "quantization=none bits=8": "weight_bits=8 contradicts quantization=none: must be 32 (off), or quantization=ptq",
    "quantization=foo": "quantization=foo: must be one of dynamic, none, ptq, qat, weight_only",
    "seed=1.5": "seed=1.5: must be an integer",
    "overwrite=maybe": "overwrite=maybe: must be true or false",
    "training.epochs=0": "training.epochs=0: must be an integer >= 1",
    "strategy=rigl strategy.recovery.rewind=early": "strategy.recovery.rewind=early needs a training after each step: "
    "must be none with strategy.regrowth or strategy.recovery.spread",
    "store_max_bytes=5XB": "store_max_bytes=5XB: must be a size such as 300KiB, 1.5MB or 5GiB "
    "(KB, MB, GB, KiB, MiB, GiB, TiB), or a number of bytes",
    "name=../up": "name=../up: must be a folder name: letters, digits and . _ - =",
}


# One command of each kind for the shell: a number, a choice, an unknown key, a contradiction, a missing value.
SHELL = ("sparsity=1.0", "strategy=foo", "sparsty=0.5", "strategy=none sparsity=0.5", "data=image_folder")


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_configuration_is_explained(arguments: str) -> None:
    with pytest.raises((HydraException, OmegaConfBaseException, InputError)) as caught:
        compose_config(*arguments.split())
    assert explain(caught.value) == WRONG[arguments]


@pytest.mark.parametrize(
    "arguments", [pytest.param(one, marks=() if one in SHELL else pytest.mark.slow) for one in WRONG]
)
def test_a_wrong_command_prints_one_line_and_writes_nothing(arguments: str, tmp_path: Path) -> None:
    code, output = train(*arguments.split(), f"output_dir={tmp_path / 'outputs'}")
    assert (code, output) == (1, f"error: {WRONG[arguments]}\n")
    assert not (tmp_path / "outputs").exists()


def make_folder(root: Path, classes: tuple[str, ...], num_images: int = 6) -> Path:
    """Write a folder of small images in different colours, one folder per class, and return it."""
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(num_images):
            Image.new("RGB", (40, 32), (40 * number, 30 * index, 128)).save(root / name / f"{index}.png")
    return root


def refusal(*overrides: str, tmp_path: Path) -> str:
    """Return the one line of the error that refuses these overrides; assert that nothing was trained."""
    with pytest.raises(InputError) as refused:
        run_here(*TINY, *overrides, run_dir=tmp_path / "run", output_dir=tmp_path)
    assert not list((tmp_path / "store").glob("dense-*/stage.json"))
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_a_missing_image_folder_is_refused(tmp_path: Path) -> None:
    message = refusal("data=image_folder", f"data.root={tmp_path / 'nowhere'}", tmp_path=tmp_path)
    assert str(tmp_path / "nowhere") in message


@pytest.mark.slow
def test_a_missing_image_folder_prints_one_line_in_the_shell(tmp_path: Path) -> None:
    code, output = train(*TINY, "data=image_folder", "data.root=nowhere", f"output_dir={tmp_path}", fresh=True)
    assert code == 1
    assert output.startswith("error: data.root=nowhere")
    assert output.count("\n") == 1


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", ("cat",))
    assert "cat" in refusal("data=image_folder", f"data.root={root}", tmp_path=tmp_path)


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", ("cat", "dog"))
    (root / "emu").mkdir()
    assert "emu" in refusal("data=image_folder", f"data.root={root}", tmp_path=tmp_path)


def test_a_corrupt_image_is_named_and_can_be_skipped(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", ("cat", "dog"), num_images=12)
    broken = root / "dog" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    settings = ("data=image_folder", f"data.root={root}", "data.batch_size=4", "until=dense")
    message = refusal(*settings, tmp_path=tmp_path)
    assert "3.png" in message
    assert "data.skip_corrupt=true" in message
    run_here(*TINY, *settings, "data.skip_corrupt=true", run_dir=tmp_path / "run", output_dir=tmp_path)


def test_truncated_and_damaged_weights_are_refused(trained: Path, tmp_path: Path) -> None:
    [file] = (trained / "store").glob("export-*/model.cmp")
    good = file.read_bytes()
    for name, data in {"short": good[:-100], "flipped": good[:500] + bytes([good[500] ^ 1]) + good[501:]}.items():
        bad = tmp_path / f"{name}.cmp"
        bad.write_bytes(data)
        assert str(bad) in refusal("+model.width=32", f"model.weights={bad}", tmp_path=tmp_path)
    assert "no such file" in refusal("model.weights=nothing.pt", tmp_path=tmp_path)


def test_an_infeasible_sparsity_is_refused(tmp_path: Path) -> None:
    message = refusal("sparsity=0.999999", tmp_path=tmp_path)
    assert message.startswith("sparsity=0.999999 would empty a layer: must be at most 0.99")


def test_an_unknown_module_is_refused(tmp_path: Path) -> None:
    assert "no_such_package" in refusal("model._target_=no_such_package.Net", tmp_path=tmp_path)


@pytest.mark.parametrize("until", ["prune", pytest.param("evaluate", marks=pytest.mark.slow)])
def test_an_image_folder_runs_to_the_end_and_may_move(until: str, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", ("cat", "dog", "emu"), num_images=20)
    settings = (
        "data=image_folder",
        f"data.root={root}",
        "data.batch_size=auto",
        "strategy.schedule.steps=2",
        f"until={until}",
    )
    run_here(*TINY, *settings, run_dir=tmp_path / "run", output_dir=tmp_path)
    assert (tmp_path / "run" / "metrics.json").exists() == (until == "evaluate")
    assert list((tmp_path / "store").glob(f"{until}-*/stage.json"))
    # The images may move: only their content is part of the stage key.
    shutil.move(root, tmp_path / "moved")
    marks = sorted((tmp_path / "store").glob("*/stage.json"))
    moved = ("data=image_folder", f"data.root={tmp_path / 'moved'}", *settings[2:])
    run_here(*TINY, *moved, run_dir=tmp_path / "run", output_dir=tmp_path)
    assert sorted((tmp_path / "store").glob("*/stage.json")) == marks


def test_help_names_every_plain_key_and_choice() -> None:
    code, output = train("--help")
    assert code == 0
    for word in (
        "sparsity=0.9",
        "threads=",
        "until=",
        "strategy: gmp, iterative_l1",
        "data: cifar10, digits, image_folder",
    ):
        assert word in output


def test_cfg_job_prints_the_composed_configuration() -> None:
    code, output = train("--cfg", "job", "sparsity=0.75")
    assert code == 0
    assert "sparsity: 0.75\n" in output
    assert "_target_: compression.models.mobilenet_v2.mobilenet_v2" in output


def test_shell_completion_offers_choices() -> None:
    code, output = train("-sc", "query=bash", env={"COMP_LINE": "train.py strategy=it", "COMP_POINT": "20"})
    assert code == 0
    assert {"strategy=iterative_l1", "strategy=iterative_random"} <= set(output.split())


def test_train_py_is_short() -> None:
    assert len((ROOT / "train.py").read_text().splitlines()) < 55
