import numpy as np
import torch

from compression.runtimes.eager import EagerRuntime


def make_images(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 32, 32), dtype=np.float32)


def test_eager_is_the_model_in_eval_mode(mobilenet):
    images = make_images(4)
    predict = EagerRuntime().load(mobilenet, threads=torch.get_num_threads())
    assert mobilenet.training
    mobilenet.eval()
    with torch.no_grad():
        expected = mobilenet(torch.from_numpy(images))
    mobilenet.train()
    logits = predict(images)
    assert logits.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-5, rtol=1e-4)
    assert next(mobilenet.parameters()).is_contiguous()


def test_eager_sets_the_threads(mobilenet):
    before = torch.get_num_threads()
    EagerRuntime().load(mobilenet, threads=1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)
