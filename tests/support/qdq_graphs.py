"""Small quantized ONNX files: symmetric QuantizeLinear and DequantizeLinear pairs, weights per output channel."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INPUT_SCALE, HIDDEN_SCALE, POOLED_SCALE = 0.0311, 0.0213, 0.0107
SIGNED, UNSIGNED = 128, 0


class QdqGraph:
    """A graph that is built node by node. Methods take and return names of tensors."""

    def __init__(self, *, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []

    def constant(self, name, values):
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, op, *inputs, name, outputs=None, **attributes):
        self.nodes.append(helper.make_node(op, list(inputs), outputs or [f"{name}_out"], name=name, **attributes))
        return self.nodes[-1].output[0]

    def quantize(self, tensor, *, name, scale, zero_point):
        self.constant(f"{name}_scale", np.float32(scale))
        self.constant(f"{name}_zero", np.uint8(zero_point))
        return self.add("QuantizeLinear", tensor, f"{name}_scale", f"{name}_zero", name=f"{name}_quantize")

    def dequantize(self, tensor, *, name):
        return self.add("DequantizeLinear", tensor, f"{name}_scale", f"{name}_zero", name=f"{name}_dequantize")

    def quantize_pair(self, tensor, *, name, scale, zero_point):
        quantized = self.quantize(tensor, name=name, scale=scale, zero_point=zero_point)
        return self.dequantize(quantized, name=name)

    def parameters(self, name, *, shape, input_scale):
        """Return names of a dequantized weight and bias."""
        scale = self.rng.uniform(0.5, 1.5, shape[0]).astype(np.float32) / 32 / np.float32(np.sqrt(np.prod(shape[1:])))
        # The weights have 7 bits, because sums of 8-bit products saturate on processors without VNNI.
        weight = self.rng.integers(-64, 65, shape).astype(np.int8)
        bias = self.rng.integers(-1000, 1000, shape[0]).astype(np.int32)
        result = []
        for part, values, its_scale in (("weight", weight, scale), ("bias", bias, scale * np.float32(input_scale))):
            own = f"{name}.{part}"
            inputs = (
                self.constant(own, values),
                self.constant(f"{own}_scale", its_scale),
                self.constant(f"{own}_zero", np.zeros(shape[0], values.dtype)),
            )
            result.append(self.add("DequantizeLinear", *inputs, name=f"{own}_dequantize", axis=0))
        return result

    def conv(self, tensor, *, name, shape, input_scale, groups=1):
        parameters = self.parameters(name, shape=shape, input_scale=input_scale)
        size = shape[2]
        return self.add(
            "Conv", tensor, *parameters, name=name, group=groups, kernel_shape=[size] * 2, pads=[size // 2] * 4
        )

    def linear(self, tensor, *, name, shape, input_scale):
        parameters = self.parameters(name, shape=shape, input_scale=input_scale)
        return self.add("Gemm", tensor, *parameters, name=name, transB=1)

    def build(self, output, *, shape=("batch", 5), opset=17):
        graph = helper.make_graph(
            self.nodes,
            "quantized",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 8, 8])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, list(shape))],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        onnx.checker.check_model(model)
        return model


def make_chain(*, hidden_quantizer=True, hidden_zero_point=UNSIGNED, clip=None):
    """Return a graph of convolution, ReLU, max pooling, global average pooling and linear layer, all quantized.

    Without ``hidden_quantizer``, the output of the ReLU is not quantized. ``clip`` limits it to fewer than 8 bits.
    """
    graph = QdqGraph()
    tensor = graph.quantize_pair("input", name="image", scale=INPUT_SCALE, zero_point=SIGNED)
    tensor = graph.conv(tensor, name="features.0", shape=(8, 3, 3, 3), input_scale=INPUT_SCALE)
    tensor = graph.add("Relu", tensor, name="relu")
    if hidden_quantizer:
        tensor = graph.quantize(tensor, name="hidden", scale=HIDDEN_SCALE, zero_point=hidden_zero_point)
        if clip is not None:
            low, high = graph.constant("low", np.uint8(clip[0])), graph.constant("high", np.uint8(clip[1]))
            tensor = graph.add("Clip", tensor, low, high, name="clip")
        tensor = graph.add("MaxPool", tensor, name="max", kernel_shape=[2, 2], strides=[2, 2])
        tensor = graph.dequantize(tensor, name="hidden")
    tensor = graph.add("GlobalAveragePool", tensor, name="average")
    tensor = graph.quantize(tensor, name="pooled", scale=POOLED_SCALE, zero_point=UNSIGNED)
    tensor = graph.dequantize(graph.add("Flatten", tensor, name="flatten"), name="pooled")
    return graph.build(graph.linear(tensor, name="classifier", shape=(5, 8), input_scale=POOLED_SCALE))


def make_residual():
    """Return a graph with a depthwise convolution that is added to its input, and a linear layer."""
    graph = QdqGraph()
    tensor = graph.quantize_pair("input", name="image", scale=INPUT_SCALE, zero_point=SIGNED)
    tensor = graph.add(
        "Relu",
        graph.conv(tensor, name="stem", shape=(8, 3, 3, 3), input_scale=INPUT_SCALE),
        name="stem_relu",
    )
    short = graph.quantize_pair(tensor, name="stem", scale=HIDDEN_SCALE, zero_point=UNSIGNED)
    tensor = graph.conv(short, name="depthwise", shape=(8, 1, 3, 3), input_scale=HIDDEN_SCALE, groups=8)
    tensor = graph.quantize_pair(tensor, name="depthwise", scale=0.0171, zero_point=SIGNED)
    tensor = graph.add("Relu", graph.add("Add", tensor, short, name="add"), name="add_relu")
    tensor = graph.quantize_pair(tensor, name="sum", scale=0.0277, zero_point=UNSIGNED)
    tensor = graph.add("GlobalAveragePool", tensor, name="average")
    tensor = graph.quantize(tensor, name="pooled", scale=POOLED_SCALE, zero_point=UNSIGNED)
    tensor = graph.dequantize(graph.add("Flatten", tensor, name="flatten"), name="pooled")
    return graph.build(graph.linear(tensor, name="classifier", shape=(5, 8), input_scale=POOLED_SCALE))


def make_dynamic():
    """Return a graph with a convolution, whose input gets its scale at run time, and average pooling."""
    graph = QdqGraph()
    largest = graph.add("ReduceMax", graph.add("Abs", "input", name="abs"), name="largest", keepdims=0)
    scale = graph.add("Mul", largest, graph.constant("step", np.float32(1 / 127)), name="scale")
    middle = graph.constant("middle", np.uint8(SIGNED))
    tensor = graph.add("QuantizeLinear", "input", scale, middle, name="quantize")
    weight = graph.rng.integers(0, 256, (5, 3, 3, 3)).astype(np.uint8)
    tensor = graph.add(
        "ConvInteger",
        tensor,
        graph.constant("dynamic.weight", weight),
        middle,
        middle,
        name="dynamic",
        kernel_shape=[3, 3],
        pads=[1] * 4,
    )
    tensor = graph.add("Mul", graph.add("Cast", tensor, name="cast", to=TensorProto.FLOAT), scale, name="rescale")
    tensor = graph.add("GlobalAveragePool", tensor, name="average")
    return graph.build(graph.add("Flatten", tensor, name="flatten"))
