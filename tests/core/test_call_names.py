import torch
from torch import Tensor, nn

from compression.core.call_names import call_name
from compression.core.tracing import trace


def test_methods_functions_and_attributes_have_names_and_layers_have_none() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu_ = nn.Sigmoid()

        def forward(self, images: Tensor) -> Tensor:
            return torch.flatten(self.relu_(images).exp().mT[:, 0] + 1)

    names = [call_name(node) for node in trace(Net()).graph.nodes]
    assert names == ["", "", "exp", "mT", "getitem", "add", "flatten", ""]
