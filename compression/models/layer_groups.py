"""Groups of layers of the built-in model families that share quantization settings."""

_GROUPS: dict[str, dict[str, list[str]]] = {
    "compression.models.mobilenet_v2.mobilenet_v2": {
        "first_conv": ["features.0.*"],
        "inverted_residual": [f"features.{block}.*" for block in range(1, 18)],
        "final_conv": ["features.18.*"],
        "classifier": ["classifier.*"],
    },
    "compression.models.resnet18.resnet18": {
        "first_conv": ["conv1"],
        "residual": ["layer?.*.conv?"],
        "shortcut": ["layer?.*.downsample.*"],
        "classifier": ["fc"],
    },
    "compression.models.vgg11.vgg11": {
        "first_conv": ["features.0"],
        "features": ["features.*"],
        "classifier": ["classifier*"],
    },
}


def layer_groups(target: str) -> dict[str, list[str]]:
    """Return the layer groups of the family ``target``: shell patterns of layer names, by group name.

    ``target`` is a dotted name such as ``compression.models.resnet18.resnet18``. Returns an empty dict for any other
    model. Groups may overlap: ``features`` of VGG-11 holds ``first_conv``.
    """
    return _GROUPS.get(target, {})
