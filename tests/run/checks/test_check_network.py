"""Networks that users write: each is accepted, or refused in one line before training."""

import pytest
from checks import check_command, refusal

from compression.run import check_memory
from compression.run.checks import check_network as checked

BITS = ("strategy=oneshot_l1", "bits=8", "until=quantize")


@pytest.fixture(autouse=True)
def nothing_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv(check_memory.CACHE_VARIABLE, str(tmp_path / "checks"))


def network(name: str) -> tuple[str, ...]:
    return "model=custom", f"model._target_=user_nets.{name}"


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("Views", "user_nets.Views does not run on channels_last memory, so it is trained in contiguous memory"),
        ("TiedWeights", "shared tensors are stored once, and their layers keep float weights: outer.weight is inner."),
        ("TwoNames", "shared tensors are stored once, and their layers keep float weights: second.weight is first."),
        ("Unused", "layers that never run in evaluation are neither pruned nor counted: spare.weight"),
        ("TupleOutput", "user_nets.TupleOutput returns tuple; its logits are the field logits, or the first tensor"),
        ("DictOutput", "user_nets.DictOutput returns OrderedDict (features, logits); its logits are the field logits"),
        ("AuxiliaryLogits", "user_nets.AuxiliaryLogits returns tuple; its logits are"),
        ("Lazy", None),
        ("Doubles", None),
        ("KeepsFeatures", None),
        ("Versioned", None),
        ("Functional", None),
        ("Splits", None),
        ("ReadsConstant", None),
    ],
)
def test_what_works_is_accepted_and_its_traits_are_logged(tmp_path, caplog, name, note):
    caplog.set_level("INFO")
    check_command(tmp_path, *network(name), *BITS)
    assert note is None or f"{note}" in caplog.text


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        (
            "Branches",
            ("bits=8",),
            (
                "model Branches cannot be traced: torch.fx cannot follow its forward (symbolically traced variables "
                "cannot be used as inputs to control flow); a forward must not branch on values of tensors"
            ),
        ),
        (
            "WeightNorm",
            ("bits=8",),
            (
                "model user_nets.WeightNorm: the weight of layer conv2 is computed from "
                "parametrizations.weight.original0, parametrizations.weight.original1, so it cannot be pruned or "
                "quantized; remove weight_norm or the other parametrization, or use strategy=none bits=32"
            ),
        ),
        ("OldWeightNorm", ("bits=8",), "model user_nets.OldWeightNorm: the weight of layer conv2 is computed from "),
        (
            "PruneLeftovers",
            (),
            (
                "model user_nets.PruneLeftovers: layer conv2 is masked by torch.nn.utils.prune, so its weight is no "
                "parameter; call torch.nn.utils.prune.remove(layer, 'weight') before the network is returned"
            ),
        ),
        (
            "InfiniteLoss",
            (),
            (
                "model user_nets.InfiniteLoss: the loss of the untrained network on random images is nan; must be "
                "finite: look for a division by zero or a logarithm of zero in its forward"
            ),
        ),
        ("NeverLazy", (), "model user_nets.NeverLazy: spare.weight has no shape after a run of the network, because"),
        ("Features", (), "model user_nets.Features gives [2, 16, 2, 2] for two images: must be [2, 10], one logit"),
        ("Text", (), "model user_nets.Text gives a str without a tensor: must be logits [2, 10]"),
        ("Raises", (), "model user_nets.Raises does not run on data.image_size=32: 'missing'"),
        (
            "RaisesInTraining",
            (),
            "model user_nets.RaisesInTraining does not train on data.image_size=32: too small (user_nets.py, line ",
        ),
        ("CannotBeBuilt", (), "model user_nets.CannotBeBuilt cannot be built: 10 is not 4"),
        ("HalfLogits", (), "model user_nets.HalfLogits does not train on data.image_size=32: its output is int64"),
    ],
)
def test_what_a_later_stage_cannot_handle_is_refused(tmp_path, name, more, message):
    found = refusal(tmp_path, *network(name), "strategy=none", "until=quantize", *more)
    assert found.startswith(message)


def test_weight_norm_trains_where_nothing_changes_weights(tmp_path):
    check_command(tmp_path, *network("WeightNorm"), "strategy=none", "until=dense")


def test_a_second_check_is_remembered(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    check_command(tmp_path, *network("Unused"), *BITS)
    monkeypatch.setattr(checked, "_check_training", None)
    caplog.clear()
    check_command(tmp_path, *network("Unused"), *BITS)
    assert "neither pruned nor counted: spare.weight" in caplog.text
    with pytest.raises(TypeError):
        check_command(tmp_path, *network("Unused"), *BITS, "data.image_size=48")


@pytest.mark.parametrize("model", ["mobilenet_v2", "resnet18", "vgg11"])
def test_families_of_this_package_are_not_checked_again(tmp_path, monkeypatch, model):
    monkeypatch.setattr(checked, "_check_training", None)
    check_command(tmp_path, f"model={model}", *BITS)
    assert not (tmp_path / "checks").exists()
