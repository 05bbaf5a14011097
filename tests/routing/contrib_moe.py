#!/usr/bin/env python3
"""Makes tests/routing/contrib/: ONNX Runtime's MoE operator with every activation, bias, shape and normalisation that its CPU kernel has, its outputs, and models that must be refused. Run by hand: needs onnx,
onnxruntime, numpy. The tests read only what it wrote.

The last expert's logits are low, so no row picks it; in the stored files its weights are NaN.
"""
import json
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "contrib")
T, D, H, E = 6, 8, 16, 4
CASES = {
    **{f"{a}{n}": dict(k=2, activation_type=a, normalize_routing_weights=n) for a in ("relu", "gelu", "silu", "identity") for n in (0, 1)},
    "one": dict(k=1, activation_type="relu"),
    "nobias": dict(k=2, activation_type="relu"),
    "legacy": dict(k=2, activation_type="silu"),         # weights named experts x inputs x outputs: the same bytes
    "sequence": dict(k=2, activation_type="silu"),       # batch x sequence x hidden
    "swiglu": dict(k=2, activation_type="swiglu", swiglu_fusion=1),
    "swiglu_factors": dict(k=2, activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.702, activation_beta=1.0),
    "swiglu_limit": dict(k=2, activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.702, activation_beta=1.0, swiglu_limit=0.5),
}
REFUSED = {
    "mixer": (dict(k=2, activation_type="relu", use_sparse_mixer=1), "MoE", "attribute 'use_sparse_mixer' is not supported"),
    "fusion": (dict(k=2, activation_type="swiglu", swiglu_fusion=2), "MoE", "swiglu needs swiglu_fusion = 1"),
    "activation": (dict(k=2, activation_type="elu"), "MoE", "attribute 'activation_type' must be"),
    "picks": (dict(k=5, activation_type="relu"), "MoE", "attribute 'k' must be a number from 1 to 4"),
    "quantized": (dict(k=2, activation_type="relu"), "QMoE", "quantized experts are not supported"),
}


def build(op, attributes, x, weights):
    names = ["w1", "b1", "w2", "b2"]
    inputs = ["x", "r"] + [name if name in weights else "" for name in names]
    node = helper.make_node(op, inputs, ["y"], "mixture", domain="com.microsoft", **attributes)
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph([node], "moe", [value("x", list(x.shape)), value("r", [T, E])], [value("y", list(x.shape))], [numpy_helper.from_array(w, name) for name, w in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    random = np.random.default_rng(0)
    make = lambda *shape: (random.standard_normal(shape) * 0.5).astype(np.float32)
    cases = {}
    save = lambda name, array: np.save(os.path.join(FOLDER, name + ".npy"), array)
    logits = make(T, E)
    logits[:, E - 1] = -50
    save("r", logits)
    for name, attributes in CASES.items():
        first = 2 * H if attributes["activation_type"] == "swiglu" else H
        legacy = name == "legacy"
        weights = {"w1": make(E, D, first) if legacy else make(E, first, D), "b1": make(E, first), "w2": make(E, H, D) if legacy else make(E, D, H), "b2": make(E, D)}
        if name == "nobias":
            del weights["b1"], weights["b2"]
        x = make(2, T // 2, D) if name == "sequence" else make(T, D)
        model = build("MoE", attributes, x, weights)
        y = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x, "r": logits})[0]
        for w in weights.values():
            w[E - 1] = np.nan
        onnx.save(build("MoE", attributes, x, weights), os.path.join(FOLDER, name + ".onnx"))
        save(name + ".x", x)
        save(name + ".y", y)
        picks = np.argsort(-logits, axis=1)[:, :attributes["k"]]
        rows = np.bincount(picks.ravel(), minlength=E).tolist()
        cases[name] = {"rows": rows, "multiply_adds": sum(rows) * (first * D + H * D)}
    weights = {"w1": make(E, H, D), "w2": make(E, D, H)}
    for name, (attributes, op, message) in REFUSED.items():
        onnx.save(build(op, attributes, make(T, D), weights), os.path.join(FOLDER, f"refused_{name}.onnx"))
        cases[f"refused_{name}"] = {"message": message}
    with open(os.path.join(FOLDER, "cases.json"), "w") as file:
        json.dump(cases, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
