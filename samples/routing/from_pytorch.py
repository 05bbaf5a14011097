#!/usr/bin/env python3
"""From PyTorch models that route to compiled ones that skip: a mixture of experts and early exits, each taken three ways. docs/routing.md goes through it step by step.

    python samples/routing/from_pytorch.py [--sluice build/sluice] [--out DIR]      exports, compiles, runs, compares (needs torch, onnx, onnxscript; exits 77 without)
    python samples/routing/from_pytorch.py --stored                                 the same from the files in samples/routing/pytorch/ (needs nothing but Python)
    python samples/routing/from_pytorch.py --store                                  exports, and stores the files there

Written: the module's own structure as an ONNX file in which `Route` (domain sluice) says which rows go where. Weights come from the module's state_dict.
Legacy, dynamo: what both of PyTorch's exporters make of a forward() that computes everything and masks; Sluice finds the routing in it.

Every file is compiled and run by `sluice run`, compared with PyTorch's output, and must have skipped exactly what PyTorch's routing says. An export is also compared with the stored files: weights and outputs always,
the nodes where the versions of torch and onnxscript are the same. Exits 1 when something differs."""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

try:
    import numpy as np
    import onnx
    import onnxscript
    import torch
    import torch.nn.functional as F
    from onnx import TensorProto, helper, numpy_helper
    missing = None
except ModuleNotFoundError as error:
    missing = error.name

STORED = pathlib.Path(__file__).resolve().parent / "pytorch"
ROWS, WIDTH, HIDDEN, EXPERTS, TOP_K, CLASSES = 64, 16, 32, 4, 2, 10
WAYS = ("written", "legacy", "dynamo")


# ---- 1. the models ----

class Moe(torch.nn.Module if not missing else object):
    """Each row goes to TOP_K experts; their results are added with softmax weights."""

    def __init__(self):
        super().__init__()
        self.gate = torch.nn.Linear(WIDTH, EXPERTS)
        self.up = torch.nn.ModuleList(torch.nn.Linear(WIDTH, HIDDEN) for _ in range(EXPERTS))
        self.down = torch.nn.ModuleList(torch.nn.Linear(HIDDEN, WIDTH) for _ in range(EXPERTS))

    def forward(self, x):
        """All experts for all rows, times a weight that is 0 for most: what an exporter can follow."""
        best, picks = torch.topk(self.gate(x), TOP_K)
        weights = torch.zeros(x.shape[0], EXPERTS).scatter(1, picks, torch.softmax(best, -1))
        return sum(weights[:, e:e + 1] * self.down[e](F.relu(self.up[e](x))) for e in range(EXPERTS))


class Exits(torch.nn.Module if not missing else object):
    """A row leaves with the first head when that is sure enough, else it takes the deep block and the second head."""

    def __init__(self):
        super().__init__()
        self.stem, self.head1 = torch.nn.Linear(WIDTH, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)
        self.deep, self.head2 = torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)
        with torch.no_grad():
            self.head1.weight *= 12    # untrained heads are never sure

    def forward(self, x):
        h = F.relu(self.stem(x))
        early = self.head1(h)
        sure = torch.softmax(early, -1).max(-1).values > 0.7
        return torch.where(sure[:, None], early, self.head2(F.relu(self.deep(h))))


# ---- 2. flattened: the exporters' files ----

def export(model, path, dynamo):
    dynamic = {"dynamic_shapes": ({0: torch.export.Dim("rows")},), "external_data": False} if dynamo else {"dynamic_axes": {"x": {0: "rows"}, "y": {0: "rows"}}, "opset_version": 17}
    torch.onnx.export(model, (torch.zeros(ROWS, WIDTH),), str(path), input_names=["x"], output_names=["y"], dynamo=dynamo, verbose=False, **dynamic)


# ---- 3. written: a few lines around onnx.helper ----

def node(op, inputs, output, **attributes):
    outputs = [output] if isinstance(output, str) else output
    return helper.make_node(op, inputs, outputs, name=outputs[0], **attributes)


def linear(x, name, output):
    """nn.Linear: its weight is stored transposed."""
    return node("Gemm", [x, f"{name}.weight", f"{name}.bias"], output, transB=1)


def body(name, inputs, nodes, output, width):
    """A branch: row tensors in (their leading dim is the rows that came here), one row for each out."""
    tensor = lambda value, size: helper.make_tensor_value_info(value, TensorProto.FLOAT, ["r", size])
    return helper.make_graph(nodes, name, [tensor(value, size) for value, size in inputs], [tensor(output, width)])


def route(inputs, output, bodies, **attributes):
    """Keys, row tensors[, weights]: see docs/routing.md."""
    return node("Route", inputs, output, domain="sluice", branches=bodies, **attributes)


def save(path, model, nodes, width, constants=()):
    tensor = lambda value, size: helper.make_tensor_value_info(value, TensorProto.FLOAT, ["rows", size])
    weights = [numpy_helper.from_array(value.numpy(), name) for name, value in model.state_dict().items()] + [numpy_helper.from_array(value, name) for name, value in constants]
    graph = helper.make_graph(nodes, path.stem, [tensor("x", WIDTH)], [tensor("y", width)], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("sluice", 1)], ir_version=8), path)


def write_moe(model, path):
    experts = [body(f"expert{e}", [("r", WIDTH)], [linear("r", f"up.{e}", f"u{e}"), node("Relu", [f"u{e}"], f"a{e}"), linear(f"a{e}", f"down.{e}", f"o{e}")], f"o{e}", WIDTH) for e in range(EXPERTS)]
    nodes = [linear("x", "gate", "logits"), node("TopK", ["logits", "k"], ["best", "picks"], axis=-1), node("Softmax", ["best"], "weights", axis=-1),
             route(["picks", "x", "weights"], "y", experts, merge="add", weighted=1)]
    save(path, model, nodes, WIDTH, [("k", np.array([TOP_K], np.int64))])


def write_exits(model, path):
    leave = body("leave", [("h_", HIDDEN), ("l", CLASSES)], [], "l", CLASSES)
    go_on = body("go_on", [("g", HIDDEN), ("l_", CLASSES)], [linear("g", "deep", "d"), node("Relu", ["d"], "e"), linear("e", "head2", "late")], "late", CLASSES)
    nodes = [linear("x", "stem", "s"), node("Relu", ["s"], "h"), linear("h", "head1", "early"), node("Softmax", ["early"], "p", axis=-1), node("ReduceMax", ["p"], "top", axes=[-1], keepdims=0),
             node("LessOrEqual", ["top", "threshold"], "on"), node("Cast", ["on"], "key", to=TensorProto.INT64), route(["key", "h", "early"], "y", [leave, go_on])]
    save(path, model, nodes, CLASSES, [("threshold", np.array(0.7, np.float32))])


# ---- 4. compile, run, compare, report ----

def check(sluice, folder, name, way, expected):
    """`sluice run` with PyTorch's output to compare with, and the skip report: exactly the rows and multiply-adds that PyTorch's routing needs."""
    command = [sluice, "run", str(folder / f"{name}-{way}.onnx"), "--input", f"x={folder / 'x.npy'}"]
    compare = ["--expect", str(folder / f"{name}-y.npy"), "--rtol", "1e-4", "--atol", "1e-5", "--deny=dense-fallback"]
    print("$", " ".join(command + compare), "--report")
    run = subprocess.run(command + compare + ["--report"], capture_output=True, text=True)
    print("\n".join(line for line in run.stdout.splitlines() if line.startswith(("as expected", "skipped", "branch", "node", "  node"))), run.stderr, sep="\n", flush=True)
    if run.returncode:
        return False
    report = json.loads(subprocess.run(command + ["--report-json"], capture_output=True, text=True).stdout)
    rows, work = [branch["rows"] for branch in report["branches"]], report["total"]["multiply_adds"]
    if rows != expected["rows"] or work != expected["multiply_adds"]:
        print(f"rows {rows}, {work} multiply-adds; expected {expected['rows']}, {expected['multiply_adds']}")
        return False
    return True


def make(folder):
    """All files, and the work that they need, counted by PyTorch."""
    torch.manual_seed(0)
    x = torch.randn(ROWS, WIDTH)
    np.save(folder / "x.npy", x.numpy())
    moe, exits = Moe().eval(), Exits().eval()
    with torch.no_grad():
        picks = torch.bincount(torch.topk(moe.gate(x), TOP_K).indices.flatten(), minlength=EXPERTS).tolist()
        going = int((torch.softmax(exits.head1(F.relu(exits.stem(x))), -1).max(-1).values <= 0.7).sum())
    expected = {"versions": {"torch": torch.__version__.split("+")[0], "onnxscript": onnxscript.__version__},
                "moe": {"rows": picks, "multiply_adds": ROWS * WIDTH * EXPERTS + sum(picks) * 2 * WIDTH * HIDDEN},
                "exits": {"rows": [going], "multiply_adds": ROWS * (WIDTH + CLASSES) * HIDDEN + going * (HIDDEN + CLASSES) * HIDDEN}}
    for name, model, write in (("moe", moe, write_moe), ("exits", exits, write_exits)):
        with torch.no_grad():
            np.save(folder / f"{name}-y.npy", model(x).numpy())
        write(model, folder / f"{name}-written.onnx")
        for way in WAYS[1:]:
            export(model, folder / f"{name}-{way}.onnx", way == "dynamo")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def without_paths(path):
    """What exporters note about the source code that a node came from stays out of stored files."""
    model = onnx.load(path)
    graph = model.graph
    for part in [model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        del part.metadata_props[:]
    for part in graph.node:
        part.ClearField("doc_string")
    onnx.save(model, path)


def differences(made, stored):
    """How an export differs from the stored one."""
    have, want = (json.loads((folder / "expected.json").read_text()) for folder in (made, stored))
    same_versions = have.pop("versions") == want.pop("versions")
    if have != want:
        yield f"expected.json: {have}, stored {want}"
    for path in sorted(stored.glob("*.npy")):
        if not np.allclose(np.load(made / path.name), np.load(path), rtol=1e-5, atol=1e-6):
            yield path.name
    for path in sorted(stored.glob("*.onnx")):
        graphs = [onnx.load(folder / path.name).graph for folder in (made, stored)]
        weights = [sorted((numpy_helper.to_array(t).shape, numpy_helper.to_array(t).tobytes()) for t in graph.initializer if numpy_helper.to_array(t).size > 16) for graph in graphs]
        if weights[0] != weights[1]:
            yield f"{path.name}: weights"
        nodes = [[(node.domain, node.op_type) for node in graph.node] for graph in graphs]
        if nodes[0] != nodes[1]:
            if same_versions:
                yield f"{path.name}: nodes"
            else:
                print(f"{path.name}: other nodes than the stored file, by another version of the exporter")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sluice", default="build/sluice")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/from_pytorch"))
    parser.add_argument("--stored", action="store_true")
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    if missing and not options.stored:
        print(f"needs {missing}")
        return 77
    failed, folder = [], STORED
    if not options.stored:
        folder = options.out
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
        if options.store:
            shutil.copytree(folder, STORED, dirs_exist_ok=True)
            for path in STORED.glob("*.onnx"):
                without_paths(path)
        failed += [f"not as stored (--store writes it anew): {what}" for what in differences(folder, STORED)]
    expected = json.loads((folder / "expected.json").read_text())
    failed += [f"{name}-{way}" for name in ("moe", "exits") for way in WAYS if not check(options.sluice, folder, name, way, expected[name])]
    print("failed: " + ", ".join(failed) if failed else "all six agree with PyTorch and skip")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
