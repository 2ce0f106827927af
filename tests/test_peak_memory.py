import pytest
from small_files import save_small

import compression
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.peak_memory import measure_peak_memory


def test_the_peak_memory_of_an_artifact_is_measured(tmp_path):
    save_small(tmp_path / "mobile.cmp", mobilenet_v2(num_classes=2, width_mult=0.1))
    peak = measure_peak_memory(tmp_path / "mobile.cmp", image_size=32, batch_size=64, threads=1)
    # 64 images with 8 channels of 32x32 floats are 2 MiB of activations.
    assert 2 << 20 < peak.extra_bytes < 1 << 30
    assert peak.baseline_bytes > 8 << 20
    assert (peak.batch_size, peak.threads) == (64, 1)


def test_a_broken_file_is_refused(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"hello")
    with pytest.raises(compression.InputError, match=r"could not be measured: ONNX file .* cannot be read"):
        measure_peak_memory(path, image_size=32, batch_size=1, threads=1)
