"""Mixture-of-experts layers for the suite `routing`: against ONNX Runtime's MoE op and PyTorch (loop over experts; rows sorted by expert), and against this engine's own dense rate.

One layer: router scores -> the k best experts of each token, softmax over their scores; expert: silu(x up) down, or, gated, (silu(x up) * (x gate)) down; weighted sum.
Bars: 1 token: time at most 1.3 x of the touched weights' bytes / measured read rate. From 256 tokens on: at least 0.9 x of the dense rate, which is that of the same two products (and
activation) with one set of weights over as many rows as all experts get. Everywhere: at least 1.5 x faster than the best peer.

`moe-mixed`: one program, so one layout of the weights, and a mix of loads; the schedule chosen by the load against each schedule for all loads. Bar: none of them is faster in total.

    bench/routing_moe.py [--threads 2] [--only E8-even-256,...]       by itself
"""
import json
import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
import sluice_api  # noqa: E402

LAYERS = {"E8": dict(experts=8, k=2, d=1024, ff=4096, gated=False), "E64": dict(experts=64, k=8, d=1024, ff=512, gated=False), "E8g": dict(experts=8, k=2, d=1024, ff=2048, gated=True)}
TOKENS = (1, 16, 256, 2048)
BAR_PEER, BAR_DENSE, BAR_BYTES = 1.5, 0.9, 1.3


def weights_of(layer):
    random = np.random.default_rng(1)
    draw = lambda *shape: (random.standard_normal(shape, np.float32) / np.float32(shape[-2] ** 0.5))
    names = ("up", "gate", "down") if layer["gated"] else ("up", "down")
    sizes = {"up": (layer["d"], layer["ff"]), "gate": (layer["d"], layer["ff"]), "down": (layer["ff"], layer["d"])}
    return {name: draw(layer["experts"], *sizes[name]) for name in names}


def body(layer, tag):
    """Nodes of one expert on rows r."""
    nodes = [{"op": "MatMul", "inputs": ["r", f"up{tag}"], "outputs": ["h"]}, {"op": "Sigmoid", "inputs": ["h"], "outputs": ["s"]}, {"op": "Mul", "inputs": ["h", "s"], "outputs": ["a"]}]
    last = "a"
    if layer["gated"]:
        nodes += [{"op": "MatMul", "inputs": ["r", f"gate{tag}"], "outputs": ["g"]}, {"op": "Mul", "inputs": ["a", "g"], "outputs": ["m"]}]
        last = "m"
    return nodes + [{"op": "MatMul", "inputs": [last, f"down{tag}"], "outputs": ["o"]}]


def write_model(path, graph, tensors):
    from safetensors.numpy import save_file
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, str(path.with_suffix(".safetensors")))
    graph = {"format": "sluice-graph", "version": 1, "opset": 21, "safetensors": path.with_suffix(".safetensors").name, **graph}
    path.write_text(json.dumps(graph))
    return path


def sluice_model(folder, layer, weights):
    tensors = {f"{name}{e}": value[e] for name, value in weights.items() for e in range(layer["experts"])}
    branches = [{"inputs": [{"name": "r"}], "nodes": body(layer, e), "outputs": ["o"]} for e in range(layer["experts"])]
    nodes = [{"op": "TopK", "inputs": ["scores", "k"], "outputs": ["best", "keys"]}, {"op": "Softmax", "inputs": ["best"], "outputs": ["w"], "attributes": {"axis": -1}},
             {"op": "Route", "domain": "sluice", "name": "experts", "inputs": ["keys", "x", "w"], "outputs": ["y"], "attributes": {"merge": "add", "weighted": 1, "branches": {"graphs": branches}}}]
    inputs = [{"name": "x", "type": "f32", "shape": ["tokens", layer["d"]]}, {"name": "scores", "type": "f32", "shape": ["tokens", layer["experts"]]}]
    return write_model(folder / "moe.json", {"name": "moe", "inputs": inputs, "outputs": ["y"], "initializers": {"k": {"type": "i64", "data": [layer["k"]]}}, "nodes": nodes}, tensors)


def dense_model(folder, layer, weights):
    tensors = {f"{name}0": value[0] for name, value in weights.items()}
    return write_model(folder / "dense.json", {"name": "dense", "inputs": [{"name": "r", "type": "f32", "shape": ["rows", layer["d"]]}], "outputs": ["o"], "initializers": {}, "nodes": body(layer, 0)},
                       tensors)


def onnx_model(path, layer, weights):
    """com.microsoft MoE; its weights are experts x out x in."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    turned = {name: np.ascontiguousarray(value.transpose(0, 2, 1)) for name, value in weights.items()}
    attributes = dict(k=layer["k"], normalize_routing_weights=1, activation_type="silu")
    inputs = ["x", "scores", "fc1", "", "fc2"]
    if layer["gated"]:   # rows of up and gate alternate
        turned["up"] = np.stack([turned["up"], turned["gate"]], 2).reshape(layer["experts"], 2 * layer["ff"], layer["d"])
        attributes.update(activation_type="swiglu", swiglu_fusion=1, activation_alpha=1.0, activation_beta=0.0)
    constants = [numpy_helper.from_array(turned["up"], "fc1"), numpy_helper.from_array(turned["down"], "fc2")]
    node = helper.make_node("MoE", inputs, ["y"], domain="com.microsoft", **attributes)
    value = lambda name, n: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["tokens", n])
    graph = helper.make_graph([node], "moe", [value("x", layer["d"]), value("scores", layer["experts"])], [value("y", layer["d"])], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8), str(path))


class Torch:
    def __init__(self, layer, weights):
        import torch
        self.torch, self.layer = torch, layer
        self.weights = {name: torch.from_numpy(value) for name, value in weights.items()}

    def expert(self, e, rows):
        hidden = self.torch.nn.functional.silu(rows @ self.weights["up"][e])
        if self.layer["gated"]:
            hidden = hidden * (rows @ self.weights["gate"][e])
        return hidden @ self.weights["down"][e]

    def route(self, scores):
        best, keys = self.torch.topk(scores, self.layer["k"], -1)
        return self.torch.softmax(best, -1), keys

    def loop(self, x, scores):
        with self.torch.inference_mode():
            weights, keys = self.route(scores)
            y = self.torch.zeros_like(x)
            for e in range(self.layer["experts"]):
                rows, choice = self.torch.where(keys == e)
                if rows.numel():
                    y.index_add_(0, rows, weights[rows, choice, None] * self.expert(e, x[rows]))
            return y

    def grouped(self, x, scores):
        with self.torch.inference_mode():
            weights, keys = self.route(scores)
            order = keys.flatten().argsort(stable=True)
            counts = self.torch.bincount(keys.flatten(), minlength=self.layer["experts"]).tolist()
            packed = x[order // self.layer["k"]].split(counts)
            results = self.torch.cat([self.expert(e, rows) for e, rows in enumerate(packed) if rows.shape[0]])
            y = self.torch.empty_like(results)
            y[order] = results
            return (y.view(x.shape[0], self.layer["k"], -1) * weights[..., None]).sum(1)


def scores_of(layer, tokens, skewed):
    """Even: every expert gets as many tokens as any other, as far as that is possible. Skewed: most tokens go to few experts, some experts get none."""
    random = np.random.default_rng(2)
    experts, k = layer["experts"], layer["k"]
    scores = random.standard_normal((tokens, experts)).astype(np.float32)
    if skewed:
        return (scores - 6 * np.arange(experts) / experts * (1 + 0.5 * (np.arange(experts) >= experts // 2))).astype(np.float32)
    for t in range(tokens):
        scores[t, (t * k + np.arange(k)) % experts] += 10
    return scores


def run_case(arguments, context, name, layer, weights, engines, tokens, skewed, folder):
    random = np.random.default_rng(3)
    feeds = {"x": random.standard_normal((tokens, layer["d"]), np.float32), "scores": scores_of(layer, tokens, skewed)}
    session, peer, torch = engines["sluice"].prepare(feeds), engines["ort"], engines["torch"]
    x, scores = torch.torch.from_numpy(feeds["x"]), torch.torch.from_numpy(feeds["scores"])
    session.run()
    want = torch.loop(x, scores).numpy()
    got = session.fetch()[0]
    error = float(np.abs(got - want).max())
    theirs = peer.run(None, feeds)[0] if peer else want
    calls = [session.run, lambda: torch.loop(x, scores), lambda: torch.grouped(x, scores)]
    if peer:
        calls.append(lambda: peer.run(None, feeds))
    dense = None
    if tokens >= 256:
        path, rows = dense_model(folder, layer, weights), {"r": random.standard_normal((tokens * layer["k"], layer["d"]), np.float32)}
        dense = harness.placed(lambda: sluice_api.Session(context, path, threads=arguments.threads, bindings=[f"rows={tokens * layer['k']}"]).prepare(rows))
        calls.insert(1, dense.run)
    times = harness.interleave(calls, arguments.seconds, least=5, warm=1)
    median = [harness.median(row) for row in times]
    mine, own, others = median[0], median[1] if dense else None, median[2:] if dense else median[1:]
    best = min(others)
    touched = len(np.unique(np.argsort(-feeds["scores"], 1, kind="stable")[:, :layer["k"]])) if tokens < 256 else layer["experts"]
    matrices = 3 if layer["gated"] else 2
    floor = touched * matrices * layer["d"] * layer["ff"] * 4 / engines["read"]()
    flops = 2 * tokens * layer["k"] * matrices * layer["d"] * layer["ff"]
    good = error < 1e-3
    fair = " (ort differs)" if np.abs(theirs - want).max() > 1e-2 else ""
    notes = f"bytes {mine / floor:5.2f}x of {1e3 * floor:.3f} ms" if tokens == 1 else f"dense {own / mine:5.2f} of own" if own else ""
    print(f"{name:<16} {1e3 * mine:9.3f} {1e3 * min(times[0]):9.3f} {1e3 * others[0]:9.3f} {1e3 * others[1]:9.3f} {1e3 * others[2] if peer else float('nan'):9.3f} {best / mine:6.2f} {flops / mine / 1e9:6.0f}  "
          f"{notes}  {error:.1e}{'' if good else '  WRONG'}{fair}", flush=True)
    return best / mine if good else None


MIXED = dict(experts=32, k=2, d=128, ff=256, gated=False)
MIX = [(1, "even", 64), (4, "even", 32), (16, "even", 16), (16, "skew", 16), (16, "peak", 16), (64, "even", 8), (64, "peak", 8), (512, "even", 1), (512, "skew", 1), (512, "peak", 1)]    # tokens, load, how often of each round


def mixed_scores(tokens, load):
    """peak: the first choice of all tokens is the last expert, the others share the second ones."""
    scores = scores_of(MIXED, tokens, load == "skew")
    if load == "peak":
        scores[:, -1] += 100
    return scores


def mixed(arguments, context):
    weights, native, times = weights_of(MIXED), harness.Ceilings().library, {}
    with tempfile.TemporaryDirectory() as folder:
        model = sluice_model(pathlib.Path(folder), MIXED, weights)
        random = np.random.default_rng(3)
        loads = [{"x": random.standard_normal((t, MIXED["d"]), np.float32), "scores": mixed_scores(t, load)} for t, load, _ in MIX]
        first = harness.placed(lambda: sluice_api.Session(context, model, threads=arguments.threads).prepare(loads[0]))
        sessions = {name: first if name == "auto" else harness.placed(lambda number=number: first.again(arguments.threads, schedule=number)) for name, number in sluice_api.SCHEDULES.items()}
        picked = []
        for feeds, (tokens, load, count) in zip(loads, MIX):
            results = []
            for session in sessions.values():
                session.prepare(feeds).run()
                results.append(session.fetch()[0])
            if not all(np.array_equal(results[0], other) for other in results):
                print("mixed: the schedules' results differ  WRONG")
                return [None]
            picked.append("+".join(name for name, number in first.schedules().items() if number))
            repeat = max(1, 512 // tokens)
            row = harness.interleave([lambda session=session: session.run_many(native, repeat) for session in sessions.values()], arguments.seconds / 2, least=9, warm=2)
            times[tokens, load] = {name: harness.median(t) / repeat for name, t in zip(sessions, row)}
    for (tokens, load, count), name in zip(MIX, picked):
        print(f"  {load}-{tokens:<5} x {count:<3} " + "  ".join(f"{n} {1e6 * t:8.1f} us" for n, t in times[tokens, load].items()) + f"   chosen: {name}")
    total = {name: sum(count * times[tokens, load][name] for tokens, load, count in MIX) for name in sessions}
    best = min((name for name in total if name != "auto"), key=total.get)
    print("moe-mixed        " + "  ".join(f"{name} {1e3 * t:.2f} ms" for name, t in total.items()) + f": {total[best] / total['auto']:.3f} of the best fixed one, {best} (bar: at least 1: {'met' if total['auto'] <= total[best] else 'MISSED'})", flush=True)
    return []


def cases(arguments, context, layers=LAYERS, tokens=TOKENS):
    """Ratios best peer / Sluice of all cases; None for a wrong one. Called by suite_routing.py."""
    if not arguments.only or "moe-mixed" in arguments.only:
        if mixed(arguments, context):
            return [None]
    if arguments.only and not any(name.split("-")[0] in layers for name in arguments.only):
        return []
    import torch
    torch.set_num_threads(arguments.threads)
    ratios, ceilings, buffer = [], harness.Ceilings(), np.ones(64 << 20, np.float32)
    print(f"{'case':<16} {'sluice ms':>9} {'(best)':>9} {'t loop':>9} {'t sorted':>9} {'ort ms':>9} {'ratio':>6} {'GF/s':>6}")
    for layer_name, layer in layers.items():
        names = [(f"{layer_name}-{'skew' if skewed else 'even'}-{t}", t, skewed) for t in tokens for skewed in (False, True)]
        names = [case for case in names if not arguments.only or case[0] in arguments.only]
        if not names:
            continue
        weights = weights_of(layer)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            model = sluice_model(folder, layer, weights)
            warm = {"x": np.ones((1, layer["d"]), np.float32), "scores": scores_of(layer, 1, False)}
            engines = {"torch": Torch(layer, weights), "read": lambda: max(ceilings.rate("read", arguments.threads, 20, buffer) for _ in range(3))}
            import time
            start = time.perf_counter()
            session = harness.placed(lambda: sluice_api.Session(context, model, threads=arguments.threads).prepare(warm))
            print(f"{layer_name}: compiled in {time.perf_counter() - start:.2f} s")
            engines["sluice"] = session
            harness.placed(lambda: engines["torch"].loop(*(torch.from_numpy(warm[name]) for name in ("x", "scores"))))
            engines["ort"] = None
            if not getattr(arguments, "no_ort", False):
                onnx_model(folder / "moe.onnx", layer, weights)
                try:
                    engines["ort"] = harness.placed(lambda: harness.onnxruntime_session(folder / "moe.onnx", arguments.threads))
                except Exception as error:
                    print(f"  ONNX Runtime: {str(error)[:200]}")
            for name, t, skewed in names:
                ratios.append(run_case(arguments, context, name, layer, weights, engines, t, skewed, folder))
            del engines, session
    return ratios


if __name__ == "__main__":
    import argparse
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--no-ort", action="store_true")
    cases(parser.parse_args(), sluice_api.Context())
