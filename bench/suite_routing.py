"""Networks that skip work, against what the skipped work should save.

Every case prints its bar and whether it was met.

    exit-encoder-25, -50, -75    12-layer encoder (d 768, sequence 64), batch 64, exits after 1/3 and 2/3; so many percent go on at each exit
    exit-resnet-25, -50, -75     a ResNet-like net in three stages, the same
    depth                        mixture of depths: 12 layers, every second one on 102 of 512 tokens
    if-costly, if-cheap          ONNX If; the predicate picks the side
    move                         partition and merge: 4096 rows x 1024 f32 in 8 groups, bodies that cost next to nothing
    moe-*, flattened-*           from routing_moe.py and routing_flattened.py

`parts` is what Sluice takes for the executed parts compiled by themselves as dense models of exactly these row counts: the sum. Ratios in the last line are of the best peer: ONNX
Runtime on the full model (or with If, or with Gather and ScatterND) and PyTorch skipping by indexing. All calls of a case are interleaved; exits are planted by thresholds taken between
the rows' own confidences and checked by the counters.
"""
import importlib
import os
import pathlib
import tempfile
import threading

import numpy as np
from onnx import TensorProto

import harness
import routing_models
import sluice_api

try:
    import torch
except ModuleNotFoundError:    # a peer less
    torch = None

BATCH = 64
RATES = [25, 50, 75]
SMOKE = ["if-cheap", "move"]    # what tests/bench runs


def verdict(met):
    return "met" if met else "MISSED"


class Bench:
    """What the cases share: options, a scratch folder, the ratios."""

    def __init__(self, arguments, context, folder):
        self.arguments, self.context, self.folder, self.ratios = arguments, context, folder, []

    def wanted(self, *names):
        return [name for name in names if not self.arguments.only or any(name == o or (o.endswith("*") and name.startswith(o[:-1])) for o in self.arguments.only)]

    def session(self, path, feeds, bindings=(), counters=False):
        return harness.placed(lambda: sluice_api.Session(self.context, path, threads=self.arguments.threads, bindings=bindings, counters=counters)).prepare(feeds)

    def onnxruntime(self, path):
        return harness.placed(lambda: harness.onnxruntime_session(path, self.arguments.threads))

    def measure(self, calls, seconds=None, least=3):
        """Medians of the named calls in seconds, interleaved."""
        names = list(calls)
        times = harness.interleave([calls[name] for name in names], seconds or self.arguments.seconds, least=least, warm=1)
        return {name: harness.median(row) for name, row in zip(names, times)}

    def path(self, name):
        return pathlib.Path(self.folder) / f"{name}.onnx"

    @staticmethod
    def text(times, name):
        return f"{1e3 * times[name]:.1f} ms" if name in times else "not there"

    def result(self, ours, peers, ok):
        """Notes the ratio to the best peer and says which that was."""
        peers = {name: time for name, time in peers.items() if time}
        best = min(peers, key=peers.get)
        self.ratios.append(peers[best] / ours if ok else None)
        return f"best peer {best} {1e3 * peers[best]:.2f} ms, ratio {peers[best] / ours:.2f}{'' if ok else '  WRONG'}"


# ---- early exits ----

def exits(bench, name, model):
    wanted = [rate for rate in RATES if bench.wanted(f"{name}-{rate}")]
    if not wanted:
        return
    x, parts = model.input(BATCH), [model.part(i, bench.path(f"{name}-part{i}")) for i in range(3)]
    full = bench.onnxruntime(model.full(bench.path(f"{name}-full")))
    # One dense pass by parts gives every row's state and confidence behind each third, hence thresholds and what each part gets.
    state, sure, logits = [x], [], []
    for i in range(3):
        session = bench.session(parts[i], {"x": state[i]})
        session.run()
        fetched = session.fetch()
        logits.append(fetched[0])
        if i < 2:
            state.append(fetched[1])
            sure.append(fetched[2])
        del session
    segment, tensor = (model.torch(), torch.from_numpy(x)) if torch else (None, None)

    def run_torch(thresholds):
        with torch.inference_mode():
            h, answer, at = tensor, torch.empty(BATCH, model.classes), torch.arange(BATCH)
            for i in range(3):
                h, out = segment(h, i)
                answer[at] = out
                if i < 2:
                    on = torch.softmax(out, -1).max(-1).values < thresholds[i]
                    h, at = h[on], at[on]
        return answer

    routed_path = model.routed(bench.path(f"{name}-routed"))
    routed, calls, cases, dense = None, {"ort": lambda: full.run(None, {"x": x})}, {}, {}

    def dense_part(i, rows):
        """Part i at exactly so many rows; what several rates need is measured once."""
        if f"part{i}-{rows}" not in calls:
            dense[i, rows] = bench.session(parts[i], {"x": state[i][:rows]}, bindings=[f"n={rows}"])
            calls[f"part{i}-{rows}"] = dense[i, rows].run
        return f"part{i}-{rows}"

    for rate in wanted:
        counts = [BATCH, BATCH * rate // 100]
        counts.append(counts[1] * rate // 100)
        first = np.sort(sure[0])
        thresholds = [np.float32((first[counts[1] - 1] + first[counts[1]]) / 2)]
        going = sure[0] < thresholds[0]
        second = np.sort(sure[1][going])
        thresholds.append(np.float32((second[counts[2] - 1] + second[counts[2]]) / 2))
        expected = logits[0].copy()
        expected[going] = logits[1][going]
        last = going & (sure[1] < thresholds[1])
        expected[last] = logits[2][last]
        feeds = {"x": x, "threshold0": thresholds[0], "threshold1": thresholds[1]}
        if routed is None:
            routed = bench.session(routed_path, feeds, bindings=[f"n={BATCH}"])
        arguments = routed.prepare(feeds).arguments, routed.kept, routed.shapes
        routed.run()
        bits = np.array_equal(routed.fetch()[0], expected)
        close = np.allclose(full.run(None, {"x": x})[2][last], expected[last], 1e-3, 1e-3) and (not torch or np.allclose(harness.placed(lambda: run_torch(thresholds)).numpy(), expected, 1e-3, 1e-3))
        checked = bench.session(routed_path, feeds, bindings=[f"n={BATCH}"], counters=True) if rate == wanted[0] else checked
        checked.prepare(feeds).run()
        rows = [branch.rows for branch in checked.branches()]

        def run_routed(arguments=arguments):
            routed.arguments, routed.kept, routed.shapes = arguments
            routed.run()

        calls[f"ours{rate}"] = run_routed
        if torch:
            calls[f"torch{rate}"] = lambda thresholds=thresholds: run_torch(thresholds)
        cases[rate] = (counts, [dense_part(i, counts[i]) for i in range(3)], bits and close and rows == counts[1:])
    del checked
    times = bench.measure(calls)
    macs = model.macs()
    for rate, (counts, names, ok) in cases.items():
        ours, sum_of_parts = times[f"ours{rate}"], sum(times[part] for part in names)
        saved = BATCH * sum(macs) / sum(count * mac for count, mac in zip(counts, macs))
        faster = times["ort"] / ours
        print(f"{name}-{rate:<6} rows {'/'.join(map(str, counts))}: {1e3 * ours:.1f} ms; parts {1e3 * sum_of_parts:.1f} ms ({' + '.join(f'{1e3 * times[part]:.1f}' for part in names)}): "
              f"{ours / sum_of_parts:.3f}x (bar 1.05x: {verdict(ours <= 1.05 * sum_of_parts)}); ORT full {1e3 * times['ort']:.1f} ms: {faster:.2f}x for {saved:.2f}x less work "
              f"(bar {0.9 * saved:.2f}x: {verdict(faster >= 0.9 * saved)}); PyTorch {bench.text(times, f'torch{rate}')}; "
              + bench.result(ours, {"ort": times["ort"], "torch": times.get(f"torch{rate}")}, ok), flush=True)


# ---- mixture of depths ----

def depth(bench):
    if not bench.wanted("depth"):
        return
    tokens, kept, width, classes = 512, 102, 768, 100
    model = routing_models.Encoder(12, width, 12, None)
    store = model.store
    random = np.random.default_rng(5)
    store["axis0"], store["k"], store["flat"] = np.array([0], np.int64), np.array([kept], np.int64), np.array([-1], np.int64)
    store["nowhere"], store["here"] = np.full(tokens, -1, np.int64), np.zeros(kept, np.int64)
    for n in range(1, 12, 2):
        store[f"{n}.router"] = random.standard_normal((width, 1), np.float32)

    def layer(g, n, x, out):
        """One layer on tokens x width."""
        g.node("Unsqueeze", [x, "axis0"], f"l{n}x")
        model.layer(g, n, f"l{n}x", f"l{n}y", f"l{n}")
        return g.node("Squeeze", [f"l{n}y", "axis0"], out)

    def pick(g, n, x):
        g.node("MatMul", [x, f"{n}.router"], f"score{n}_")
        g.node("Reshape", [f"score{n}_", "flat"], f"score{n}")
        return g.node("TopK", [f"score{n}", "k"], [f"best{n}", f"picked{n}"], axis=0)

    def dense(path, rows, layers, routers=False):
        g, x = routing_models.Graph(store), "x"
        for n in layers:
            x = layer(g, n, x, f"y{n}")
        return g.save(path, [("x", TensorProto.FLOAT, [rows, width])], [(x, TensorProto.FLOAT, [rows, width])])

    def whole(path, routed):
        g, x = routing_models.Graph(store), "x"
        for n in range(12):
            if n % 2 == 0:
                x = layer(g, n, x, f"y{n}")
                continue
            pick(g, n, x)
            if routed:
                g.node("ScatterElements", ["nowhere", f"picked{n}", "here"], f"key{n}", axis=0)
                body = g.body()
                layer(body, n, f"r{n}", f"b{n}")
                value = lambda name: (name, TensorProto.FLOAT, [f"m{n}", width])
                x = g.route([f"key{n}", x, x], f"y{n}", [body.proto(f"block{n}", [value(f"r{n}")], [value(f"b{n}")])], merge="keep")
            else:    # tokens in the order of the model, as the other form has them
                g.node("TopK", [f"picked{n}", "k"], [f"rows{n}", f"order{n}"], axis=0, largest=0)
                g.node("Gather", [x, f"rows{n}"], f"g{n}", axis=0)
                layer(g, n, f"g{n}", f"b{n}")
                g.node("Unsqueeze", [f"rows{n}", "flat"], f"at{n}")
                x = g.node("ScatterND", [x, f"at{n}", f"b{n}"], f"y{n}")
        return g.save(path, [("x", TensorProto.FLOAT, [tokens, width])], [(x, TensorProto.FLOAT, [tokens, width])])

    x = random.standard_normal((tokens, width), np.float32)
    ours = bench.session(whole(bench.path("depth"), True), {"x": x})
    all_tokens = bench.session(dense(bench.path("depth-all"), tokens, range(0, 12, 2)), {"x": x})
    some_tokens = bench.session(dense(bench.path("depth-some"), kept, range(1, 12, 2)), {"x": x[:kept]})
    peer = bench.onnxruntime(whole(bench.path("depth-peer"), False))
    full = bench.onnxruntime(dense(bench.path("depth-full"), tokens, range(12)))
    if torch:
        model.torch()
        routers, tensor = {n: torch.from_numpy(store[f"{n}.router"]) for n in range(1, 12, 2)}, torch.from_numpy(x)

    def run_torch():
        with torch.inference_mode():
            h = tensor[None]
            for n in range(12):
                if n % 2 == 0:
                    h = model.torch_layer(h, n)
                else:
                    rows = torch.topk((h[0] @ routers[n])[:, 0], kept).indices.sort().values
                    y = h.clone()
                    y[:, rows] = model.torch_layer(h[:, rows], n)
                    h = y
        return h[0]

    ours.run()
    if torch:
        harness.placed(run_torch)
    mine, theirs = ours.fetch()[0], peer.run(None, {"x": x})[0]
    ok = float(np.mean(np.abs(mine - theirs) > 1e-2 * (1 + np.abs(theirs)))) < 0.02    # near ties may pick another token in an engine that rounds otherwise
    times = bench.measure({"ours": ours.run, "all": all_tokens.run, "some": some_tokens.run, "ort": lambda: peer.run(None, {"x": x}), "full": lambda: full.run(None, {"x": x})} | ({"torch": run_torch} if torch else {}), least=5)
    parts = times["all"] + times["some"]
    print(f"depth        {1e3 * times['ours']:.1f} ms; parts {1e3 * parts:.1f} ms ({1e3 * times['all']:.1f} for 512 tokens + {1e3 * times['some']:.1f} for {kept}): {times['ours'] / parts:.3f}x "
          f"(bar 1.05x: {verdict(times['ours'] <= 1.05 * parts)}); ORT with Gather and ScatterND {1e3 * times['ort']:.1f}, without skipping {1e3 * times['full']:.1f}, PyTorch {bench.text(times, 'torch')}; "
          + bench.result(times["ours"], {"ort": times["ort"], "torch": times.get("torch")}, ok), flush=True)


# ---- If ----

def branch(bench):
    """Both sides of one If. Times of many calls at once: the difference sought is below the resolution of one. Weights fit into a core's cache beside those of the side alone and of the peer:
    else what is seen is who pushed out whom."""
    repeats, rows, width = 100, 16, 96
    random = np.random.default_rng(7)
    store = {name: random.standard_normal(shape, np.float32) / np.float32(16) for name, shape in {"up": (width, 4 * width), "down": (4 * width, width), "small": (width, 8), "back": (8, width)}.items()}
    shape = [rows, width]

    def side(g, costly, x, out):
        first, second = ("up", "down") if costly else ("small", "back")
        g.node("MatMul", [x, first], f"{out}h")
        g.node("Relu", [f"{out}h"], f"{out}a")
        return g.node("MatMul", [f"{out}a", second], out)

    value = lambda name: (name, TensorProto.FLOAT, shape)
    x = random.standard_normal(shape, np.float32)
    g = routing_models.Graph(store)
    bodies = []
    for costly in (True, False):
        body = g.body()
        bodies.append(body.proto("costly" if costly else "cheap", [], [value(side(body, costly, "x", "c" if costly else "s"))]))
    g.node("If", ["which"], "y", then_branch=bodies[0], else_branch=bodies[1])
    path = g.save(bench.path("if"), [value("x"), ("which", TensorProto.BOOL, [])], [value("y")])
    peer = bench.onnxruntime(path)
    for name, which in (("if-costly", True), ("if-cheap", False)):
        if not bench.wanted(name):
            continue
        alone = routing_models.Graph(store)
        side(alone, which, "x", "y")
        feeds = {"x": x, "which": np.array(which)}
        ours, taken = bench.session(path, feeds), bench.session(alone.save(bench.path(name), [value("x")], [value("y")]), {"x": x})
        ours.run(), taken.run()
        mine, theirs = ours.fetch()[0], peer.run(None, feeds)[0]
        ok = np.array_equal(mine, taken.fetch()[0]) and np.allclose(mine, theirs, 1e-3, 1e-4)
        many = lambda call: (lambda: [call() for _ in range(repeats)])
        times = {key: t / repeats for key, t in bench.measure({"ours": many(ours.run), "taken": many(taken.run), "ort": many(lambda: peer.run(None, feeds))}, least=9).items()}
        more = times["ours"] - times["taken"]
        print(f"{name:<12} {1e6 * times['ours']:.2f} us; taken side alone {1e6 * times['taken']:.2f} us: {1e6 * more:+.2f} us (bar under +2 us: {verdict(more < 2e-6)}); ORT {1e6 * times['ort']:.2f} us; "
              + bench.result(times["ours"], {"ort": times["ort"]}, ok), flush=True)


# ---- partition and merge ----

def move(bench):
    """The bodies scale what a row lies below its largest value: little, but nothing that would be done for all rows; what is measured is packing and merging. A copy each way: memmove of all rows there and back, on as many threads."""
    import ctypes
    if not bench.wanted("move"):
        return
    rows, width, groups, threads = 4096, 1024, 8, bench.arguments.threads
    random = np.random.default_rng(9)
    store = {f"factor{i}": np.array(i + 0.5, np.float32) for i in range(groups)}
    g = routing_models.Graph(store)
    value = lambda name, n="n": (name, TensorProto.FLOAT, [n, width])
    bodies = []
    for i in range(groups):
        body = g.body()
        body.node("ReduceMax", [f"r{i}"], f"t{i}", axes=[-1], keepdims=1)
        body.node("Sub", [f"r{i}", f"t{i}"], f"d{i}")
        body.node("Mul", [f"d{i}", f"factor{i}"], f"o{i}")
        bodies.append(body.proto(f"group{i}", [value(f"r{i}", f"m{i}")], [value(f"o{i}", f"m{i}")]))
    g.route(["keys", "x"], "y", bodies)
    path = g.save(bench.path("move"), [("keys", TensorProto.INT64, ["n"]), value("x")], [value("y")])
    keys, x = random.integers(0, groups, rows), random.standard_normal((rows, width), np.float32)
    ours = bench.session(path, {"keys": keys, "x": x})
    packed, back = np.empty_like(x), np.empty_like(x)
    packed.fill(0), back.fill(0)
    ours.run()
    ok = np.array_equal(ours.fetch()[0], (x - x.max(-1, keepdims=True)) * (keys + 0.5).astype(np.float32)[:, None])

    def copy(target, source, count):
        size = x.nbytes // count

        def part(i):
            os.sched_setaffinity(0, {harness.CPUS[i % len(harness.CPUS)]})
            ctypes.memmove(target.ctypes.data + i * size, source.ctypes.data + i * size, size)

        work = [threading.Thread(target=part, args=(i,)) for i in range(1, count)]
        for thread in work:
            thread.start()
        ctypes.memmove(target.ctypes.data, source.ctypes.data, size)
        for thread in work:
            thread.join()

    tensor, picks = (torch.from_numpy(x), torch.from_numpy(keys)) if torch else (None, None)

    def run_numpy():
        y = np.empty_like(x)
        for i in range(groups):
            at = np.nonzero(keys == i)[0]
            rows = x[at]
            y[at] = (rows - rows.max(-1, keepdims=True)) * np.float32(i + 0.5)
        return y

    def run_torch():
        with torch.inference_mode():
            y = torch.empty_like(tensor)
            for i in range(groups):
                at = torch.where(picks == i)[0]
                rows = tensor[at]
                y[at] = (rows - rows.max(-1, keepdim=True).values) * (i + 0.5)
        return y

    if torch:
        harness.placed(run_torch)
    calls = {"ours": ours.run, "numpy": run_numpy} | ({"torch": run_torch} if torch else {}) | {f"copies{n}": lambda n=n: (copy(packed, x, n), copy(back, packed, n)) for n in {1, threads}}
    times = bench.measure(calls, least=9)
    copies = min(times[key] for key in times if key.startswith("copies"))
    print(f"move         {1e3 * times['ours']:.2f} ms; two copies of the rows {1e3 * copies:.2f} ms ({', '.join(f'{key[6:]} threads {1e3 * t:.2f}' for key, t in times.items() if key.startswith('copies'))}): "
          f"{times['ours'] / copies:.2f}x (bar 1.2x: {verdict(times['ours'] <= 1.2 * copies)}); " + bench.result(times["ours"], {"torch": times.get("torch"), "numpy": times["numpy"]}, ok), flush=True)


def run(arguments, context):
    if torch:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, context, folder)
        branch(bench)
        move(bench)
        exits(bench, "exit-resnet", routing_models.Residual()) if bench.wanted(*[f"exit-resnet-{rate}" for rate in RATES]) else None
        depth(bench)
        exits(bench, "exit-encoder", routing_models.Encoder()) if bench.wanted(*[f"exit-encoder-{rate}" for rate in RATES]) else None
        for module in ("routing_moe", "routing_flattened"):
            try:
                more = importlib.import_module(module)
            except ModuleNotFoundError:
                continue
            bench.ratios += more.cases(arguments, context)
        return bench.ratios
