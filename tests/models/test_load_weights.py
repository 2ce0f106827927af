import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from compression.core.errors import InputError
from compression.models.load_weights import adapt_weights, load_weights_, read_state_dict


@pytest.fixture
def state():
    return {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[key], expected[key]) for key in expected)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_reads_a_plain_state_dict(tmp_path, state, suffix):
    torch.save(state, tmp_path / f"w{suffix}")
    assert_equal(read_state_dict(tmp_path / f"w{suffix}"), state)


def test_reads_safetensors(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors")
    assert_equal(read_state_dict(tmp_path / "w.safetensors"), state)


def test_keeps_the_net_of_a_lightning_checkpoint(tmp_path, state):
    content = {f"net.{key}": value for key, value in state.items()} | {"loss.weight": torch.ones(1)}
    torch.save({"state_dict": content, "epoch": 3}, tmp_path / "w.ckpt")
    assert_equal(read_state_dict(tmp_path / "w.ckpt"), state)


def test_never_unpickles_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("owned",))

    (tmp_path / "w.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(InputError, match="cannot be read"):
        read_state_dict(tmp_path / "w.pt")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk", bytes(64)])
def test_damaged_files_give_an_error_of_one_line(tmp_path, suffix, content):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^weights file .* cannot be read: ") as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


def test_truncated_checkpoint(tmp_path, state):
    path = tmp_path / "w.pt"
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pt", [1, 2], "holds no state dict"),
        ("w.pt", {"a": 3}, "holds no state dict: 'a' is not a tensor"),
        ("w.pt", {}, "holds no state dict"),
        ("w.pt", {"state_dict": {0: torch.zeros(2)}}, "holds no state dict: 0 is not a tensor"),
        ("w.onnx", {}, "has an unknown suffix; allowed: .pt, .pth, .ckpt, .bin, .safetensors, or a model.cmp"),
    ],
)
def test_files_without_a_state_dict_are_refused(tmp_path, name, content, message):
    torch.save(content, tmp_path / name)
    with pytest.raises(InputError) as caught:
        read_state_dict(tmp_path / name)
    assert str(caught.value) == f"weights file {str(tmp_path / name)!r} {message}"


def test_missing_file():
    from pathlib import Path

    with pytest.raises(InputError, match=r"^weights file 'nowhere.pt' does not exist$"):
        read_state_dict(Path("nowhere.pt"))


def test_loads_in_place(state):
    model = nn.Linear(2, 1)
    weight = model.weight
    load_weights_(model, state, source="w.pt")
    assert model.weight is weight
    assert weight.tolist() == [[1.0, 2.0]]


def test_batch_counters_may_be_missing():
    model = nn.BatchNorm2d(2)
    weights = {key: value for key, value in model.state_dict().items() if key != "num_batches_tracked"}
    load_weights_(model, weights, source="w.pt")


def test_every_difference_is_named(state):
    model = nn.Linear(3, 1)
    del state["bias"]
    weights = state | {f"extra{i}": torch.ones(1) for i in range(5)}
    with pytest.raises(InputError) as caught:
        load_weights_(model, weights, source="w.pt")
    assert str(caught.value) == (
        "weights of 'w.pt' do not fit the model: missing: bias; "
        "unexpected: extra0, extra1, extra2 and 2 more; "
        "of another shape: weight [1, 2] where the model has [1, 3]"
    )


def make_body(num_classes, channels=3):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Linear(4, num_classes))


HEAD = ("2.weight", "2.bias")


def test_a_head_of_other_classes_stays_the_models_own():
    given, model = make_body(10).state_dict(), make_body(2)
    adapted = adapt_weights(given, model, head=HEAD)
    assert (adapted.new, adapted.summed, adapted.changed) == (HEAD, (), True)
    own = {name: value.clone() for name, value in model.state_dict().items()}
    load_weights_(model, adapted.weights, source="x")
    for name, value in model.state_dict().items():
        assert value.equal((own if name in HEAD else given)[name]), name


def test_weights_that_fit_stay_as_they_are():
    given = make_body(2).state_dict()
    adapted = adapt_weights(given, make_body(2), head=HEAD)
    assert not adapted.changed
    assert_equal(dict(adapted.weights), given)
    assert adapt_weights(given, make_body(2), head=HEAD, other_classes=True).new == HEAD


def test_a_file_without_a_head_gets_one():
    given = {name: value for name, value in make_body(2).state_dict().items() if name not in HEAD}
    assert adapt_weights(given, make_body(2), head=HEAD).new == HEAD


def test_a_stem_of_three_channels_is_summed_and_depthwise_weights_are_not():
    given = make_body(2).state_dict()
    adapted = adapt_weights(given, make_body(2, channels=1), head=HEAD)
    assert (adapted.new, adapted.summed) == ((), ("0.weight",))
    assert adapted.weights["0.weight"].equal(given["0.weight"].sum(1, keepdim=True))
    assert adapted.weights["1.weight"].equal(given["1.weight"])


def test_other_differences_are_left_to_be_refused():
    model = make_body(2)
    adapted = adapt_weights(nn.Sequential(nn.Conv2d(3, 8, 3)).state_dict(), model, head=HEAD)
    with pytest.raises(InputError, match=r"missing: 1.weight, 1.bias; of another shape: 0.weight \[8, 3, 3, 3\]"):
        load_weights_(model, adapted.weights, source="x")
