"""Makes the small model files of this folder (committed; run again only to change them): python tests/data/make.py"""
import json
import os
import struct

import numpy as np
import onnx
from google.protobuf import json_format
from onnx import TensorProto, helper, numpy_helper

here = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(here, name)


def save(model, name):
    with open(path(name), "wb") as f:
        f.write(model.SerializeToString(deterministic=True))


def small(nodes, inputs, outputs, initializers=(), **more):
    graph = helper.make_graph(nodes, "small", inputs, outputs, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="sluice tests", **more)


f32 = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

# An MLP with every kind of attribute that is easy to make, symbolic dims, raw and typed data.
w = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
b = helper.make_tensor("b", TensorProto.FLOAT, [3], [0.5, -1.0, 2.0])
half = helper.make_tensor("half", TensorProto.FLOAT16, [2], np.array([1.5, -2.0], np.float16))
nibbles = helper.make_tensor("nibbles", TensorProto.INT4, [3], [1, -2, 7])
mlp = small(
    [helper.make_node("Gemm", ["x", "w", "b"], ["h"], name="fc", alpha=0.5, transB=0),
     helper.make_node("Relu", ["h"], ["y"])],
    [f32("x", ["batch", 4])], [f32("y", ["batch", 3])], [w, b, half, nibbles])
save(mlp, "mlp.onnx")
text = json_format.MessageToJson(mlp, preserving_proto_field_name=False)
open(path("mlp_onnx.json"), "w").write(text)
plain = json_format.MessageToDict(mlp, preserving_proto_field_name=True, use_integers_for_enums=True)
plain["ir_version"] = int(plain["ir_version"])
for info in plain["graph"]["input"]:
    for dim in info["type"]["tensor_type"]["shape"]["dim"]:
        if "dim_value" in dim:
            dim["dim_value"] = int(dim["dim_value"])
open(path("mlp_onnx_plain.json"), "w").write(json.dumps(plain))

# External data.
outside = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
outside.ClearField("raw_data")
outside.data_location = TensorProto.EXTERNAL
for key, value in (("location", "external.bin"), ("offset", "8"), ("length", "48")):
    entry = outside.external_data.add()
    entry.key, entry.value = key, value
open(path("external.bin"), "wb").write(b"skipped!" + np.arange(12, dtype=np.float32).tobytes())
save(small([helper.make_node("MatMul", ["x", "w"], ["y"], name="mm")], [f32("x", [2, 4])], [f32("y", [2, 3])], [outside]), "external.onnx")

# A body that captures, nodes out of order.
then = helper.make_graph([helper.make_node("Neg", ["late"], ["t"], name="neg")], "then", [], [f32("t", None)])
other = helper.make_graph([], "else", [], [f32("x", None)])
save(small(
    [helper.make_node("If", ["c"], ["y"], name="choose", then_branch=then, else_branch=other),
     helper.make_node("Abs", ["x"], ["late"], name="abs")],
    [f32("x", [2]), helper.make_tensor_value_info("c", TensorProto.BOOL, [])], [f32("y", [2])]), "unordered.onnx")

# A model-local function and sparse initializer, sequence input.
function = helper.make_function("local", "Twice", ["a"], ["r"],
                                [helper.make_node("Mul", ["a", "k"], ["r"]), helper.make_node("Constant", [], ["k"], value_float=2.0)],
                                [helper.make_opsetid("", 21)])
sparse = helper.make_sparse_tensor(helper.make_tensor("s", TensorProto.FLOAT, [2], [3.0, 4.0]),
                                   helper.make_tensor("s_i", TensorProto.INT64, [2], [1, 5]), [2, 3])
graph = helper.make_graph([helper.make_node("Twice", ["s"], ["y"], domain="local")], "g",
                          [helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, [None, 2])], [f32("y", [2, 3])], sparse_initializer=[sparse])
save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("local", 1)], ir_version=10, functions=[function]), "function.onnx")

# A lone tensor, as in ONNX's test data.
open(path("tensor.pb"), "wb").write(numpy_helper.from_array(np.array([[1, -2], [3, 4]], np.int64), "in").SerializeToString())

# A safetensors file: header and 2 tensors.
header = json.dumps({"__metadata__": {"format": "pt"}, "fc1.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
                     "fc1.bias": {"dtype": "F16", "shape": [2], "data_offsets": [16, 20]}}).encode()
header += b" " * (-len(header) % 8)
open(path("weights.safetensors"), "wb").write(struct.pack("<Q", len(header)) + header + np.array([1, 2, 3, 4], np.float32).tobytes()
                                              + np.array([0.5, -0.5], np.float16).tobytes())
