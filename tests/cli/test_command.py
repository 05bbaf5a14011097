"""`sluice test`: passes only when all outputs agree, names the first op that diverges, and tells what is missing; one JSON line per directory with --summary."""
import json
import os
import re
import struct

import harness
from harness import FAILED, MODEL, SOURCE, SYSTEM, onnx_model, onnx_node, tensor_proto, value_info

FLOAT, INT64 = 1, 7


def floats(name, dims, values):
    return tensor_proto(name, dims, FLOAT, struct.pack(f"<{len(values)}f", *values))


def directory(bench, name, nodes, outputs, want, inputs=(("x", [2, 2], [1, -2, 3, -4]),), sets=1):
    """A test directory as ONNX has them."""
    infos = [value_info(n, FLOAT, dims) for n, dims, _ in inputs]
    bench.write(f"{name}/model.onnx", onnx_model(nodes, infos, [value_info(n, FLOAT, dims) for n, dims in outputs]))
    for s in range(sets):
        for i, (n, dims, values) in enumerate(inputs):
            bench.write(f"{name}/test_data_set_{s}/input_{i}.pb", floats(n, dims, values))
        for i, (n, dims) in enumerate(outputs):
            bench.write(f"{name}/test_data_set_{s}/output_{i}.pb", floats(n, dims, want[i]))
    return name


CHAIN = [onnx_node("Neg", ["x"], ["a"]), onnx_node("Exp", ["a"], ["b"]), onnx_node("MatMul", ["b", "x"], ["c"]), onnx_node("Tanh", ["c"], ["y"])]


def right():
    import math
    x = [1, -2, 3, -4]
    b = [math.exp(-v) for v in x]
    c = [b[0] * x[0] + b[1] * x[2], b[0] * x[1] + b[1] * x[3], b[2] * x[0] + b[3] * x[2], b[2] * x[1] + b[3] * x[3]]
    return [math.tanh(v) for v in c]


def case_pass(bench):
    directory(bench, "good", CHAIN, [("y", [2, 2])], [right()], sets=2)
    for more in [[], ["--reference"], ["--strict"], ["--no-verify"], ["--threads", "2"], ["--target", "x86-64"], ["--cache-dir", "cache"], ["--format", "onnx"], ["--rtol", "1e-4", "--atol", "1e-5"]]:
        assert bench.run("test", "good", *more).out == "PASS good\n"
    directory(bench, "relu", [onnx_node("Relu", ["x"], ["y"])], [("y", [2, 2])], [[1, 0, 3, 0]])
    bench.run("test", "good", "relu", "--summary", "s.jsonl", stdout=["PASS good", "PASS relu", "2 passed, 0 failed"])
    with open(bench.path("s.jsonl")) as file:
        assert [json.loads(line)["result"] for line in file] == ["pass", "pass"]
    bench.run("test", "relu", "--shape", "x=2,2", stdout="PASS relu")


def case_wrong_output(bench):
    """The data is wrong and the compiler is not: no op diverges, and that is said."""
    directory(bench, "bad", CHAIN, [("y", [2, 2])], [[0.5] * 4])
    bench.run("test", "bad", code=FAILED, stdout=["FAIL bad", "output 0 ('y') is wrong", "every op agrees with the reference evaluator"])
    bench.run("test", "bad", "--reference", code=FAILED, stdout=["FAIL bad", "output 0 ('y') is wrong"])
    good = directory(bench, "good", CHAIN, [("y", [2, 2])], [right()])
    bench.run("test", good, "bad", good, "--summary", "s.jsonl", code=FAILED, stdout=["2 passed, 1 failed"])
    with open(bench.path("s.jsonl")) as file:
        assert [json.loads(line)["result"] for line in file] == ["pass", "wrong", "pass"]
    bench.run("test", "bad", "--atol", "10", stdout="PASS bad")
    directory(bench, "shape", CHAIN, [("y", [4])], [[0.5] * 4])
    bench.run("test", "shape", code=FAILED, stdout="shape")
    second = directory(bench, "second", CHAIN, [("y", [2, 2])], [right()], sets=2)
    bench.write("second/test_data_set_1/output_0.pb", floats("y", [2, 2], [9, 9, 9, 9]))
    bench.run("test", second, code=FAILED, stdout="second/test_data_set_1")


def case_diverging_op(bench):
    """With tolerance 0 the last bits of the compiled exponential are a fault: of many elements some differ from the evaluator's. That op is named, not the exact one
    before it and not what follows from it."""
    count = 4096
    values = [i / 300 - 7 for i in range(count)]
    nodes = [onnx_node("Neg", ["x"], ["a"]), onnx_node("Exp", ["a"], ["b"]), onnx_node("Neg", ["b"], ["c"]), onnx_node("Abs", ["c"], ["y"])]
    directory(bench, "exp", nodes, [("y", [count])], [[0] * count], inputs=[("x", [count], values)])
    done = bench.run("test", "exp", "--rtol", "0", "--atol", "0", code=FAILED, stdout="first diverging op: ")
    named = re.search(r"first diverging op: (.*)", done.out).group(1)
    assert "arith.exp" in named and "the_exp" in named, done


def case_unusable(bench):
    os.mkdir(bench.path("empty"))
    bench.run("test", "empty", code=SYSTEM, stdout="no model.onnx")
    bench.run("test", "nowhere", code=SYSTEM, stdout="nowhere")
    directory(bench, "strange", [onnx_node("Frobnicate", ["x"], ["y"])], [("y", [2, 2])], [[0] * 4])
    bench.run("test", "strange", code=MODEL, stdout=["FAIL strange", "Frobnicate"])
    directory(bench, "nodata", CHAIN, [("y", [2, 2])], [right()], sets=0)
    bench.run("test", "nodata", code=SYSTEM, stdout="no test_data_set_0")
    directory(bench, "cut", CHAIN, [("y", [2, 2])], [right()])
    bench.write("cut/test_data_set_0/input_0.pb", b"\x0a\x05\x01")
    bench.run("test", "cut", code=MODEL, stdout="input_0.pb")
    os.remove(bench.path("cut/test_data_set_0/input_0.pb"))
    bench.run("test", "cut", code=SYSTEM, stdout="input_0.pb")
    bench.run("test", "strange", "empty", "nodata", "--summary", "s.jsonl", code=FAILED, stdout="0 passed, 3 failed")
    with open(bench.path("s.jsonl")) as file:
        results = [json.loads(line) for line in file]
    assert [r["result"] for r in results] == ["error", "error", "error"] and "Frobnicate" in results[0]["message"], results


harness.main(globals())
