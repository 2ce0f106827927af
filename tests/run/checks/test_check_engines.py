import pytest
from torch import nn

from compression.core.errors import InputError
from compression.run.checks.check_engines import check_engines

SUPPORTED = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
UNSUPPORTED = nn.Sequential(*SUPPORTED, nn.Softplus())


@pytest.mark.compiler
def test_a_named_engine_must_have_kernels_for_the_network():
    check_engines(["sparse"], SUPPORTED, image_size=8)
    with pytest.raises(InputError, match=r"^engine sparse: Softplus \(layer _3\) is not supported"):
        check_engines(["eager", "sparse"], UNSUPPORTED, image_size=8)


def test_auto_and_dense_engines_are_not_checked():
    check_engines(["auto", "eager"], UNSUPPORTED, image_size=8)


@pytest.mark.compiler
def test_images_of_a_wrong_size_are_refused():
    with pytest.raises(InputError, match=r"^images of shape \[3, 9, 9\] do not fit the network"):
        check_engines(["sparse"], SUPPORTED, image_size=9)
