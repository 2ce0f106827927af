"""Golden files: files of earlier versions stay readable, and this version still writes the same bytes."""

import json
import zlib
from pathlib import Path

import pytest
import torch
from narrow_vgg import make_images
from safetensors.torch import load_file

from compression.artifact import SECTION, load_artifact, read_contents
from compression.core.container import FORMAT_VERSION, PREFIX, read_container, write_container
from compression.core.model_card import ModelCard
from compression.quantization.network.stored_vectors import encode_vectors
from compression.storage.blocks import pack_state, split_payload, table_to_json, to_array
from compression.storage.codec_registry import BASELINES, CODECS, get_codec

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("v*/*.cmp"))
WRITTEN = sorted((FOLDER / f"v{FORMAT_VERSION}").glob("*.cmp"))
NETWORKS = [path for path in FILES if not path.stem.startswith("codecs")]


def name_of(path):
    return f"{path.parent.name}/{path.stem}"


def expected_of(path):
    expected = load_file(path.with_suffix(".safetensors"))
    logits = expected.pop("logits", None)
    if path.stem.startswith("codecs"):
        codecs = {name.split(".")[0] for name in read_contents(path).shapes}
        expected = {f"{codec}.{name}": value for codec in codecs for name, value in expected.items()}
    return expected, logits


def assert_same_bits(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype, name
        assert actual[name].shape == value.shape, name
        assert to_array(actual[name]).tobytes() == to_array(value).tobytes(), name


def test_every_format_version_has_golden_files():
    kinds = {"codecs", "integers", "priced", "pruned"}
    versions = {folder: {path.stem for path in folder.glob("*.cmp")} for folder in FOLDER.glob("v*")}
    assert FOLDER / f"v{FORMAT_VERSION}" in versions
    assert all(kinds <= names for names in versions.values())


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_tensors_are_read_bit_for_bit(path):
    contents, (expected, _) = read_contents(path), expected_of(path)
    stored = expected if contents.plan is None else encode_vectors(expected, contents.plan)
    assert_same_bits(contents.decode(), stored)


@pytest.mark.parametrize("path", NETWORKS, ids=name_of)
def test_networks_compute_the_stored_logits(path):
    artifact = load_artifact(path)
    state, logits = expected_of(path)
    assert_same_bits(dict(artifact.model.state_dict()), state)
    assert artifact.class_names == ("cat", "dog", "emu")
    assert (artifact.image_size, artifact.mean, artifact.std) == (16, (0.5, 0.4, 0.3), (0.25, 0.2, 0.3))
    with torch.inference_mode():
        torch.testing.assert_close(artifact.model(make_images()), logits, rtol=1e-4, atol=1e-4)


def test_every_codec_has_a_golden_tensor():
    stored = {block.codec for path in WRITTEN for block in read_contents(path).blocks}
    assert stored == set(CODECS)


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_codecs_still_write_the_same_bytes(path):
    contents = read_contents(path)
    state = contents.decode()
    for block, data in zip(contents.blocks, split_payload(contents.blocks, contents.payload), strict=True):
        if block.codec in BASELINES:
            # The bytes of these codecs depend on the version of a library.
            continue
        values = torch.cat([state[name].reshape(-1) for name in block.names]).reshape(block.shape)
        assert get_codec(block.codec).encode(to_array(values)) == data, (block.codec, block.names)


@pytest.mark.parametrize("path", [path for path in WRITTEN if path in NETWORKS], ids=name_of)
def test_the_same_codecs_are_chosen(path):
    contents = read_contents(path)
    assert pack_state(contents.decode(), codec="auto") == (list(contents.blocks), contents.payload)


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_headers_are_still_written_with_the_same_bytes(path):
    header, sections = read_container(path)
    contents = read_contents(path)
    again = {**ModelCard.from_json(header).to_json(), SECTION: table_to_json(contents.blocks)}
    if contents.plan is not None:
        again["quantization"] = contents.plan.to_json()
    written = write_container(again, sections=sections)
    # Compare the uncompressed headers, because the compressed bytes depend on the version of zlib.
    assert unpacked_header(written) == unpacked_header(path.read_bytes())


def unpacked_header(data):
    return json.loads(zlib.decompressobj().decompress(data[PREFIX.size :]))
