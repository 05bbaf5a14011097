"""neon.py: code for AArch64 (NEON), compiled here, run under qemu-user with the runtime cross-compiled, compared with the reference evaluator.

What is a sum of products in ascending order must have the evaluator's bits; what goes through exp and the like may differ in the last places. Exit code 77 (skipped)
without the cross compiler or qemu: packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user.
"""
import glob
import math
import os
import random
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import harness
from harness import SOURCE, graph, node, npy, read_npy

COMPILER, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"
TYPES = {"f32": (2, 32, "f4"), "f64": (2, 64, "f8"), "i64": (0, 64, "i8"), "i32": (0, 32, "i4"), "bool": (6, 8, "b1")}
FORMAT = {(2, 32): "f", (2, 64): "d", (0, 64): "q", (0, 32): "i", (6, 8): "?", (1, 8): "B", (0, 8): "b"}

if not shutil.which(COMPILER) or not shutil.which(QEMU):
    print(f"skipped: {COMPILER} or {QEMU} is missing")
    sys.exit(77)


def build_runner(folder, name="runner", *more):
    """The runtime and tests/cross/run_program.c as a static program for AArch64; kept per case folder's parent while it is newer than its sources."""
    binary = os.path.join(os.path.dirname(folder), name)
    sources = [f for place in ("runtime", "ir/support") for f in glob.glob(os.path.join(SOURCE, place, "*.c"))] + [os.path.join(SOURCE, "tests/cross/run_program.c")]
    headers = [f for place in ("runtime", "ir/support") for f in glob.glob(os.path.join(SOURCE, place, "**/*.[hd]*"), recursive=True)]
    if not more and os.path.exists(binary) and os.path.getmtime(binary) > max(map(os.path.getmtime, sources + headers)):
        return binary
    flags = ["-O1", "-static", "-std=gnu17", "-D_GNU_SOURCE", '-DSLUICE_VERSION="cross"'] + [f"-I{os.path.join(SOURCE, place)}" for place in
             ("runtime/include", "runtime", "ir/support/include", "ir/support")]
    subprocess.run([COMPILER, *flags, *sources, *more, "-o", binary, "-lm", "-lpthread"], check=True)
    return binary


def values(kind, count, seed, low=-1.0, high=1.0):
    generator = random.Random(seed)
    if kind in ("f32", "f64"):
        return [struct.unpack("<f", struct.pack("<f", generator.uniform(low, high)))[0] for _ in range(count)]
    if kind == "bool":
        return [generator.random() < 0.5 for _ in range(count)]
    return [generator.randrange(int(low), int(high) + 1) for _ in range(count)]


def run_cross(bench, runner, program, inputs, threads=1):
    """Outputs [(shape, values)] of a program under qemu. inputs: [(kind, shape, values)]."""
    out = bench.path("out-cross")
    os.makedirs(out, exist_ok=True)
    arguments = []
    for i, (kind, shape, data) in enumerate(inputs):
        code, bits, descr = TYPES[kind]
        bench.write(f"in{i}.bin", struct.pack(f"<{len(data)}{FORMAT[(code, bits)]}", *data))
        arguments.append(",".join(map(str, (code, bits, *shape))) + "=" + bench.path(f"in{i}.bin"))
    done = subprocess.run([QEMU, runner, bench.path(program), str(threads), out, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"qemu: {done.returncode}\n{done.stdout}{done.stderr}"
    results = []
    for i, line in enumerate(done.stdout.splitlines()):
        code, bits, *shape = map(int, line.split())
        with open(os.path.join(out, str(i)), "rb") as file:
            data = file.read()
        results.append((tuple(shape), list(struct.unpack(f"<{len(data) * 8 // bits}{FORMAT[(code, bits)]}", data))))
    return results


def reference(bench, model, names, inputs, outputs):
    arguments = []
    for (kind, shape, data), name in zip(inputs, names):
        bench.write(f"{name}.npy", npy(shape, data, TYPES[kind][2]))
        arguments += ["--input", f"{name}={name}.npy"]
    shutil.rmtree(bench.path("out-reference"), ignore_errors=True)
    bench.run("run", model, "--reference", *arguments, "--output-dir", "out-reference")
    return [read_npy(bench.path(f"out-reference/{name}.npy")) for name in outputs]


def compare(got, want, exact, what):
    assert len(got) == len(want), what
    for number, ((got_shape, got_values), (want_shape, want_values)) in enumerate(zip(got, want)):
        assert tuple(got_shape) == tuple(want_shape), f"{what}: output {number} has shape {got_shape}, expected {want_shape}"
        for at, (a, b) in enumerate(zip(got_values, want_values)):
            same = a == b or (a != a and b != b)
            if not same and not exact:
                same = math.isfinite(a) and math.isfinite(b) and abs(a - b) <= 1e-6 + 2e-5 * abs(b)
            assert same, f"{what}: output {number}, element {at} is {a!r}, expected {b!r}"


def check(bench, nodes, inputs, outputs, initializers=None, exact=True, shapes=None, threads=1, options=()):
    """inputs: (name, kind, shape in the model, [values]); shapes: what symbolic dims are in turn."""
    runner = build_runner(bench.folder)
    bench.write("m.json", graph(nodes, [(n, k, s) for n, k, s, *_ in inputs], outputs, initializers))
    bench.run("compile", "m.json", "--target", "aarch64", "-o", "m.slp", *options)
    for binding in shapes or [{}]:
        given = []
        for number, (name, kind, shape, *data) in enumerate(inputs):
            dims = [binding.get(d, d) for d in shape]
            given.append((kind, dims, data[0] if data else values(kind, math.prod(dims), number + 1)))
        want = reference(bench, "m.json", [n for n, *_ in inputs], given, outputs)
        compare(run_cross(bench, runner, "m.slp", given, threads), want, exact, f"{binding}")


def weight(shape, seed, low=-1.0, high=1.0):
    return {"type": "f32", "shape": shape, "data": values("f32", math.prod(shape), seed, low, high)}


def case_matmul_with_tails(bench):
    """Weights packed when compiling; every number of rows up to three tiles, columns and sums that fill no vector."""
    for n, k in (37, 29), (8, 16), (1, 5), (3, 1), (70, 64):
        check(bench, [node("MatMul", ["x", "w"], ["p"]), node("Add", ["p", "b"], ["y"])], [("x", "f32", ["m", k])], ["y"], {"w": weight([k, n], 7), "b": weight([n], 8)},
              shapes=[{"m": m} for m in (range(1, 25) if n == 37 else (1, 2, 5, 13))])


def case_matmul_without_weights(bench):
    """Both sides known only when running, in place and transposed."""
    check(bench, [node("MatMul", ["x", "w"], ["y"])], [("x", "f32", ["b", "m", "k"]), ("w", "f32", ["b", "k", "n"])], ["y"],
          shapes=[{"b": 2, "m": m, "k": k, "n": n} for m, k, n in ((1, 1, 1), (5, 7, 9), (13, 4, 18), (8, 16, 8), (3, 31, 33))])
    check(bench, [node("Transpose", ["w"], ["t"], perm=[1, 0]), node("MatMul", ["x", "t"], ["y"])], [("x", "f32", [9, 21]), ("w", "f32", [11, 21])], ["y"])
    check(bench, [node("MatMul", ["x", "w"], ["y"])], [("x", "f64", [7, 9]), ("w", "f64", [9, 5])], ["y"])


def case_forced_kernels(bench):
    for kernel in "tile-rows=3,tile-vectors=2", "a=packed", "b=packed", "k-block=5", "panels=3,tile-rows=2,tile-vectors=1", "orientation=swapped", "strategy=general":
        check(bench, [node("MatMul", ["x", "w"], ["y"])], [("x", "f32", [7, 29])], ["y"], {"w": weight([29, 37], 7)}, options=["--kernel", kernel])
    for kernel in "row-lanes=inside", "row-lanes=across", "row-lanes=none":
        check(bench, [node("Softmax", ["x"], ["y"], axis=-1)], [("x", "f32", ["m", 19])], ["y"], exact=False, options=["--kernel", kernel], shapes=[{"m": 1}, {"m": 7}])


def case_convolutions(bench):
    for options, channels, out, group in ({"pads": [1, 1, 1, 1]}, 5, 7, 1), ({"strides": [2, 2], "pads": [0, 1, 1, 0]}, 3, 16, 1), ({"dilations": [2, 1]}, 4, 6, 2), ({"pads": [1, 1, 1, 1]}, 6, 6, 6):
        check(bench, [node("Conv", ["x", "w", "b"], ["c"], group=group, **options), node("Relu", ["c"], ["y"])], [("x", "f32", [2, channels, 9, 11])], ["y"],
              {"w": weight([out, channels // group, 3, 3], 3), "b": weight([out], 4)}, exact=False)      # summed in the order of the layout that was chosen
    check(bench, [node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), node("GlobalAveragePool", ["x"], ["z"])], [("x", "f32", [1, 5, 7, 9])], ["y", "z"], exact=False)


def case_rows(bench):
    for width in (1, 3, 4, 17, 64):
        check(bench, [node("Softmax", ["x"], ["y"], axis=-1), node("LayerNormalization", ["x", "s", "b"], ["z"], axis=-1)], [("x", "f32", ["m", width])], ["y", "z"],
              {"s": weight([width], 1), "b": weight([width], 2)}, exact=False, shapes=[{"m": 1}, {"m": 6}])


def case_attention(bench):
    for queries, keys in (37, 37), (64, 130), (5, 300):
        check(bench, [node("Transpose", ["k"], ["t"], perm=[0, 1, 3, 2]), node("MatMul", ["q", "t"], ["s"]), node("Mul", ["s", "scale"], ["d"]), node("Softmax", ["d"], ["p"], axis=-1),
                      node("MatMul", ["p", "v"], ["y"])],
              [("q", "f32", [1, 2, queries, 24]), ("k", "f32", [1, 2, keys, 24]), ("v", "f32", [1, 2, keys, 20])], ["y"], {"scale": {"type": "f32", "shape": [], "data": [0.2]}}, exact=False,
              threads=2)
    with open(bench.path("m.json")) as _:
        text = bench.run("compile", "m.json", "--target", "aarch64", "--emit=ir").out
    assert "attention" in text, "the chain was not fused"


def case_elementwise(bench):
    odd = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1e-40, -1e-42, 3.4e38, -3.4e38, 0.5, -0.5, 1.5, 2.5, 80.0, -90.0, 1.0, -1.0, 1e-8, 7.25]
    for op in "Abs", "Neg", "Relu", "Floor", "Ceil", "Round", "Sqrt", "Sign", "Reciprocal":
        check(bench, [node(op, ["x"], ["y"])], [("x", "f32", [len(odd)], odd)], ["y"])
    for op in "Exp", "Tanh", "Sigmoid", "Erf", "Sin", "Log", "Gelu", "Softplus":
        data = odd if op not in ("Sin", "Gelu", "Softplus") else odd[9:]
        check(bench, [node(op, ["x"], ["y"])], [("x", "f32", [len(data)], data)], ["y"], exact=False)
    check(bench, [node("Mod", ["x", "y"], ["z"], fmod=1), node("Pow", ["a", "y"], ["p"])], [("x", "f32", [7]), ("y", "f32", [7], [0.5, 1.5, 2.0, -3.0, 0.25, 7.0, 1.0]), ("a", "f32", [7], [0.5, 2.0, 3.0, 1.5, 9.0, 1.1, 0.1])],
          ["z", "p"], exact=False)
    check(bench, [node("Cast", ["x"], ["h"], to=10), node("Cast", ["h"], ["y"], to=1), node("Cast", ["x"], ["b"], to=16), node("Cast", ["b"], ["z"], to=1)], [("x", "f32", [len(odd)], odd)], ["y", "z"])
    check(bench, [node("Add", ["i", "j"], ["s"]), node("Mul", ["i", "j"], ["p"]), node("Less", ["i", "j"], ["l"]), node("Where", ["l", "i", "j"], ["w"])],
          [("i", "i64", [9], [1, -2, 3, -(1 << 62), 5, 6, 1 << 62, 8, 9]), ("j", "i64", [9], [4, 4, -4, 3, 2, 6, 2, -8, 0])], ["s", "p", "l", "w"])


def case_recurrent(bench):
    hidden, width = 10, 7
    check(bench, [node("LSTM", ["x", "w", "r", "b"], ["y", "h", "c"], hidden_size=hidden, direction="bidirectional"), node("GRU", ["x", "gw", "gr", "gb"], ["z"], hidden_size=hidden)],
          [("x", "f32", [5, 3, width])], ["y", "h", "c", "z"],
          {"w": weight([2, 4 * hidden, width], 1), "r": weight([2, 4 * hidden, hidden], 2), "b": weight([2, 8 * hidden], 3),
           "gw": weight([1, 3 * hidden, width], 4), "gr": weight([1, 3 * hidden, hidden], 5), "gb": weight([1, 6 * hidden], 6)}, exact=False, threads=2)


def case_routines(bench):
    check(bench, [node("TopK", ["x", "three"], ["v", "i"]), node("NonZero", ["x"], ["n"]), node("Gather", ["x", "rows"], ["g"]), node("CumSum", ["x", "axis"], ["c"])],
          [("x", "f32", [4, 9], [float(i * 7 % 5) for i in range(36)])], ["v", "i", "n", "g", "c"],
          {"three": {"type": "i64", "shape": [1], "data": [3]}, "rows": {"type": "i64", "shape": [3], "data": [3, 0, 3]}, "axis": {"type": "i64", "shape": [], "data": [1]}})


def case_routed(bench):
    """Two experts of a router: rows go to one of them; and an If whose branch is decided by a value."""
    experts = []
    for e in range(2):
        experts += [node("MatMul", ["x", f"w{e}"], [f"h{e}"], name=f"e{e}"), node("Relu", [f"h{e}"], [f"r{e}"]), node("MatMul", [f"r{e}", f"u{e}"], [f"y{e}"])]
    check(bench, [node("MatMul", ["x", "router"], ["l"]), node("ReduceSum", ["l", "ax"], ["score"], keepdims=1), node("Greater", ["score", "zero"], ["key"]), *experts, node("Where", ["key", "y0", "y1"], ["y"])],
          [("x", "f32", ["b", 12])], ["y"], {"router": weight([12, 3], 1), "ax": {"type": "i64", "shape": [1], "data": [1]}, "zero": {"type": "f32", "shape": [], "data": [0.0]},
           **{f"w{e}": weight([12, 33], 10 + e) for e in range(2)}, **{f"u{e}": weight([33, 6], 20 + e) for e in range(2)}}, shapes=[{"b": b} for b in (1, 2, 9, 30)])


def case_samples(bench):
    """The routing samples of the tree, whole."""
    runner, count = build_runner(bench.folder), 0
    for path in sorted(glob.glob(os.path.join(SOURCE, "samples/routing/*.json"))):
        name = os.path.basename(path)
        shutil.copy(path, bench.path(name))
        import json
        with open(path) as file:
            model = json.load(file)
        if model.get("format") != "sluice-graph" or any(i["type"] not in TYPES for i in model["inputs"]):
            continue
        given = []
        for number, item in enumerate(model["inputs"]):
            shape = [6 if isinstance(d, str) else d for d in item["shape"]]
            given.append((item["type"], shape, values(item["type"], math.prod(shape), number + 5, 0 if item["type"] == "i64" else -1, 1)))
        outputs = [o["name"] if isinstance(o, dict) else o for o in model["outputs"]]
        want = reference(bench, name, [i["name"] for i in model["inputs"]], given, outputs)
        bench.run("compile", name, "--target", "aarch64", "-o", "m.slp")
        compare(run_cross(bench, runner, "m.slp", given, 2), want, False, name)
        count += 1
    assert count >= 3, f"only {count} samples were run"


def case_linked(bench):
    """A model as an object, linked into the program."""
    bench.write("m.json", graph([node("MatMul", ["x", "w"], ["p"]), node("Relu", ["p"], ["y"])], [("x", "f32", ["m", 11])], ["y"], {"w": weight([11, 13], 7)}))
    bench.run("compile", "m.json", "--target", "aarch64", "-o", "linked.o", "--header", "linked.h")
    runner = build_runner(bench.folder, "linked-runner", bench.path("linked.o"), '-DMODEL_HEADER="linked.h"', f"-I{bench.folder}")
    given = [("f32", [5, 11], values("f32", 55, 3))]
    compare(run_cross(bench, runner, "none", given), reference(bench, "m.json", ["x"], given, ["y"]), True, "linked")


def case_another_machine_says_so(bench):
    bench.write("m.json", graph([node("Relu", ["x"], ["y"])], [("x", "f32", [4])], ["y"]))
    bench.run("compile", "m.json", "--target", "x86-64", "-o", "m.slp")
    out = subprocess.run([QEMU, build_runner(bench.folder), bench.path("m.slp"), "1", bench.folder], capture_output=True, text=True)
    assert out.returncode == 1 and "another instruction set" in out.stderr, out.stderr


harness.main(globals())
