"""Reductions of a product's columns in the product's kernel (passes/fuse_statistics.c), as the heads of language models have them: against ONNX Runtime, and against the same program without
that fusion (column `apart`)."""
import tempfile

import numpy as np

import harness
import sluice_api

SMOKE = ["16x64x4000-lse"]    # what tests/bench runs
SECONDS = 5
CASES = ["64x768x50257-lse", "64x768x50257-logsoftmax", "64x768x50257-softmax", "64x768x50257-max", "512x256x32000-lse", "512x256x32000-logsoftmax", "1x768x50257-lse"]


def head_model(rows, depth, columns, kind, path):
    """The reduction or normalisation of x w + b over its columns; w and b are constants."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    random = np.random.default_rng(0)
    weights = [numpy_helper.from_array(random.standard_normal((depth, columns), np.float32) / np.float32(depth ** 0.5), "w"),
               numpy_helper.from_array(random.standard_normal(columns, np.float32), "b")]
    last = {"lse": helper.make_node("ReduceLogSumExp", ["y"], ["o"], axes=[1]), "max": helper.make_node("ReduceMax", ["y"], ["o"], axes=[1]),
            "softmax": helper.make_node("Softmax", ["y"], ["o"], axis=1), "logsoftmax": helper.make_node("LogSoftmax", ["y"], ["o"], axis=1)}[kind]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"]), last]
    value = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, width])
    graph = helper.make_graph(nodes, "head", [value("x", depth)], [value("o", columns if kind.endswith("softmax") else 1)], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def run(arguments, context):
    ratios = []
    print(f"{'case':<26} {'sluice ms':>10} {'apart ms':>9} {'ort ms':>9} {'ratio':>6} {'gain':>6} {'arena MB':>9} {'(apart)':>9}  largest error")
    for name in arguments.only or CASES:
        shape, kind = name.split("-")
        rows, depth, columns = map(int, shape.split("x"))
        feeds = {"x": np.random.default_rng(1).standard_normal((rows, depth), np.float32)}
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            head_model(rows, depth, columns, kind, file.name)
            sessions = [harness.placed(lambda: sluice_api.Session(context, file.name, threads=arguments.threads, kernel=kernel).prepare(feeds)) for kernel in (None, "statistics=off")]
            peer = harness.placed(lambda: harness.onnxruntime_session(file.name, arguments.threads))
        want = peer.run(None, feeds)[0]
        errors = []
        for session in sessions:
            session.run()
            errors.append(float(np.abs(session.fetch()[0] - want).max()))
        times = harness.interleave([session.run for session in sessions] + [lambda: peer.run(None, feeds)], arguments.seconds)
        mine, apart, other = map(harness.median, times)
        good = max(errors) < 1e-4
        ratios.append(other / mine if good else None)
        print(f"{name:<26} {1e3 * mine:10.3f} {1e3 * apart:9.3f} {1e3 * other:9.3f} {other / mine:6.2f} {apart / mine:6.2f} {sessions[0].arena_bytes() / 1e6:9.2f} {sessions[1].arena_bytes() / 1e6:9.2f}"
              f"  {max(errors):.2e}{'' if good else '  WRONG'}", flush=True)
        del sessions, session, peer
    return ratios
