import pytest
from composing import compose_fully
from omegaconf import OmegaConf

from compression.config.compose import register
from compression.core.errors import InputError
from compression.sweep.used_name import refuse_run_folder, refuse_used_name


@pytest.fixture
def compose(tmp_path):
    register()
    return lambda *overrides: compose_fully("name=mine", f"output_dir={tmp_path}", *overrides)


@pytest.fixture
def used(compose, tmp_path):
    """The folder of a run at 70 % with the default settings, as Hydra records it."""
    folder = tmp_path / "mine"
    (folder / "config").mkdir(parents=True)
    config = compose("sparsity=0.7")
    own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    (folder / "config" / "config.yaml").write_text(OmegaConf.to_yaml(own))
    return folder


@pytest.mark.parametrize(
    "same",
    [
        "sparsity=0.7",
        "sparsity=0.70",
        "sparsity=0.7 until=prune",
        "sparsity=0.7 analysis=full",
        "sparsity=0.7 logger=csv",
        "sparsity=0.7 store_max_bytes=5GiB",
        "sparsity=0.9 overwrite=true",
        "sparsity=0.9 name=other",
        "sparsity=0.9 name=null",
    ],
)
@pytest.mark.usefixtures("used")
def test_the_same_run_goes_on(compose, same):
    refuse_used_name(compose(*same.split()))


@pytest.mark.parametrize(
    ("command", "differences"),
    [
        ("sparsity=0.9", "sparsity was 0.7, now 0.9"),
        ("", "sparsity was 0.7, now null"),
        (
            "sparsity=0.7 bits=8 seed=1",
            "bits was 32, now 8; weight_bits was 32, now 8; activation_bits was 32, now 8 and 1 more",
        ),
        ("sparsity=0.7 strategy.recovery.lr=0.1", "strategy.recovery.lr was null, now 0.1"),
    ],
)
def test_another_run_of_this_name_is_refused(compose, used, command, differences):
    with pytest.raises(InputError) as caught:
        refuse_used_name(compose(*command.split()))
    assert str(caught.value) == (
        f"name=mine: {used} holds a run with other settings ({differences}); give another name, or overwrite=true"
    )


def test_a_record_of_an_earlier_version_is_compared_by_what_it_has(compose, used):
    path = used / "config" / "config.yaml"
    config = OmegaConf.load(path)
    del config["strategy"]["recovery"]["lr"], config["trainer"]["devices"], config["analysis"]
    path.write_text(OmegaConf.to_yaml(config))
    refuse_used_name(compose("sparsity=0.7"))


def test_a_damaged_record_is_refused_in_one_line(compose, used):
    (used / "config" / "config.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"config\.yaml cannot be read \(\w+\); give another name, or overwrite=true$"):
        refuse_used_name(compose())


def test_a_run_and_a_sweep_do_not_share_a_folder(compose, used):
    (used / "sweep.json").touch()
    with pytest.raises(InputError, match="is the folder of a sweep; give another name"):
        refuse_used_name(compose("sparsity=0.7"))
    refuse_run_folder(used, overwrite=False)
    (used / "sweep.json").unlink()
    refuse_run_folder(used, overwrite=True)
    with pytest.raises(InputError, match="is the folder of a single run; give another name"):
        refuse_run_folder(used, overwrite=False)


def test_a_job_of_a_sweep_is_not_compared(compose, used):
    refuse_used_name(compose("sparsity=0.9", f"hydra.run.dir={used}/s90"))
