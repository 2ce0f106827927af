import hashlib
import pickle
import socket
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from compression.core.errors import InputError
from compression.data import cifar10 as module
from compression.data.cifar10 import CLASS_NAMES, Cifar10

BATCHES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def small_cifar(tmp_path, monkeypatch):
    """Serve an archive of 20 images per batch in CIFAR-10's format, and yield all pixels and labels."""
    home = tmp_path / "made" / CIFAR10.base_folder
    home.mkdir(parents=True)
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (6, 20, 3072), dtype=np.uint8)
    labels = [(i % 10) for i in range(20)]
    for name, data in zip(BATCHES, pixels, strict=True):
        (home / name).write_bytes(pickle.dumps({"data": data, "labels": labels}, protocol=2))
    (home / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CLASS_NAMES)}, protocol=2))
    archive = tmp_path / "made" / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(home, arcname=CIFAR10.base_folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(archive.parent)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    port = server.server_address[1]
    monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{port}/{CIFAR10.filename}")
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(home / name)] for name in BATCHES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(home / "test_batch")]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5(home / "batches.meta")})
    yield pixels.reshape(6, 20, 3, 32, 32), labels
    server.shutdown()
    thread.join()
    server.server_close()


def test_downloads_verifies_and_loads(small_cifar, tmp_path):
    pixels, labels = small_cifar
    root = tmp_path / "data" / "cifar10"
    dataset = Cifar10(root=str(root))
    dataset.check()
    data = dataset.load(0)
    assert (root / CIFAR10.filename).is_file()
    assert [len(split) for split in (data.train, data.val, data.test)] == [90, 10, 20]
    assert torch.equal(data.test.images, torch.from_numpy(pixels[5]))
    assert data.test.labels.tolist() == labels
    found = {image.numpy().tobytes() for split in (data.train, data.val) for image in split.images}
    assert found == {image.tobytes() for image in pixels[:5].reshape(100, 3, 32, 32)}
    assert torch.bincount(data.val.labels).tolist() == [1] * 10
    assert data.mean == (0.4914, 0.4822, 0.4465)
    assert data.std == (0.2470, 0.2435, 0.2616)
    assert data.class_names == CLASS_NAMES
    assert len(dataset.fingerprint()) == 64


@pytest.mark.usefixtures("small_cifar")
def test_present_files_need_no_network(tmp_path, monkeypatch):
    first = Cifar10(root=str(tmp_path)).fingerprint()
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/none")
    assert Cifar10(root=str(tmp_path)).fingerprint() == first


@pytest.mark.usefixtures("small_cifar")
def test_other_size_is_resized(tmp_path):
    data = Cifar10(root=str(tmp_path), image_size=16, mean=None, std=None).load(0)
    assert data.test.images.shape == (20, 3, 16, 16)
    assert 0.4 < data.mean[0] < 0.6


@pytest.mark.usefixtures("small_cifar")
def test_validation_follows_the_seed(tmp_path):
    one, two = (Cifar10(root=str(tmp_path)).load(seed) for seed in (1, 2))
    assert not torch.equal(one.val.images, two.val.images)
    assert torch.equal(one.test.images, two.test.images)


def assert_refused(root):
    with pytest.raises(InputError) as caught:
        Cifar10(root=str(root)).check()
    message = str(caught.value)
    assert message.startswith(f"data.root={root}: CIFAR-10 is not there and the download of ")
    assert "put cifar-10-python.tar.gz into that folder" in message
    assert "\n" not in message
    return message


@pytest.mark.usefixtures("small_cifar")
def test_wrong_checksum_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR10, "tgz_md5", "0" * 32)
    assert "corrupted" in assert_refused(tmp_path)


@pytest.mark.usefixtures("small_cifar")
def test_damaged_archive_in_root_is_downloaded_again(tmp_path):
    (tmp_path / CIFAR10.filename).write_bytes(b"half an archive")
    Cifar10(root=str(tmp_path)).check()


def test_no_server(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{free.getsockname()[1]}/{CIFAR10.filename}")
        assert "refused" in assert_refused(tmp_path)


def test_server_that_never_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{mute.getsockname()[1]}/{CIFAR10.filename}")
        assert "timed out" in assert_refused(tmp_path)
    assert socket.getdefaulttimeout() is None


def test_root_that_cannot_be_created(tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(tmp_path / "file" / "below")


def test_the_usual_normalization_is_of_three_channels_only():
    settings = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
    assert (Cifar10(**settings).mean, Cifar10(**settings).std) == ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    grey = Cifar10(**settings, channels=1)
    assert (grey.mean, grey.std) == (None, None)
    assert Cifar10(mean=[0.5], channels=1).mean == (0.5,)
