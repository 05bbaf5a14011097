"""Mixtures of experts as exporters flatten them, against ONNX Runtime on the same file: part of suite routing, names `flattened-*`.

    flattened-sum        every expert's MLP for all tokens, times its column of the gate, added up
    flattened-batched    the same with stacked weights: two batched products
    flattened-onehot     GShard's dispatch and combine by one-hot products (top-1, capacity twice the mean)
    flattened-loop       NonZero, gather, MLP, scatter for each expert: skips rows in ONNX Runtime, too
    flattened-gathered   the picks' weights copied for each token (4 tokens: the copies of 256 would not fit)

E 8, k 2, d 512, ff 2048, 256 tokens, f32. Bar for the first two: at least 0.9 * E/k times faster than ONNX Runtime; for one-hot the same with what it computes (E * capacity slots) by the tokens. Returned are
the ratios to ONNX Runtime.
"""
import pathlib
import tempfile

import numpy as np

import harness
import sluice_api

TOKENS, EXPERTS, PICKS, HIDDEN, INNER = 256, 8, 2, 512, 2048
NAMES = ["flattened-sum", "flattened-batched", "flattened-onehot", "flattened-loop", "flattened-gathered"]


class Writer:
    def __init__(self, picks):
        from onnx import helper, numpy_helper
        self.helper, self.numpy_helper, self.nodes, self.initializers, self.count = helper, numpy_helper, [], [], 0
        random = np.random.default_rng(0)
        make = lambda *shape: (random.standard_normal(shape) / np.sqrt(shape[-2])).astype(np.float32)
        self.w1, self.w2, self.picks = make(EXPERTS, HIDDEN, INNER), make(EXPERTS, INNER, HIDDEN), picks
        self.router = self.constant(make(HIDDEN, EXPERTS))

    def constant(self, array):
        name = f"c{len(self.initializers)}"
        self.initializers.append(self.numpy_helper.from_array(np.asarray(array), name))
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def node(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{self.count + i}" for i in range(outputs)]
        self.count += outputs
        self.nodes.append(self.helper.make_node(op, list(inputs), names, name=f"{op}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def save(self, path, result):
        import onnx
        self.nodes[-1].output[0] = "y" if self.nodes[-1].output[0] == result else self.nodes[-1].output[0]
        value = lambda name: self.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", HIDDEN])
        graph = self.helper.make_graph(self.nodes, "flattened", [value("x")], [value("y")], self.initializers)
        onnx.save(self.helper.make_model(graph, opset_imports=[self.helper.make_opsetid("", 17)], ir_version=8), path)

    def top(self):
        values, picked = self.node("TopK", self.node("MatMul", "x", self.router), self.ints(self.picks), outputs=2, axis=1)
        return self.node("Softmax", values, axis=1), picked

    def gate(self):
        """rows x experts, 0 but for the picks."""
        weights, picked = self.top()
        shape = self.node("Concat", self.rows(), self.ints(EXPERTS), axis=0)
        zeros = self.node("ConstantOfShape", shape, value=self.numpy_helper.from_array(np.zeros(1, np.float32)))
        return self.node("ScatterElements", zeros, picked, weights, axis=1)

    def rows(self):
        return self.node("Slice", self.node("Shape", "x"), self.ints(0), self.ints(1))

    def expert(self, x, e):
        return self.node("MatMul", self.node("Relu", self.node("MatMul", x, self.constant(self.w1[e]))), self.constant(self.w2[e]))


def flattened_sum(w):
    gate, total = w.gate(), None
    for e in range(EXPERTS):
        part = w.node("Mul", w.node("Slice", gate, w.ints(e), w.ints(e + 1), w.ints(1)), w.expert("x", e))
        total = w.node("Add", total, part) if total else part
    return total


def flattened_batched(w):
    gate = w.gate()
    h = w.node("Relu", w.node("MatMul", w.node("Unsqueeze", "x", w.ints(0)), w.constant(w.w1)))
    out = w.node("MatMul", h, w.constant(w.w2))
    weighted = w.node("Mul", out, w.node("Unsqueeze", w.node("Transpose", gate, perm=[1, 0]), w.ints(2)))
    return w.node("ReduceSum", weighted, w.ints(0), keepdims=0)


def flattened_onehot(w):
    capacity = 2 * TOKENS // EXPERTS
    p = w.node("Softmax", w.node("MatMul", "x", w.router), axis=1)
    one_hot = lambda x, depth: w.node("OneHot", x, w.ints(depth), w.constant(np.array([0, 1], np.float32)), axis=-1)
    mask = one_hot(w.node("ArgMax", p, axis=1, keepdims=0), EXPERTS)
    position = w.node("Sub", w.node("CumSum", mask, w.constant(np.array(0, np.int64))), w.constant(np.float32(1)))
    kept = w.node("Mul", mask, w.node("Cast", w.node("Less", position, w.constant(np.float32(capacity))), to=1))
    slot = one_hot(w.node("Cast", w.node("ReduceSum", w.node("Mul", position, kept), w.ints(1), keepdims=0), to=7), capacity)
    combine = w.node("Einsum", w.node("Mul", p, kept), slot, equation="se,sc->sec")
    dispatch = w.node("Cast", w.node("Greater", combine, w.constant(np.float32(0))), to=1)
    slots = w.node("Einsum", dispatch, "x", equation="sec,sm->ecm")
    out = w.node("MatMul", w.node("Relu", w.node("MatMul", slots, w.constant(w.w1))), w.constant(w.w2))
    return w.node("Einsum", combine, out, equation="sec,ecm->sm")


def flattened_loop(w):
    weights, picked = w.top()
    y = w.node("ConstantOfShape", w.node("Shape", "x"), value=w.numpy_helper.from_array(np.zeros(1, np.float32)))
    for e in range(EXPERTS):
        places = w.node("Transpose", w.node("NonZero", w.node("Equal", picked, w.ints(e))), perm=[1, 0])
        rows = w.node("Slice", places, w.ints(0), w.ints(1), w.ints(1))
        out = w.expert(w.node("GatherND", "x", rows), e)
        scaled = w.node("Mul", out, w.node("GatherND", w.node("Unsqueeze", weights, w.ints(2)), places))
        y = w.node("ScatterND", y, rows, scaled, reduction="add")
    return y


def flattened_gathered(w):
    weights, picked = w.top()
    flat = w.node("Reshape", picked, w.ints(-1))
    x = w.node("Reshape", w.node("Expand", w.node("Unsqueeze", "x", w.ints(1)), w.ints(1, w.picks, 1)), w.ints(-1, 1, HIDDEN))
    h = w.node("Relu", w.node("MatMul", x, w.node("Gather", w.constant(w.w1), flat, axis=0)))
    out = w.node("MatMul", h, w.node("Gather", w.constant(w.w2), flat, axis=0))
    out = w.node("Mul", w.node("Reshape", out, w.ints(-1, w.picks, HIDDEN)), w.node("Unsqueeze", weights, w.ints(2)))
    return w.node("ReduceSum", out, w.ints(1), keepdims=0)


def cases(arguments, context):
    only = getattr(arguments, "only", None)
    wanted = [n for n in NAMES if not only or any(n == o or (o.endswith("*") and n.startswith(o[:-1])) for o in only)]
    threads, seconds, ratios = getattr(arguments, "threads", 2), getattr(arguments, "seconds", 1.5), []
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            kind = name.split("-")[1]
            picks = 1 if kind == "onehot" else PICKS
            tokens = 4 if kind == "gathered" else TOKENS
            writer = Writer(picks)
            path = pathlib.Path(folder) / f"{name}.onnx"
            writer.save(path, globals()[f"flattened_{kind}"](writer))
            x = np.random.default_rng(1).standard_normal((tokens, HIDDEN)).astype(np.float32)
            ort = harness.placed(lambda: harness.onnxruntime_session(path, threads))
            ours = harness.placed(lambda: sluice_api.Session(context, path, threads=threads, bindings=[f"rows={tokens}"])).prepare({"x": x})
            ours.run()
            worst, agrees = harness.compare_outputs(ours.fetch(), ort.run(None, {"x": x}), absolute=1e-3)
            times = harness.interleave([ours.run, lambda: ort.run(None, {"x": x})], seconds, least=5)
            mine, theirs = harness.median(times[0]), harness.median(times[1])
            bar = {"sum": 0.9 * EXPERTS / PICKS, "batched": 0.9 * EXPERTS / PICKS, "onehot": 0.9 * 2}.get(kind)
            rate = 2 * 2 * tokens * picks * HIDDEN * INNER / mine / 1e9
            word = "" if bar is None else f", bar {bar:.1f} {'met' if theirs / mine >= bar else 'MISSED'}"
            print(f"{name:20} {1e3 * mine:8.2f} ms ({rate:.0f} Gflop/s of routed rows), ONNX Runtime {1e3 * theirs:8.2f} ms, ratio {theirs / mine:.2f}{word}{'' if agrees else f'  WRONG by {worst:g}'}", flush=True)
            ratios.append(theirs / mine if agrees else None)
            del ort, ours
    return ratios
