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
# Bits, block (0: one scale an output), zero points, and the attributes.
QUANTIZED = {
    "q4": (4, 0, False, dict(k=2, activation_type="silu", normalize_routing_weights=1)),
    "q8": (8, 0, False, dict(k=2, activation_type="relu")),
    "q4_zeros": (4, 0, True, dict(k=2, activation_type="relu")),
    "q4_blocks": (4, 16, False, dict(k=2, activation_type="swiglu", swiglu_fusion=1, normalize_routing_weights=1)),
    "q8_blocks_zeros": (8, 16, True, dict(k=1, activation_type="silu")),
    "q4_mixing": (4, 0, False, dict(k=2, activation_type="silu")),      # DeepSeek: picks by one tensor, weights by another
}
QD, QH = 32, 32
REFUSED = {
    "mixer": (dict(k=2, activation_type="relu", use_sparse_mixer=1), "MoE", "attribute 'use_sparse_mixer' is not supported"),
    "fusion": (dict(k=2, activation_type="swiglu", swiglu_fusion=2), "MoE", "swiglu needs swiglu_fusion = 1"),
    "activation": (dict(k=2, activation_type="elu"), "MoE", "attribute 'activation_type' must be"),
    "picks": (dict(k=5, activation_type="relu"), "MoE", "attribute 'k' must be a number from 1 to 4"),
    "quantized_type": (dict(k=2, activation_type="relu", quant_type="fp8"), "QMoE", "attribute 'quant_type' is 'fp8'"),
    "quantized_scales": (dict(k=2, activation_type="relu", expert_weight_bits=8), "QMoE", "fc1_scales must be 4 x 16"),
    "quantized_blocks": (dict(k=2, activation_type="relu", expert_weight_bits=8, block_size=5), "QMoE", "are no whole blocks of 5"),
    "quantized_bits": (dict(k=2, activation_type="relu", expert_weight_bits=3), "QMoE", "weights of 3 bits"),
    "quantized_layout": (dict(k=2, activation_type="relu", weights_prepacked=1), "QMoE", "weights_prepacked"),
}


def build(op, attributes, x, weights):
    names = ["w1", "b1", "w2", "b2"]
    inputs = ["x", "r"] + [name if name in weights else "" for name in names]
    node = helper.make_node(op, inputs, ["y"], "mixture", domain="com.microsoft", **attributes)
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph([node], "moe", [value("x", list(x.shape)), value("r", [T, E])], [value("y", list(x.shape))], [numpy_helper.from_array(w, name) for name, w in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9)


def pack(numbers, bits):
    """Numbers of the last axis in bytes, the first one in the low bits."""
    per = 8 // bits
    padded = np.concatenate([numbers, np.zeros(numbers.shape[:-1] + (-numbers.shape[-1] % per,), numbers.dtype)], -1)
    parts = padded.reshape(padded.shape[:-1] + (-1, per)).astype(np.uint8)
    return sum(parts[..., i] << (bits * i) for i in range(per)).astype(np.uint8)


def quantized(random, experts, outputs, inputs, bits, block, zeros):
    """Packed weights, scales, packed zero points or None, and what they stand for."""
    blocks = inputs // block if block else 1
    q = random.integers(0, 1 << bits, (experts, outputs, inputs))
    scale = (random.random((experts, outputs, blocks)) * 2.0 ** -bits + 2.0 ** -bits).astype(np.float32)
    zero = random.integers(0, 1 << bits, (experts, outputs, blocks)) if zeros else np.full((experts, outputs, blocks), 1 << (bits - 1))
    spread = lambda value: np.repeat(value, inputs // blocks, -1)
    dense = ((q - spread(zero)).astype(np.float32) * spread(scale)).astype(np.float32)
    return pack(q, bits), scale if block else scale[..., 0], (pack(zero, bits) if block else pack(zero[..., 0], bits)) if zeros else None, dense


def quantized_case(name, random, logits, cases):
    """What QMoE computes is what MoE computes with the weights multiplied out. ONNX Runtime's own QMoE must agree, as far as its kernels round activations."""
    bits, block, zeros, attributes = QUANTIZED[name]
    first = 2 * QH if attributes["activation_type"] == "swiglu" else QH
    x = (random.standard_normal((T, QD)) * 0.5).astype(np.float32)
    w1, s1, z1, dense1 = quantized(random, E, first, QD, bits, block, zeros)
    w2, s2, z2, dense2 = quantized(random, E, QD, QH, bits, block, zeros)
    b1 = (random.standard_normal((E, first)) * 0.5).astype(np.float32)
    mixing = random.random((T, E)).astype(np.float32) if name == "q4_mixing" else None
    picks = np.argsort(-logits, axis=1)[:, :attributes["k"]]
    reference = build("MoE", {**attributes, "normalize_routing_weights": 1}, x, {"w1": dense1, "b1": b1, "w2": dense2})
    y = onnxruntime.InferenceSession(reference.SerializeToString()).run(None, {"x": x, "r": logits})[0]
    weights = {"w1": w1, "s1": s1, "b1": b1, "w2": w2, "s2": s2, **({"z1": z1, "z2": z2} if zeros else {}), **({"mix": mixing} if mixing is not None else {})}

    def model():
        inputs = ["x", "r"] + [n if n in weights else "" for n in ("w1", "s1", "b1", "w2", "s2", "b2", "w3", "s3", "b3", "z1", "z2", "z3", "mix")]
        node = helper.make_node("QMoE", inputs, ["y"], "mixture", domain="com.microsoft", expert_weight_bits=bits, **({"block_size": block} if block else {}), **attributes)
        value = lambda what, shape: helper.make_tensor_value_info(what, TensorProto.FLOAT, shape)
        graph = helper.make_graph([node], "moe", [value("x", list(x.shape)), value("r", [T, E])], [value("y", list(x.shape))], [numpy_helper.from_array(w, what) for what, w in weights.items()])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=9)

    own = onnxruntime.InferenceSession(model().SerializeToString()).run(None, {"x": x, "r": logits})[0]
    if mixing is not None:    # MoE has no such input: from the experts one by one
        y = np.zeros_like(x)
        shares = np.take_along_axis(mixing, picks, 1)
        for t in range(T):
            for j, e in enumerate(picks[t]):
                h = x[t] @ dense1[e].T + b1[e]
                y[t] += shares[t, j] * ((h / (1 + np.exp(-h))) @ dense2[e].T)
    print(name, "largest difference from ONNX Runtime's QMoE", np.abs(own - y).max(), "of", np.abs(y).max())
    assert np.abs(own - y).max() < 0.02 * np.abs(y).max()
    for what in ("s1", "s2"):
        weights[what][E - 1] = np.nan
    onnx.save(model(), os.path.join(FOLDER, name + ".onnx"))
    np.save(os.path.join(FOLDER, name + ".x.npy"), x)
    np.save(os.path.join(FOLDER, name + ".y.npy"), y)
    rows = np.bincount(picks.ravel(), minlength=E).tolist()
    cases[name] = {"rows": rows, "multiply_adds": sum(rows) * (first * QD + QH * QD)}


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
    for number, name in enumerate(QUANTIZED):
        quantized_case(name, np.random.default_rng(number + 1), logits, cases)
    weights = {"w1": make(E, H, D), "w2": make(E, D, H)}
    for name, (attributes, op, message) in REFUSED.items():
        if op == "QMoE":    # the scales are missing or wrong
            weights = {"w1": np.zeros((E, H, D), np.uint8), "b1": make(E, D), "w2": make(E, D, H), "b2": np.zeros((E, D, H), np.uint8)}
        onnx.save(build(op, attributes, make(T, D), weights), os.path.join(FOLDER, f"refused_{name}.onnx"))
        cases[f"refused_{name}"] = {"message": message}
    with open(os.path.join(FOLDER, "cases.json"), "w") as file:
        json.dump(cases, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
