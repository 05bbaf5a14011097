"""softmax(q k^T + mask) v, against the better of ONNX Runtime and PyTorch (scaled_dot_product_attention, which has its own causal mode)."""
import tempfile

import numpy as np

import harness
import sluice_api

try:
    import torch
except ModuleNotFoundError:    # a peer less
    torch = None

SMOKE = ["128"]    # what tests/bench runs


def attention_model(keys, heads, depth, causal, path):
    """softmax(q k^T / sqrt(depth) + mask) v as exporters write it: two MatMuls, Mul, Add, Softmax; the causal mask is a constant of 0 and -inf."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes = [helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", ["q", "kt"], ["s"]), helper.make_node("Mul", ["s", "scale"], ["scaled"])]
    constants, last = [numpy_helper.from_array(np.array(depth ** -0.5, np.float32), "scale")], "scaled"
    if causal:
        constants.append(numpy_helper.from_array(np.where(np.tri(keys, dtype=bool), 0, -np.inf).astype(np.float32), "mask"))
        nodes.append(helper.make_node("Add", [last, "mask"], ["masked"]))
        last = "masked"
    nodes += [helper.make_node("Softmax", [last], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v"], ["o"])]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, heads, keys, depth])
    graph = helper.make_graph(nodes, "attention", [value("q"), value("k"), value("v")], [value("o")], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def run(arguments, context):
    if torch:
        torch.set_num_threads(arguments.threads)
    ratios, heads, depth = [], 12, 64
    print(f"{'case':<16} {'sluice ms':>10} {'(best)':>9} {'ort ms':>9} {'torch ms':>9} {'ratio':>6} {'GF/s':>6} {'arena MB':>9}  largest error")
    for keys in (128, 256, 512, 1024, 2048, 4096):
        for causal in (False, True):
            name = f"{keys}{'-causal' if causal else ''}"
            if arguments.only and name not in arguments.only:
                continue
            random = np.random.default_rng(0)
            feeds = {kind: random.standard_normal((1, heads, keys, depth), np.float32) for kind in "qkv"}
            with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
                attention_model(keys, heads, depth, causal, file.name)
                session = harness.placed(lambda: sluice_api.Session(context, file.name, threads=arguments.threads).prepare(feeds))
                peer = harness.placed(lambda: harness.onnxruntime_session(file.name, arguments.threads))
            q, k, v = (torch.from_numpy(feeds[kind]) if torch else None for kind in "qkv")

            def run_torch():
                with torch.inference_mode():
                    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

            session.run()
            error = float(np.abs(session.fetch()[0] - peer.run(None, feeds)[0]).max())
            if torch:
                harness.placed(run_torch)
            mine, *others = harness.interleave([session.run, lambda: peer.run(None, feeds)] + ([run_torch] if torch else []), arguments.seconds)
            median = [harness.median(times) for times in (mine, *others)]
            ratios.append(min(median[1:]) / median[0] if error < 1e-4 else None)
            flops = 4 * heads * keys * keys * depth / (2 if causal else 1)
            print(f"{name:<16} {1e3 * median[0]:10.3f} {1e3 * min(mine):9.3f} {1e3 * median[1]:9.3f} {1e3 * median[2] if torch else float('nan'):9.3f} {min(median[1:]) / median[0]:6.2f} {flops / min(mine) / 1e9:6.0f} "
                  f"{session.arena_bytes() / 1e6:9.2f}  {error:.2e}{'' if error < 1e-4 else '  WRONG'}", flush=True)
            del session, peer
    return ratios
