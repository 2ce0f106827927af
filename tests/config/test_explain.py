import errno
import fcntl
import os
import shlex

import pytest
from composing import CONF, compose_fully
from filelock import FileLock
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf.errors import OmegaConfBaseException
from recipes import RECIPES

from compression.config.explain import errors_in_one_line, explain
from compression.config.schema import to_config
from compression.core.errors import ArtifactError, InputError

STRATEGIES = ", ".join(sorted(RECIPES))
EXPERIMENTS = ", ".join(sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))

EXACT = {
    "strategy=foo": f"strategy=foo: must be one of {STRATEGIES}",
    "strategy=iterative_l2": f"strategy=iterative_l2: must be one of {STRATEGIES} (did you mean iterative_l1?)",
    "model=foo": "model=foo: must be one of custom, mobilenet_v2, resnet18, timm, vgg11",
    "training=rmsprop": "training=rmsprop: must be one of adam, adamw, sgd",
    "experiment=foo": f"experiment=foo: must be one of {EXPERIMENTS}",
    "experiment=null": "null is no choice of a group such as model or experiment: must be one of its names, or be left out",  # noqa: E501
    "sparsity=abc": "sparsity=abc: must be a number",
    "training.epochs=1.5": "training.epochs=1.5: must be an integer",
    "training.epochs=many": "training.epochs=many: must be an integer",
    "training.min_lr=low": "training.min_lr=low: must be a number",
    "seed=abc": "seed=abc: must be an integer",
    "threads=two": "threads=two: must be an integer",
    "bits=int8": "bits=int8: must be an integer",
    "overwrite=perhaps": "overwrite=perhaps: must be true or false",
    "trainer.deterministic=perhaps": "trainer.deterministic=perhaps: must be true or false",
    "runtime.repeats=a": "runtime.repeats=a: must be an integer",
    "data=image_folder": "data.root is not set: give data.root=VALUE",
    "model=timm": "model.name is not set: give model.name=VALUE",
    "model=custom": "model._target_ is not set: give model._target_=VALUE",
    "sparsity": "cannot read 'sparsity': write key=value, e.g. sparsity=0.9",
    "data.root=~/photos": "cannot read 'data.root=~/photos': this text needs quotes, 'data.root=\"~/photos\"'",
    "sparsity=range(0.1": "cannot read 'sparsity=range(0.1': write key=value, e.g. sparsity=0.9",
    "runtime.engines=[eager": "cannot read 'runtime.engines=[eager': write key=value, e.g. sparsity=0.9",
    "sparsity=1.0": "sparsity=1.0: must be in [0, 1), e.g. 0.9",
    "sparsity=0.5,0.7": "sparsity=0.5,0.7: several values are a sweep, which needs -m; a list must be written [a,b]",
    "+model.x=a,b": "+model.x=a,b: several values are a sweep, which needs -m; a list must be written [a,b]",
    "seed=range(1,3)": "seed=range(1,3): several values are a sweep, which needs -m; a list must be written [a,b]",
    "sweep=grid": "sweep=grid: must be +sweep=grid",
    "hydra.launcher.n_jobs=2": "hydra.launcher.n_jobs needs its launcher: must be given with hydra/launcher=joblib",
    "hydra.launcher.partition=a hydra/launcher=joblib hydra.launcher.n_jobs=2": (
        "hydra.launcher.partition needs its launcher: must be given with hydra/launcher=slurm"
    ),
}


@pytest.fixture
def message():
    """A function that returns the error message for a wrong command line."""

    def run(*overrides):
        with pytest.raises((HydraException, OmegaConfBaseException, ValueError)) as caught:
            to_config(compose_fully(*overrides))
        text = explain(caught.value)
        assert text is not None
        assert "\n" not in text
        return text

    return run


# These commands take the same path through the code as another one: a choice, a number, a sweep without -m.
ALIKE = (
    *("model=foo", "training=rmsprop", "experiment=foo", "training.epochs=many", "training.min_lr=low", "seed=abc"),
    *("threads=two", "bits=int8", "trainer.deterministic=perhaps", "runtime.repeats=a", "model=timm", "model=custom"),
    *("+model.x=a,b", "seed=range(1,3)"),
)


@pytest.mark.parametrize(
    "command", [pytest.param(one, marks=pytest.mark.slow) if one in ALIKE else one for one in EXACT]
)
def test_message_of(message, command):
    assert message(*command.split()) == EXACT[command]


@pytest.mark.parametrize("root", ["~/photos", "/d/my photos (1)", "/d/it's (1)", "/d/a;b", "é=1"])
def test_a_command_with_the_proposed_quotes_is_read(message, root):
    _, found, proposed = message("data=image_folder", f"data.root={root}").partition("needs quotes, ")
    assert found
    [word] = shlex.split(proposed)
    assert to_config(compose_fully("data=image_folder", word)).data["root"] == root


def test_an_unknown_key_lists_the_known_ones(message):
    text = message("sparsty=0.5")
    assert text.startswith("unknown key 'sparsty' (did you mean sparsity?); keys are data, model, training, strategy, ")
    assert text.endswith("until, analysis, overwrite, plan, baselines, output_dir, store_max_bytes")
    assert message("foo=1").startswith("unknown key 'foo'; keys are data, ")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("training.epoch", "training.epochs"),
        # Without a rule of its own, an added key had no effect and no message.
        ("+training.epoch", "training.epochs"),
        ("traning.epochs", "training.epochs"),
        ("strategy.recovery.epoch", "strategy.recovery.epochs"),
        ("strategy.shedule.steps", "strategy.schedule.steps"),
        ("data.batchsize", "data.batch_size"),
        ("model.width_mul", "model.width_mult"),
        ("runtime.repeat", "runtime.repeats"),
        ("quantisation/weights", "quantization/weights"),
    ],
)
def test_an_unknown_key_in_a_group_gets_the_nearest_one(message, key, meant):
    assert message(f"{key}=3").startswith(f"unknown key {key.lstrip('+')!r} (did you mean {meant}?); keys ")


def test_an_unknown_key_that_is_near_to_none_gets_the_keys_of_its_group(message):
    assert message("storage.foo=1") == "unknown key 'storage.foo'; keys of storage are codec, fold_bn"


def test_an_added_key_at_the_top_gets_the_nearest_one(message):
    text = message("+sparsty=0.5")
    assert text.startswith("+sparsty=0.5: must be one of activation_bits, ")
    assert text.endswith("weight_bits (did you mean sparsity?)")


def test_a_key_without_a_value_must_be_added(message):
    assert message("callbacks={a:{b:1}}") == "callbacks has no value to replace: must be +callbacks=VALUE"


def test_an_unknown_group_is_an_unknown_key(message):
    assert message("pruning=l1").startswith("unknown key 'pruning'")


@pytest.mark.parametrize("key", ["strategy.recovery", "output_dir", "training.epochs"])
def test_null_in_place_of_a_required_value(message, key):
    assert message(f"{key}=null").startswith(f"{key}=null: ")


def full_disk(filename=None):
    return OSError(errno.ENOSPC, "No space left on device", filename)


def raised_from(cause):
    """Return an error of another type that ``cause`` led to."""
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("worker failed") from cause
    return caught.value


def test_a_full_disk():
    text = "the disk is full: could not write {}; what was finished is kept"
    assert explain(full_disk("model.cmp")) == text.format("model.cmp")
    assert explain(full_disk()) == text.format("a file")
    assert explain(raised_from(full_disk("last.ckpt"))) == text.format("last.ckpt")


def test_input_errors_are_found_behind_other_errors():
    assert explain(InputError("data.root='x' does not exist")) == "data.root='x' does not exist"
    assert explain(ArtifactError("m.cmp is truncated")) == "m.cmp is truncated"
    assert explain(raised_from(InputError("bad image"))) == "bad image"


def test_the_error_of_a_part_about_its_parameter_is_kept():
    target = {"_target_": "compression.pruning.schedules.geometric.Geometric", "steps": 0}
    with pytest.raises(HydraException) as caught:
        instantiate(target)
    assert explain(caught.value) == "strategy.schedule.steps=0: must be an integer >= 1"


def test_an_unknown_parameter_of_a_part_is_named():
    target = {"_target_": "compression.pruning.schedules.geometric.Geometric", "stepps": 3}
    with pytest.raises(HydraException) as caught:
        instantiate(target)
    assert explain(caught.value) == (
        "_target_=compression.pruning.schedules.geometric.Geometric: "
        "Geometric.__init__() got an unexpected keyword argument 'stepps'"
    )


def test_a_part_that_fails_without_a_text_is_named():
    with pytest.raises(HydraException) as caught:
        instantiate({"_target_": "zlib.decompress", "_args_": [None]})
    assert explain(caught.value).startswith("_target_=zlib.decompress: ")


def test_a_missing_target_is_named():
    with pytest.raises(HydraException) as caught:
        instantiate({"_target_": "compression.pruning.schedules.quartic.Quartic"})
    assert explain(caught.value) == (
        "_target_=compression.pruning.schedules.quartic.Quartic: 'quartic' is not importable from module "
        "'compression.pruning.schedules'"
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (
            "compression.pruning.criteria.magnitude.Magnitud",
            "'Magnitud' is not importable from module 'compression.pruning.criteria.magnitude'",
        ),
        ("my_criteria.Mine", "module 'my_criteria' is not installed"),
    ],
)
def test_a_misspelled_target_is_explained(target, reason):
    with pytest.raises(HydraException) as caught:
        instantiate({"_target_": target})
    assert explain(caught.value) == f"_target_={target}: {reason}"


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), RuntimeError("x"), OSError(errno.EIO, "broken"), KeyboardInterrupt()]
)
def test_defects_of_the_package_are_not_explained(error):
    assert explain(error) is None


def test_a_path_without_write_permission_is_named():
    error = PermissionError(errno.EACCES, "Permission denied", "outputs/store")
    assert explain(error) == "outputs/store: permission denied"


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.EROFS, "outputs/store: read-only file system"),
        (errno.ELOOP, "outputs/store: too many levels of symbolic links"),
        (errno.ENAMETOOLONG, "outputs/store: file name too long"),
        (errno.ENOENT, "outputs/store: no such file or directory"),
        (errno.EIO, "outputs/store: input/output error"),
    ],
)
def test_every_error_of_the_system_about_a_file_is_one_line(number, line):
    assert explain(OSError(number, os.strerror(number), "outputs/store")) == line
    assert explain(OSError(number, os.strerror(number), b"outputs/store")) == line
    assert explain(raised_from(OSError(number, os.strerror(number), "outputs/store"))) == line


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        FileLock(tmp_path / "run.lock").acquire(timeout=0)
    line = f"{tmp_path}: its file system has no file locks; must be on another one, e.g. output_dir on a local disk"
    assert explain(caught.value) == line
    assert explain(raised_from(caught.value)) == line


def test_an_unsupported_operation_without_a_lock_is_a_defect():
    assert explain(OSError(errno.EOPNOTSUPP, "Operation not supported")) is None
    assert explain(OSError(errno.EOPNOTSUPP, "Operation not supported", "x")) == "x: operation not supported"


def test_a_loop_of_links_is_one_line(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises((RuntimeError, OSError)) as caught:
        (tmp_path / "loop").resolve(strict=True)
    assert explain(caught.value) == f"{tmp_path / 'loop'}: too many levels of symbolic links"
    assert explain(RuntimeError("Symlink loop from 'a/b'")) == "a/b: too many levels of symbolic links"
    assert explain(RuntimeError("loop")) is None


def test_a_file_in_place_of_a_folder_and_the_reverse(tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(FileExistsError) as caught:
        (tmp_path / "mine").mkdir(parents=True, exist_ok=True)
    assert explain(caught.value) == f"{tmp_path / 'mine'}: file exists"
    with pytest.raises(IsADirectoryError) as opened:
        tmp_path.read_text()
    assert explain(opened.value) == f"{tmp_path}: is a directory"


def test_errors_end_the_process_in_one_line():
    with pytest.raises(SystemExit) as caught, errors_in_one_line():
        raise InputError("sparsity=1.0: must be in [0, 1), e.g. 0.9")
    assert caught.value.code == "error: sparsity=1.0: must be in [0, 1), e.g. 0.9"


def test_defects_keep_their_traceback():
    with pytest.raises(KeyError), errors_in_one_line():
        raise KeyError("x")
