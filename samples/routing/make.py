#!/usr/bin/env python3
"""Writes the models of docs/routing.md: one for each way of leaving work out. Small weights from a fixed seed, so that the files can be read; standard library only."""
import json
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))


def matrix(rows, columns, seed, scale=0.5):
    generator = random.Random(seed)
    return {"type": "f32", "data": [[round(generator.uniform(-scale, scale), 2) for _ in range(columns)] for _ in range(rows)]}


def integers(values):
    return {"type": "i64", "data": values}


def floats(values):
    return {"type": "f32", "data": values}


def node(op, inputs, output, **attributes):
    result = {"op": op, "inputs": inputs, "outputs": [output] if isinstance(output, str) else output}
    if attributes:
        result["attributes"] = attributes
    return result


def body(inputs, nodes, outputs):
    return {"inputs": [{"name": name} for name in inputs], "nodes": nodes, "outputs": outputs}


def route(name, inputs, outputs, branches, **attributes):
    """Rows to branches: inputs are the keys, row tensors, then weights (weighted) or old values (merge keep)."""
    outputs = [outputs] if isinstance(outputs, str) else outputs
    return {"op": "Route", "domain": "sluice", "name": name, "inputs": inputs, "outputs": outputs, "attributes": {"branches": {"graphs": branches}, **attributes}}


def feed_forward(name, source, target, up, down, first):
    """target = relu(source @ up) @ down"""
    return [node("MatMul", [source, up], f"{first}_h"), node("Relu", [f"{first}_h"], f"{first}_a"), {**node("MatMul", [f"{first}_a", down], target), "name": name}]


def write(name, doc, inputs, outputs, initializers, nodes):
    model = {"format": "sluice-graph", "version": 1, "name": name, "doc": doc, "opset": 21, "inputs": inputs, "outputs": outputs, "initializers": initializers, "nodes": nodes}
    with open(os.path.join(HERE, name + ".json"), "w", encoding="utf-8") as file:
        file.write(lay_out(model, 0) + "\n")


def lay_out(value, indent):
    """Short things on one line, long ones opened up."""
    flat = json.dumps(value)
    if len(flat) + indent <= 150:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{pad}{json.dumps(key)}: {lay_out(item, indent + 2)}" for key, item in value.items()) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + lay_out(item, indent + 2) for item in value) + "\n" + " " * indent + "]"


ROWS = [{"name": "x", "type": "f32", "shape": ["rows", 8]}]
RESULT = ["y"]


def scalar_if():
    """One decision for the whole batch: ONNX If."""
    write("scalar-if", "One decision for the whole batch: only the taken side runs.", ROWS + [{"name": "costly", "type": "i1", "shape": []}], RESULT,
          {"up": matrix(8, 32, 1), "down": matrix(32, 8, 2), "small": matrix(8, 8, 3)},
          [node("If", ["costly"], "y", then={"nodes": feed_forward("wide", "x", "w", "up", "down", "wide"), "outputs": ["w"]},
                **{"else": {"nodes": [node("MatMul", ["x", "small"], "s")], "outputs": ["s"]}})])


def row_if():
    """A decision for each row: two bodies, each on its own rows."""
    write("row-if", "A decision for each row: rows with a positive first element take the wide body, others the narrow one.", ROWS, RESULT,
          {"up": matrix(8, 32, 1), "down": matrix(32, 8, 2), "small": matrix(8, 8, 3), "first": integers(0), "zero": {"type": "f32", "data": 0.0}},
          [node("Gather", ["x", "first"], "lead", axis=1), node("Greater", ["lead", "zero"], "is_wide"), node("Cast", ["is_wide"], "key", to={"element": "i64"}),
           route("decide", ["key", "x"], "y", [body(["r"], [node("MatMul", ["r", "small"], "s")], ["s"]),
                                               body(["r"], feed_forward("wide", "r", "w", "up", "down", "wide"), ["w"])])])


def early_exit():
    """The rest of the network is the body of the rows that go on: exits nest."""
    head = lambda h, at: [node("MatMul", [h, f"head{at}"], f"logits{at}"), node("Softmax", [f"logits{at}"], f"p{at}", axis=-1),
                          node("ReduceMax", [f"p{at}", "last_axis"], f"sure{at}", keepdims=0), node("Less", [f"sure{at}", "threshold"], f"on{at}"),
                          node("Cast", [f"on{at}"], f"key{at}", to={"element": "i64"})]
    leave = body(["h", "l"], [], ["l"])
    third = body(["h", "l"], [node("MatMul", ["h", "block3"], "m3"), node("Relu", ["m3"], "h3"), node("MatMul", ["h3", "head3"], "logits3")], ["logits3"])
    second = body(["h", "l"], [node("MatMul", ["h", "block2"], "m2"), node("Relu", ["m2"], "h2"), *head("h2", 2), route("exit2", ["key2", "h2", "logits2"], "after2", [leave, third])],
                  ["after2"])
    write("early-exit", "A row leaves at the first head that is sure enough; the others go on together. `threshold` is an input: it can change from call to call.",
          ROWS + [{"name": "threshold", "type": "f32", "shape": []}], RESULT,
          {"block1": matrix(8, 16, 1), "block2": matrix(16, 16, 2), "block3": matrix(16, 16, 3), "head1": matrix(16, 4, 4, 1.5), "head2": matrix(16, 4, 5, 1.5),
           "head3": matrix(16, 4, 6, 1.5), "last_axis": integers([-1])},
          [node("MatMul", ["x", "block1"], "m1"), node("Relu", ["m1"], "h1"), *head("h1", 1), route("exit1", ["key1", "h1", "logits1"], "y", [leave, second])])


def experts():
    """Top-2 of four experts with softmax gates."""
    initializers = {"gate": matrix(8, 4, 10, 1.0), "two": integers([2])}
    branches = []
    for e in range(4):
        initializers[f"up{e}"], initializers[f"down{e}"] = matrix(8, 16, 20 + e), matrix(16, 8, 30 + e)
        branches.append(body(["r"], feed_forward(f"expert{e}", "r", "o", f"up{e}", f"down{e}", "e"), ["o"]))
    write("experts", "Each row goes to its two best experts of four; their results are added with softmax weights.", ROWS, RESULT, initializers,
          [node("MatMul", ["x", "gate"], "logits"), node("TopK", ["logits", "two"], ["best", "keys"], axis=-1), node("Softmax", ["best"], "weights", axis=-1),
           route("mixture", ["keys", "x", "weights"], "y", branches, merge="add", weighted=1)])


def depth():
    """Mixture of depths: the four rows with the largest score take the block, the others pass by."""
    write("depth", "Mixture of depths: a router picks four rows for the block; the others keep what they are (a negative key sends a row nowhere).", ROWS, RESULT,
          {"router": matrix(8, 1, 40), "up": matrix(8, 32, 41), "down": matrix(32, 8, 42), "four": integers([4]), "one": {"type": "i64", "data": [0]}, "rank1": integers([-1]),
           "minus": {"type": "i64", "data": [-1]}, "rows_axis": integers([0])},
          [node("MatMul", ["x", "router"], "score2"), node("Reshape", ["score2", "rank1"], "score"), node("TopK", ["score", "four"], ["top", "picked"], axis=0, sorted=1),
           node("Shape", ["score"], "count"), node("Expand", ["minus", "count"], "nowhere"), node("Expand", ["one", "four"], "zeros"),
           node("ScatterElements", ["nowhere", "picked", "zeros"], "keys", axis=0),
           route("pick", ["keys", "x", "x"], "y", [body(["r"], [*feed_forward("block", "r", "f", "up", "down", "b"), node("Add", ["r", "f"], "o")], ["o"])], merge="keep")])


def width():
    """Adaptive width: a row uses the first n of four learners; learner i is a slice of one weight."""
    initializers = {"up": matrix(8, 16, 50), "down": matrix(16, 8, 51), "learners": integers([[0, 1, 2, 3]]), "none": integers([[-1]]), "axis1": integers([1]), "axis0": integers([0])}
    branches = []
    for i in range(4):
        initializers[f"from{i}"], initializers[f"to{i}"] = integers([4 * i]), integers([4 * i + 4])
        branches.append(body(["r"], [node("Slice", ["up", f"from{i}", f"to{i}", "axis1"], "u"), node("Slice", ["down", f"from{i}", f"to{i}", "axis0"], "d"),
                                     *feed_forward(f"learner{i}", "r", "o", "u", "d", "l")], ["o"]))
    write("width", "Adaptive width: `count` says how many of four learners each row uses; their results add up. Learners are slices of one weight.",
          ROWS + [{"name": "count", "type": "i64", "shape": ["rows", 1]}], RESULT, initializers,
          [node("Less", ["learners", "count"], "uses"), node("Where", ["uses", "learners", "none"], "keys"), route("grow", ["keys", "x"], "z", branches, merge="add"),
           node("Add", ["x", "z"], "y")])


def neurons():
    """Activation sparsity by blocks: a row uses the two of four blocks of hidden neurons with the largest score."""
    initializers = {"score": matrix(8, 4, 60, 1.0), "two": integers([2])}
    branches = []
    for i in range(4):
        initializers[f"up{i}"], initializers[f"down{i}"] = matrix(8, 8, 61 + i), matrix(8, 8, 71 + i)
        branches.append(body(["r"], feed_forward(f"block{i}", "r", "o", f"up{i}", f"down{i}", "n"), ["o"]))
    write("neurons", "Activation sparsity: the hidden neurons of a feed-forward layer in four blocks, of which a row uses two.", ROWS, RESULT, initializers,
          [node("MatMul", ["x", "score"], "scores"), node("TopK", ["scores", "two"], ["best", "keys"], axis=-1), route("active", ["keys", "x"], "y", branches, merge="add")])


def constant_gates():
    """Routes that are known when compiling: the router is gone, unused bodies too."""
    write("constant-gates", "Gates that are constant: the compiled model has no router, and only the bodies that rows take (here: one of three).",
          [{"name": "x", "type": "f32", "shape": [4, 8]}], RESULT,
          {"keys": integers([1, 1, 1, 1]), "w0": matrix(8, 8, 80), "w1": matrix(8, 8, 81), "w2": matrix(8, 8, 82)},
          [route("gates", ["keys", "x"], "y", [body(["r"], [node("MatMul", ["r", f"w{i}"], "o")], ["o"]) for i in range(3)])])


def free_branches():
    """Experts that cost nothing: zero, copy and constant, as in MoE++."""
    initializers = {"up": matrix(8, 16, 90), "down": matrix(16, 8, 91), "learned": floats([[0.5, -0.25, 1.0, 0.0, 0.75, -1.0, 0.25, 0.5]]),
                    "zero": floats([[0.0] * 8])}
    same = lambda row: body(["r"], [node("Shape", ["r"], "s"), node("Expand", [row, "s"], "o")], ["o"])
    write("free-branches", "One expert that computes, one that copies, one that gives a learned row and one that gives 0: only the first one runs anything.",
          ROWS + [{"name": "keys", "type": "i64", "shape": ["rows", 2]}, {"name": "weights", "type": "f32", "shape": ["rows", 2]}], RESULT, initializers,
          [route("mixture", ["keys", "x", "weights"], "y", [body(["r"], feed_forward("expert", "r", "o", "up", "down", "e"), ["o"]), body(["r"], [], ["r"]), same("learned"),
                                                            same("zero")], merge="add", weighted=1)])


def pruned():
    """Columns of zeros, known when compiling."""
    up = matrix(8, 64, 60)
    for line in up["data"]:
        for column in range(64):
            if column % 4:
                line[column] = 0.0
    write("pruned", "Pruned weights: three of four columns of the first weight are 0, which is known when compiling. They are neither stored nor multiplied.", ROWS, RESULT, {"up": up, "down": matrix(64, 8, 61)},
          [node("MatMul", ["x", "up"], "h"), node("Relu", ["h"], "a"), node("MatMul", ["a", "down"], "y")])


if __name__ == "__main__":
    for make in (scalar_if, row_if, early_exit, experts, depth, width, neurons, constant_gates, free_branches, pruned):
        make()
