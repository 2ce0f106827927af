import random
import struct

import pytest
import torch
from safetensors.torch import save_file
from tiny_artifacts import Tiny, assert_same_state, make_tiny, rewrite, save_tiny

from compression.artifact import load, read_contents, read_weights
from compression.core.container import PREFIX
from compression.core.errors import ArtifactError, InputError


def test_the_header_is_compact(mobilenet):
    contents = read_contents(mobilenet[0])
    assert len(contents.shapes) == 314
    assert contents.file_bytes - len(contents.payload) < 1536


def test_every_flipped_byte_is_found(tmp_path):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    data = path.read_bytes()
    model = Tiny(num_classes=2)
    damaged_path = tmp_path / "damaged.cmp"
    for index in range(len(data)):
        damaged_path.write_bytes(data[:index] + bytes([data[index] ^ 0x10]) + data[index + 1 :])
        with pytest.raises(ArtifactError) as caught:
            load(damaged_path, model=model)
        assert str(caught.value).startswith(str(damaged_path))
        assert "\n" not in str(caught.value)


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    data = path.read_bytes()
    header_end = PREFIX.size + struct.unpack_from("<I", data, 12)[0]
    places = {0, 1, 8, PREFIX.size, header_end, header_end + 16, len(data) - 1}
    places |= set(random.Random(0).sample(range(len(data)), 50))
    for length in sorted(places):
        path.write_bytes(data[:length])
        with pytest.raises(ArtifactError, match=r"is truncated: has|is not an artifact"):
            load(path, model=Tiny(num_classes=2))


def test_files_that_are_not_artifacts_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        load(tmp_path / "nowhere.cmp")
    assert str(caught.value) == f"artifact {str(tmp_path / 'nowhere.cmp')!r} does not exist"
    with pytest.raises(InputError, match="does not exist"):
        load(tmp_path)
    other = tmp_path / "other.pt"
    torch.save({}, other)
    with pytest.raises(ArtifactError) as caught:
        load(other)
    assert str(caught.value) == (f"{other} is not an artifact of this package (or its first bytes are damaged)")


@pytest.mark.parametrize("key", ["architecture", "class_names", "input", "info", "tensors"])
def test_headers_with_missing_parts_are_refused(tmp_path, key):
    path = tmp_path / "model.cmp"
    save_tiny(path)
    rewrite(path, lambda header: header.pop(key))
    with pytest.raises(ArtifactError):
        load(path, model=Tiny(num_classes=2))


def test_weights_are_read_from_every_kind_of_file(tmp_path):
    state = make_tiny().state_dict()
    save_tiny(tmp_path / "model.cmp")
    torch.save(state, tmp_path / "w.pt")
    torch.save({"state_dict": {f"net.{k}": v for k, v in state.items()}}, tmp_path / "w.ckpt")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("model.cmp", "w.pt", "w.ckpt", "w.safetensors"):
        assert_same_state(read_weights(tmp_path / name), state)
    with pytest.raises(InputError, match="does not exist"):
        read_weights("nowhere.pt")


def test_a_damaged_file_is_not_called_one_of_an_unknown_kind(tmp_path):
    (tmp_path / "model.cmp").write_bytes(b"no artifact")
    with pytest.raises(InputError, match=r"model\.cmp is not an artifact of this package"):
        read_weights(tmp_path / "model.cmp")
