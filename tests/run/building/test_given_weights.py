import hashlib

import pytest
from safetensors.torch import save_file
from tiny_net import TinyNet

from compression.core.errors import InputError
from compression.run.building.given_weights import hash_given_weights, load_given_weights_


def test_given_weights_are_loaded_and_hashed_by_content(tmp_path):
    given, model = TinyNet(num_classes=10), TinyNet(num_classes=10)
    file = tmp_path / "given.safetensors"
    save_file(given.state_dict(), file)
    load_given_weights_(model, str(file))
    assert all(value.equal(model.state_dict()[name]) for name, value in given.state_dict().items())
    assert hash_given_weights(str(file)) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_error_names_a_missing_file():
    for action in (hash_given_weights, lambda given: load_given_weights_(TinyNet(num_classes=10), given)):
        with pytest.raises(InputError, match=r"^model\.weights=nowhere\.pt: no such file$"):
            action("nowhere.pt")
