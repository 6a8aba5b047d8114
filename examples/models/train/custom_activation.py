"""Makes fashion_soft_relu.onnx: the quantized network with three of its Relus replaced by an operator of another domain.

The operator acme.vision::SoftRelu(x) = x * sigmoid(sharpness * x) is close to a Relu, so the trained weights stay good. In front
of each one the convolution's result is quantized to 8 bits (range from the calibration images), so that the operator stands
between codes. No runtime but qcc knows the operator; accuracy is measured on a twin in which it is spelled out.

    python custom_activation.py        writes ../fashion_soft_relu.onnx and prints the twin's accuracy
"""

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

MODELS = Path(__file__).resolve().parent.parent
DOMAIN = "acme.vision"
SHARPNESS = 8.0
RELUS = ["/layer2/relu1/Relu", "/layer4/relu1/Relu", "/layer3/relu2/Relu"]


def session(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 2
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def images(name):
    arrays = np.load(MODELS / name)
    return arrays["image"].astype(np.float32) / np.float32(255.0), arrays


def ranges(model, values, batch):
    """Smallest and largest element of each value over the images."""
    probe = copy.deepcopy(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(v, TensorProto.FLOAT, None) for v in values)
    run = session(probe)
    low, high = np.zeros(len(values)), np.zeros(len(values))
    for image in batch:
        for i, y in enumerate(run.run(None, {"image": image[None]})):
            low[i], high[i] = min(low[i], y.min()), max(high[i], y.max())
    return list(zip(low, high))


def soft_relu(name, x, y):
    return [helper.make_node("SoftRelu", [x], [y], name=name, domain=DOMAIN, sharpness=SHARPNESS)]


def spelled_out(name, x, y):
    scale = helper.make_node("Constant", [], [f"{name}/k"], value=numpy_helper.from_array(np.float32(SHARPNESS)))
    return [
        scale,
        helper.make_node("Mul", [x, f"{name}/k"], [f"{name}/kx"]),
        helper.make_node("Sigmoid", [f"{name}/kx"], [f"{name}/gate"]),
        helper.make_node("Mul", [x, f"{name}/gate"], [y]),
    ]


def replaced(model, limits, activation):
    """The model with codes and an activation in place of each Relu."""
    model = copy.deepcopy(model)
    nodes = []
    for node in model.graph.node:
        if node.name not in limits:
            nodes.append(node)
            continue
        low, high = limits[node.name]
        scale = np.float32((high - low) / 255.0)
        zero = np.uint8(np.clip(round(-low / scale), 0, 255))
        base = node.name.rsplit("/", 1)[0] + "/soft"
        model.graph.initializer.extend(
            [numpy_helper.from_array(scale, f"{base}/scale"), numpy_helper.from_array(zero, f"{base}/zero")]
        )
        parameters = [f"{base}/scale", f"{base}/zero"]
        nodes.append(
            helper.make_node(
                "QuantizeLinear", [node.input[0], *parameters], [f"{base}/codes"], name=f"{base}/QuantizeLinear"
            )
        )
        nodes.append(
            helper.make_node(
                "DequantizeLinear", [f"{base}/codes", *parameters], [f"{base}/x"], name=f"{base}/DequantizeLinear"
            )
        )
        nodes.extend(activation(f"{base}/SoftRelu", f"{base}/x", node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def main():
    model = onnx.load(MODELS / "fashion_resnet_qat.onnx")
    inputs = {n.name: n.input[0] for n in model.graph.node if n.name in RELUS}
    missing = [name for name in RELUS if name not in inputs]
    assert not missing, f"no nodes {missing}; there are {[n.name for n in model.graph.node if n.op_type == 'Relu']}"
    calibration, _ = images("fashion_calibration.npz")
    limits = dict(zip(inputs, ranges(model, list(inputs.values()), calibration)))
    custom = replaced(model, limits, soft_relu)
    custom.graph.name = "fashion_soft_relu"
    custom.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    onnx.save(custom, MODELS / "fashion_soft_relu.onnx")
    twin = session(replaced(model, limits, spelled_out))
    test, arrays = images("fashion_test.npz")
    right = sum(int(twin.run(None, {"image": x[None]})[0].argmax()) == y for x, y in zip(test, arrays["label"]))
    print(f"{right} of {len(test)} right")


if __name__ == "__main__":
    main()
