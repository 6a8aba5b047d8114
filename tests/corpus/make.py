#!/usr/bin/env python3
"""Writes the models and arrays of the corpus: small files, each with something of its own in its structure.

    python3 make.py        (needs numpy and onnx)

The `.qcc` files are compiled from some of the models by `qcc compile`; rule files and graphs are written by hand. Files
called `crash-...` are inputs that a parser once did not survive, those called `found-...` are some that the fuzzer kept since
they reach code that no file before them reached.
"""
import pathlib

import numpy as np
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

HERE = pathlib.Path(__file__).parent
RANDOM = np.random.default_rng(5)


def floats(name, *shape):
    return numpy_helper.from_array(RANDOM.uniform(-1, 1, shape).astype(np.float32), name)


def const(name, values, dtype):
    return numpy_helper.from_array(np.array(values, dtype), name)


def value(name, shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, shape)


def save(name, nodes, inputs, outputs, constants=(), opset=21, functions=(), domains=()):
    graph = h.make_graph(nodes, name, inputs, outputs, list(constants))
    imports = [h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in domains]
    model = h.make_model(graph, opset_imports=imports, functions=functions, ir_version=10)
    (HERE / "onnx" / f"{name}.onnx").write_bytes(model.SerializeToString())


def models():
    save("convolution", [
        h.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2], name="conv"),
        h.make_node("Clip", ["c", "", "six"], ["r"]),
        h.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
        h.make_node("Flatten", ["p"], ["f"]),
        h.make_node("Gemm", ["f", "m"], ["y"], transB=1),
    ], [value("x", [1, 3, 8, 8])], [value("y", [1, 5])],
        [floats("w", 4, 3, 3, 3), floats("b", 4), const("six", 6, np.float32), floats("m", 5, 16)])
    scale = [const("s", 0.02, np.float32), const("z", 128, np.uint8), const("ws", [0.01, 0.02], np.float32),
             const("wz", [0, 0], np.int8), const("w", RANDOM.integers(-127, 128, (2, 3, 3, 3)), np.int8)]
    save("quantized", [
        h.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        h.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        h.make_node("DequantizeLinear", ["w", "ws", "wz"], ["dw"], axis=0),
        h.make_node("Conv", ["d", "dw"], ["c"], auto_pad="SAME_UPPER"),
        h.make_node("Relu", ["c"], ["r"]),
        h.make_node("QuantizeLinear", ["r", "s", "z"], ["qr"]),
        h.make_node("DequantizeLinear", ["qr", "s", "z"], ["y"]),
    ], [value("x", [1, 3, 6, 6])], [value("y", None)], scale)
    save("encoder", [
        h.make_node("MatMul", ["x", "wq"], ["q"]),
        h.make_node("Transpose", ["x"], ["k"], perm=[0, 2, 1]),
        h.make_node("MatMul", ["q", "k"], ["scores"]),
        h.make_node("Softmax", ["scores"], ["p"], axis=-1),
        h.make_node("MatMul", ["p", "x"], ["mixed"]),
        h.make_node("Add", ["mixed", "x"], ["sum"]),
        h.make_node("LayerNormalization", ["sum", "scale", "bias"], ["y"], axis=-1, epsilon=1e-5),
    ], [value("x", ["batch", "sequence", 8])], [value("y", ["batch", "sequence", 8])],
        [floats("wq", 8, 8), floats("scale", 8), floats("bias", 8)])
    save("shapes", [
        h.make_node("Shape", ["x"], ["shape"]),
        h.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
        h.make_node("Unsqueeze", ["n", "axis"], ["n1"]),
        h.make_node("Concat", ["n1", "minus"], ["to"], axis=0),
        h.make_node("Reshape", ["x", "to"], ["flat"]),
        h.make_node("Slice", ["flat", "zero1", "four"], ["part"]),
        h.make_node("Split", ["part"], ["a", "b"], axis=1, num_outputs=2),
        h.make_node("Resize", ["x", "", "scales"], ["big"], mode="nearest"),
        h.make_node("Pad", ["big", "pads"], ["padded"]),
    ], [value("x", ["n", 2, 4, 4])], [value("a", None), value("b", None), value("padded", None)], [
        const("zero", 0, np.int64), const("axis", [0], np.int64), const("minus", [-1], np.int64),
        const("zero1", [0], np.int64), const("four", [4], np.int64), const("scales", [1, 1, 2, 2], np.float32),
        const("pads", [0, 0, 1, 1, 0, 0, 1, 1], np.int64)])
    then = h.make_graph([h.make_node("Relu", ["x"], ["t"])], "then", [], [value("t", [4])])
    other = h.make_graph([h.make_node("Neg", ["x"], ["e"])], "else", [], [value("e", [4])])
    body = h.make_graph([
        h.make_node("Add", ["v", "v"], ["w"]), h.make_node("Identity", ["go"], ["on"]),
    ], "body", [value("i", [], T.INT64), value("go", [], T.BOOL), value("v", [4])],
        [value("on", [], T.BOOL), value("w", [4])])
    save("control", [
        h.make_node("If", ["c"], ["chosen"], then_branch=then, else_branch=other),
        h.make_node("Loop", ["three", "", "chosen"], ["y"], body=body),
    ], [value("x", [4]), value("c", [], T.BOOL)], [value("y", [4])], [const("three", 3, np.int64)])
    save("data", [
        h.make_node("NonZero", ["x"], ["where"]),
        h.make_node("Transpose", ["where"], ["rows"]),
        h.make_node("GatherND", ["x", "rows"], ["y"]),
    ], [value("x", [3, 4])], [value("y", None)])
    save("recurrent", [
        h.make_node("LSTM", ["x", "w", "r"], ["all", "last"], hidden_size=2, direction="bidirectional"),
    ], [value("x", [3, 1, 4])], [value("all", None), value("last", None)], [floats("w", 2, 8, 4), floats("r", 2, 8, 2)])
    save("contrib", [
        h.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        h.make_node("MatMulInteger", ["q", "w", "z"], ["i"]),
        h.make_node("Cast", ["i"], ["f"], to=T.FLOAT),
        h.make_node("Mul", ["f", "s"], ["m"]),
        h.make_node("Gelu", ["m"], ["y"], domain="com.microsoft"),
    ], [value("x", [2, 4])], [value("y", [2, 3])], [const("w", RANDOM.integers(-9, 9, (4, 3)), np.int8)],
        domains=["com.microsoft"])
    twice = h.make_function("own", "Twice", ["a"], ["b"], [h.make_node("Add", ["a", "a"], ["b"])],
                            [h.make_opsetid("", 21)])
    save("function", [h.make_node("Twice", ["x"], ["t"], domain="own"), h.make_node("Erf", ["t"], ["y"])],
         [value("x", [2, 2], T.FLOAT)], [value("y", [2, 2])], functions=[twice], domains=["own"])
    save("old", [
        h.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"], epsilon=1e-3),
        h.make_node("Upsample", ["n", "scales"], ["u"], mode="nearest"),
        h.make_node("Dropout", ["u"], ["y"]),
    ], [value("x", [1, 2, 3, 3])], [value("y", None)],
        [floats("s", 2), floats("b", 2), floats("m", 2), const("v", [1, 2], np.float32),
         const("scales", [1, 1, 2, 2], np.float32)], opset=9)


def arrays():
    sets = {"floats": RANDOM.uniform(-1, 1, (2, 3)).astype(np.float32), "codes": np.arange(6, dtype=np.uint8),
            "truth": np.array([True, False]), "scalar": np.array(7, np.int64), "half": np.ones((2, 1), np.float16),
            "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
            "big": np.arange(4, dtype=">i4"), "none": np.zeros((0, 4), np.float64)}
    for name, array in sets.items():
        np.save(HERE / "npy" / f"{name}.npy", array)
    np.savez(HERE / "npz" / "stored.npz", image=sets["floats"], label=sets["codes"])
    np.savez_compressed(HERE / "npz" / "compressed.npz", image=np.zeros((8, 16), np.float32), label=sets["half"])
    np.savez(HERE / "npz" / "columns.npz", x=sets["columns"])
    for name in ["floats", "codes", "scalar", "half", "none"]:
        tensor = numpy_helper.from_array(sets[name], name)
        (HERE / "pb" / f"{name}.pb").write_bytes(tensor.SerializeToString())
    listed = h.make_tensor("listed", T.INT64, [3], [1, 2, 3])
    (HERE / "pb" / "listed.pb").write_bytes(listed.SerializeToString())
    packed = h.make_tensor("packed", T.INT4, [3], [1, -2, 3])
    (HERE / "pb" / "packed.pb").write_bytes(packed.SerializeToString())


if __name__ == "__main__":
    for folder in ["onnx", "npy", "npz", "pb"]:
        (HERE / folder).mkdir(exist_ok=True)
    models()
    arrays()
