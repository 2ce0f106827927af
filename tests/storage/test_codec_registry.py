import numpy as np
import pytest

from compression.core.errors import ArtifactError, InputError
from compression.storage.codec_registry import CODECS, encode_smallest, get_allowed, get_codec


def test_names_are_frozen():
    """Files name their codecs, so none of these may change or disappear. New ones may join."""
    frozen = {
        "dense": "DenseCodec",
        "bitmask": "BitmaskCodec",
        "coo": "CooCodec",
        "csr": "CsrCodec",
        "csc": "CscCodec",
        "delta": "DeltaCodec",
        "ans": "AnsCodec",
        "context": "ContextCodec",
        "zstd": "ZstdCodec",
        "gzip": "GzipCodec",
    }
    assert frozen.items() <= {name: type(codec).__name__ for name, codec in CODECS.items()}.items()
    assert all(codec.name == name for name, codec in CODECS.items())


def test_smallest_changes_at_the_break_even():
    # 32 values: the mask costs 4 bytes, one float32.
    array = np.ones(32, dtype=np.float32)
    allowed = ("dense", "bitmask")
    assert encode_smallest(array, allowed=allowed)[0] == "dense"
    array[0] = 0
    assert encode_smallest(array, allowed=allowed)[0] == "dense"
    array[1] = 0
    name, data = encode_smallest(array, allowed=allowed)
    assert (name, len(data)) == ("bitmask", 4 + 30 * 4)
    assert encode_smallest(array, allowed=("dense",))[0] == "dense"


def test_selection():
    # Baselines are selected only by name.
    assert get_allowed("auto") == tuple(name for name in CODECS if name not in ("zstd", "gzip"))
    assert get_allowed("bitmask") == ("bitmask",)
    with pytest.raises(InputError) as caught:
        get_allowed("zip")
    assert str(caught.value) == f"storage.codec='zip' is unknown; allowed: auto, {', '.join(CODECS)}"


def test_unknown_codec_in_a_file():
    with pytest.raises(ArtifactError, match=r"codec 'zip' is unknown; allowed: dense, bitmask, "):
        get_codec("zip")
