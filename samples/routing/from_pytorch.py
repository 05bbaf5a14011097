#!/usr/bin/env python3
"""From PyTorch models that route to compiled ones that skip: a mixture of experts and early exits, each taken two ways. docs/routing.md goes through it step by step.

    python samples/routing/from_pytorch.py [--sluice build/sluice] [--out DIR]          (needs torch and onnx; exits 77 without)

Written: the module's own structure as an ONNX file in which `Route` (domain sluice) says which rows go where. Weights come from the module's state_dict.
Flattened: what torch.onnx.export makes of a forward() that computes everything and masks; Sluice finds the routing in it.

Every file is compiled and run by `sluice run`, compared with PyTorch's output, and must have skipped work. Exits 1 when one does not."""
import argparse
import json
import pathlib
import subprocess
import sys

try:
    import numpy as np
    import onnx
    import torch
    import torch.nn.functional as F
    from onnx import TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    print(f"needs {error.name}")
    sys.exit(77)

ROWS, WIDTH, HIDDEN, EXPERTS, TOP_K, CLASSES = 64, 64, 128, 8, 2, 10


# ---- 1. the models ----

class Moe(torch.nn.Module):
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


class Exits(torch.nn.Module):
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


# ---- 2. flattened: the exporter's file ----

def export(model, path):
    torch.onnx.export(model, (torch.zeros(ROWS, WIDTH),), str(path), input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "rows"}, "y": {0: "rows"}}, opset_version=17, dynamo=False)


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

def check(sluice, path, folder, expected):
    """`sluice run` with PyTorch's output to compare with, and the skip report."""
    command = [sluice, "run", str(path), "--input", f"x={folder / 'x.npy'}"]
    print("$", " ".join(command), "--expect", expected, "--report")
    run = subprocess.run(command + ["--expect", str(expected), "--rtol", "1e-4", "--atol", "1e-5", "--report"], capture_output=True, text=True)
    print("\n".join(line for line in run.stdout.splitlines() if line.startswith(("as expected", "skipped", "branch", "node", "  node"))), run.stderr, sep="\n", flush=True)
    if run.returncode:
        return False
    total = json.loads(subprocess.run(command + ["--report-json"], capture_output=True, text=True).stdout)["total"]
    return total["multiply_adds"] < 0.9 * total["dense_multiply_adds"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sluice", default="build/sluice")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/from_pytorch"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    x = torch.randn(ROWS, WIDTH)
    np.save(options.out / "x.npy", x.numpy())
    failed = []
    for name, model, write in (("moe", Moe(), write_moe), ("exits", Exits(), write_exits)):
        model.eval()
        with torch.no_grad():
            np.save(options.out / f"{name}-y.npy", model(x).numpy())
        export(model, options.out / f"{name}-flattened.onnx")
        write(model, options.out / f"{name}-written.onnx")
        for way in ("written", "flattened"):
            if not check(options.sluice, options.out / f"{name}-{way}.onnx", options.out, options.out / f"{name}-y.npy"):
                failed.append(f"{name}-{way}")
    print("failed: " + ", ".join(failed) if failed else "all four agree with PyTorch and skip")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
