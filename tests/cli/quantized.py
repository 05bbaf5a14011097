"""Quantized models as ONNX writes them: products become sums of bytes (the pass recover-integers), with the reference evaluator's results.

Integer forms agree exactly. In float forms (QuantizeLinear and DequantizeLinear around a float op) sums in i32 round less often than the model's f32 sums: outputs that are quantized again may
differ by one step where the sum lies next to a tie."""
import math

import harness
from harness import graph, node, npy, read_npy

RANGES = {"u8": (0, 256), "i8": (-128, 128)}


def numbers(count, seed, low, high):
    state, out = seed * 2654435761 % 2**32, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(low + (state >> 8) % (high - low))
    return out


def tensor(kind, shape, data):
    return {"type": kind, "shape": shape, "data": data}


def check(bench, name, nodes, shape, initializers, kind="f32", products=1, steps=0, targets=("host", "x86-64-v3", "x86-64"), form="sums of products of bytes in i32"):
    m = bench.write(name + ".json", graph(nodes, [("x", kind, shape)], initializers=initializers))
    count = math.prod(shape)
    data = [value / 37 for value in numbers(count, 3, -150, 150)] if kind == "f32" else numbers(count, 3, *RANGES[kind])
    bench.write("x.npy", npy(shape, data, {"f32": "f4", "u8": "u1", "i8": "i1"}[kind]))
    bench.run("run", m, "--input", "x=x.npy", "--reference", "--output-dir", "want")
    want = read_npy(bench.path("want/y.npy"))
    for target in targets if harness.os.uname().machine == "x86_64" else ["host"]:
        done = bench.run("run", m, "--input", "x=x.npy", "--target", target, "--threads", "2", "--output-dir", "got", "--decisions=recover-integers")
        assert done.err.count("integers: " + form) == products, f"{name}: expected {products} recovered products\n{done}"
        got = read_npy(bench.path("got/y.npy"))
        assert got[0] == want[0], (got[0], want[0])
        off = [(a, b) for a, b in zip(got[1], want[1]) if a != b]
        if isinstance(want[1][0], float):
            assert all(abs(a - b) <= 1e-5 * (1 + abs(b)) for a, b in off), (name, target, off[:4])
        else:
            assert all(abs(a - b) <= steps for a, b in off) and (len(off) <= 1 + len(want[1]) // 50), (name, target, len(off), off[:4])


def case_matmul_integer(bench):
    for kind, weights, k, n in [("u8", "i8", 37, 19), ("i8", "i8", 64, 33), ("u8", "u8", 16, 8), ("i8", "i8", 5, 40)]:
        low, high = RANGES[weights] if weights == "i8" else (100, 156)      # u8 weights less their zero point fit i8
        zero = {"wz": tensor(weights, [], [128 if weights == "u8" else 0])}
        values = {"w": tensor(weights, [k, n], numbers(k * n, 1, low, high)), "xz": tensor(kind, [], [113 if kind == "u8" else -7])} | zero
        check(bench, "matmul", [node("MatMulInteger", ["x", "w", "xz", "wz"], ["y"])], [3, 7, k], values, kind)
    # weights beyond i8 stay as they are, and are right
    values = {"w": tensor("u8", [9, 17], numbers(9 * 17, 1, 0, 256)), "xz": tensor("u8", [], [3]), "wz": tensor("u8", [], [10])}
    check(bench, "wide", [node("MatMulInteger", ["x", "w", "xz", "wz"], ["y"])], [5, 9], values, "u8", products=0)
    # a zero point for each column
    values = {"w": tensor("i8", [9, 6], numbers(54, 1, -60, 60)), "xz": tensor("u8", [], [3]), "wz": tensor("i8", [6], [1, -2, 3, 0, 9, -5])}
    check(bench, "columns", [node("MatMulInteger", ["x", "w", "xz", "wz"], ["y"])], [5, 9], values, "u8")


def case_conv_integer(bench):
    for kind, groups, pads, strides in [("u8", 1, [1, 1, 1, 1], [1, 1]), ("u8", 1, [0, 1, 2, 0], [2, 1]), ("u8", 1, [0, 0, 0, 0], [1, 1])]:
        values = {"w": tensor("i8", [18, 5 // groups, 3, 3], numbers(18 * 45 // groups, 1, -128, 128)), "xz": tensor(kind, [], [131])}
        check(bench, "conv", [node("ConvInteger", ["x", "w", "xz"], ["y"], pads=pads, strides=strides, group=groups)], [2, 5, 9, 11], values, kind)


def qlinear(n):
    return {"xs": tensor("f32", [], [0.031]), "xz": tensor("u8", [], [120]), "ws": tensor("f32", [n], [0.002 + 0.0001 * i for i in range(n)]), "wz": tensor("i8", [n], [0] * n),
            "ys": tensor("f32", [], [0.27]), "yz": tensor("u8", [], [77])}


def case_qlinear(bench):
    values = qlinear(20) | {"w": tensor("i8", [33, 20], numbers(660, 1, -128, 128))}
    check(bench, "qmatmul", [node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])], [9, 33], values, "u8")
    values = qlinear(20) | {"w": tensor("i8", [20, 6, 3, 3], numbers(20 * 54, 1, -128, 128)), "b": tensor("i32", [20], numbers(20, 5, -2000, 2000))}
    check(bench, "qconv", [node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"], pads=[1, 1, 1, 1])], [1, 6, 8, 8], values, "u8")


def around(op, weights, axis, **attributes):
    """x -> quantize -> dequantize -> op with dequantized weights and bias -> quantize."""
    return [node("QuantizeLinear", ["x", "xs", "xz"], ["q"]), node("DequantizeLinear", ["q", "xs", "xz"], ["d"]), node("DequantizeLinear", ["w", "ws", "wz"], ["e"], axis=axis),
            node(op, ["d", "e", "b"] if op != "MatMul" else ["d", "e"], ["f"], **attributes), node("QuantizeLinear", ["f", "ys", "yz"], ["y"])]


def case_around_float_ops(bench):
    form = "sums of products of bytes in i32, then the scales"
    bias = {"b": tensor("f32", [20], [i / 8 - 1 for i in range(20)])}
    values = qlinear(20) | bias | {"w": tensor("i8", [20, 6, 3, 3], numbers(20 * 54, 1, -128, 128))}
    check(bench, "conv", around("Conv", "w", 0, pads=[1, 1, 1, 1]), [1, 6, 8, 8], values, steps=1, form=form)
    values = qlinear(20) | bias | {"w": tensor("i8", [20, 50], numbers(1000, 1, -128, 128))}
    check(bench, "gemm", around("Gemm", "w", 0, transB=1), [5, 50], values, steps=1, form=form)
    values = qlinear(20) | {"w": tensor("i8", [50, 20], numbers(1000, 1, -128, 128))}
    check(bench, "matmul", around("MatMul", "w", 1), [2, 3, 50], values, steps=1, form=form)
    # exact when asked for: the model's own f32 sums
    m = bench.write("strict.json", graph(around("MatMul", "w", 1), [("x", "f32", [2, 3, 50])], initializers=values))
    done = bench.run("run", m, "--input", "x=random", "--strict", "--decisions=recover-integers")
    assert "integers: stays f32: sums in i32 round differently, and --strict is on" in done.err, done


def case_depthwise(bench):
    """Bytes stay bytes through depthwise convolutions, with and without a zero point in the padding."""
    form = "sums of products of bytes in i32, then the scales"
    bias = {"b": tensor("f32", [20], [i / 8 - 1 for i in range(20)])}
    for zero, strides in [(0, [1, 1]), (120, [2, 2])]:
        values = qlinear(20) | bias | {"w": tensor("i8", [20, 1, 3, 3], numbers(180, 1, -128, 128)), "xz": tensor("u8", [], [zero])}
        check(bench, "depthwise", around("Conv", "w", 0, pads=[1, 1, 1, 1], group=20, strides=strides), [2, 20, 8, 9], values, steps=1, form=form)


def case_branches(bench):
    """Two products meet in an addition: the first's bytes stay where they are made, the second's kernel adds them; a clamp and many channels' biases in i32."""
    form = "sums of products of bytes in i32, then the scales"
    n = 300
    values = qlinear(n) | {"w": tensor("i8", [n, 6, 1, 1], numbers(n * 6, 1, -128, 128)), "v": tensor("i8", [n, 6, 1, 1], numbers(n * 6, 2, -128, 128)),
                           "b": tensor("i32", [n], numbers(n, 5, -2000, 2000)), "bs": tensor("f32", [n], [0.031 * (0.002 + 0.0001 * i) for i in range(n)]), "bz": tensor("i32", [n], [0] * n),
                           "ps": tensor("f32", [], [0.05]), "pz": tensor("u8", [], [101])}
    nodes = [node("QuantizeLinear", ["x", "xs", "xz"], ["q"]), node("DequantizeLinear", ["q", "xs", "xz"], ["d"]), node("DequantizeLinear", ["b", "bs", "bz"], ["e"], axis=0)]
    for name in "wv":
        nodes += [node("DequantizeLinear", [name, "ws", "wz"], [name + "d"], axis=0), node("Conv", ["d", name + "d", "e"], [name + "c"]),
                  node("QuantizeLinear", [name + "c", "ps", "pz"], [name + "q"]), node("DequantizeLinear", [name + "q", "ps", "pz"], [name + "f"])]
    nodes += [node("Add", ["wf", "vf"], ["s"]), node("Relu", ["s"], ["r"]), node("QuantizeLinear", ["r", "ys", "yz"], ["y"])]
    check(bench, "branches", nodes, [1, 6, 5, 5], values, products=2, steps=1, form=form)
    buffers = [line for line in bench.run("compile", bench.path("branches.json"), "--emit=ir", "-o", "-").out.splitlines() if "kernel.alloc" in line]
    assert buffers and not any("x i32>" in line for line in buffers), buffers


def case_dynamic(bench):
    values = {"w": tensor("i8", [40, 24], numbers(960, 1, -128, 128)), "wz": tensor("i8", [], [0]), "ws": tensor("f32", [], [0.004])}
    nodes = [node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]), node("MatMulInteger", ["q", "w", "z", "wz"], ["i"]), node("Cast", ["i"], ["f"], to=1),
             node("Mul", ["s", "ws"], ["t"]), node("Mul", ["f", "t"], ["y"])]
    check(bench, "dynamic", nodes, [6, 40], values)


harness.main(globals())
