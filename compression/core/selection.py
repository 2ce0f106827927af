"""Which parameters may be pruned."""

from torch import nn

PRUNABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the convolution and linear weights by parameter name, in the model's order.

    Never biases or normalization; a weight shared by two layers is named once.
    """
    owners = {
        f"{name}.weight" if name else "weight" for name, module in model.named_modules() if isinstance(module, PRUNABLE)
    }
    return {name: parameter for name, parameter in model.named_parameters() if name in owners}
