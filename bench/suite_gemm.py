"""Matrix products with constant weights, against oneDNN (weights packed beforehand, execution only) and ONNX Runtime (IO binding).

The last line is the ratio to oneDNN; the line before it the ratio to ONNX Runtime. Beside every time stands the share of the ceiling: of a loop of multiply-adds on
registers of the same kind and on as many threads, timed in the same rounds.
"""
import math
import tempfile

import numpy as np

import harness
import sluice_api

THREADS, SECONDS = [1, 2], 1.5
SHAPES = [(128, 768, 768), (512, 512, 512), (1024, 1024, 1024), (128, 3072, 768), (1, 768, 3072), (16, 1024, 1024), (37, 97, 211), (1, 4096, 4096), (3, 1000, 257)]


def add_arguments(parser):
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], default="f32", help="of the products: bf16 and int8 through the compiler's option `precision`")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=["onednn", "ort"], help="onednn,ort (default): whom to run beside Sluice")


def matmul_model(path, m, n, k, weights, precision="f32"):
    """f32: x w. bf16: the same with x of bf16, which the option `precision` multiplies as it is. int8: u8 by i8. Results are f32, as oneDNN writes them."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    node, kinds = helper.make_node, {"f32": TensorProto.FLOAT, "bf16": TensorProto.BFLOAT16, "int8": TensorProto.UINT8}
    nodes = {"f32": [node("MatMul", ["x", "w"], ["y"])], "bf16": [node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), node("MatMul", ["f", "w"], ["y"])],
             "int8": [node("MatMulInteger", ["x", "w"], ["i"]), node("Cast", ["i"], ["y"], to=TensorProto.FLOAT)]}[precision]
    graph = helper.make_graph(nodes, "gemm", [helper.make_tensor_value_info("x", kinds[precision], [m, k])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])],
                              [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def geomean(ratios):
    good = [r for r in ratios if r]
    return math.exp(sum(map(math.log, good)) / len(good)) if good else 0.0


def bf16_value(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def bf16_bits(array):
    """Rounded to nearest even."""
    bits = array.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def onednn_peer(onednn, precision, x, weights, threads):
    result = np.zeros((x.shape[0], weights.shape[1]), np.float32)
    if precision == "bf16":
        weights = bf16_bits(weights)
    peer = onednn.matmul(precision, x, weights, result, threads)
    if peer:
        peer.run_many(2)
    return peer


def ort_peer(path, threads, x, n):
    peer = harness.OnnxRuntimeBound(path, threads, {"x": x}, {"y": ((x.shape[0], n), np.float32)})
    peer.run_many(2)
    return peer


def sluice_session(context, path, threads, precision, x):
    settings = {"precision": "bf16"} if precision == "bf16" else {}       # int8: the model's own types
    session = sluice_api.Session(context, path, threads=threads, **settings).prepare({"x": x})
    session.run()
    return session


def run(arguments, context):
    precision, threads = arguments.precision, arguments.threads
    ceilings, onednn = harness.Ceilings(), harness.OneDnn()
    tolerance = {"f32": 1e-5, "bf16": 2e-2, "int8": 0.5}[precision]      # int8: sums beyond 2^24 round in f32
    if not onednn.available:
        print("oneDNN: missing (libdnnl was not found when the build was configured); the last line is the ratio to ONNX Runtime")
    print(f"{precision}, {threads} thread{'s' * (threads > 1)}; oneDNN {onednn.version}")
    print(f"{'m x n x k':<16} {'sluice us':>10} {'%':>4} {'oneDNN us':>10} {'%':>4} {'ort us':>10} {'%':>4} {'/oneDNN':>8} {'/ort':>6} {'ceiling':>8}  largest error")
    to_onednn, to_ort = [], []
    for m, n, k in SHAPES:
        name = f"{m}x{n}x{k}"
        if arguments.only and name not in arguments.only:
            continue
        random = np.random.default_rng(0)
        x, weights = random.standard_normal((m, k), np.float32), random.standard_normal((k, n), np.float32) / np.float32(math.sqrt(k))
        if precision == "bf16":
            x = bf16_bits(x)
        if precision == "int8":
            x, weights = random.integers(0, 255, x.shape, np.uint8), random.integers(-127, 127, weights.shape, np.int8)
        exact = (bf16_value(x) if precision == "bf16" else x).astype(np.float64) @ weights.astype(np.float64)
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            matmul_model(file.name, m, n, k, weights, precision)
            session = harness.placed(lambda: sluice_session(context, file.name, threads, precision, x))
            ort = harness.placed(lambda: ort_peer(file.name, threads, x, n)) if precision == "f32" and "ort" in arguments.peers else None
        error = float(np.abs(session.fetch()[0] - exact).max())
        peer = harness.placed(lambda: onednn_peer(onednn, precision, x, weights, threads)) if onednn.available and "onednn" in arguments.peers else None
        calls = [lambda count: session.run_many(ceilings.library, count)] + [other.run_many for other in (peer, ort) if other]
        times, rates = harness.interleave_bursts(calls, arguments.seconds, lambda: ceilings.rate(precision, threads))
        if peer:
            error = max(error, float(np.abs(peer.result() - exact).max()))
        medians, ceiling = [harness.median(row) for row in times], harness.median(rates)
        share = lambda seconds: f"{100 * m * n * k / seconds / ceiling:4.0f}" if ceiling else "   -"
        cells, position = [f"{1e6 * medians[0]:10.2f} {share(medians[0])}"], 1
        for other in (peer, ort):
            cells.append(f"{1e6 * medians[position]:10.2f} {share(medians[position])}" if other else f"{'missing' if other is peer else '-':>10}     ")
            position += bool(other)
        ok = error < tolerance * 5
        to_onednn.append(medians[1] / medians[0] if peer and ok else None)
        to_ort.append(medians[-1] / medians[0] if ort and ok else None)
        cell = lambda ratio, width: f"{ratio:{width}.2f}" if ratio else " " * (width - 1) + "-"
        print(f"{name:<16} {' '.join(cells)} {cell(to_onednn[-1], 8)} {cell(to_ort[-1], 6)} {ceiling / 1e9:8.1f}  {error:.2e}{'' if ok else '  WRONG'}", flush=True)
        del session, peer, ort
    if precision == "f32":
        print(f"against ONNX Runtime: geomean {geomean(to_ort):.3f} worst {min(filter(None, to_ort), default=0):.3f}")
    return to_onednn if onednn.available and "onednn" in arguments.peers else to_ort
