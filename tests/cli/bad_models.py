"""Model files that are wrong: each ends in one message that names the place, exit code 3 or 4, and never in a crash, a hang or much memory."""
import json
import os

import harness
from harness import MODEL, SYSTEM, field, graph, node, onnx_model, onnx_node, tensor_proto, value_info

X = ("x", "f32", ["n", 4])
FLOAT = 1
RELU = [node("Relu", ["x"], ["y"])]


def case_truncated_json(bench):
    whole = graph(RELU, [X])
    for length in range(0, len(whole) - 1, 7):
        bench.run("compile", bench.write("m.json", whole[:length]), code=MODEL, says="m.json")


def case_truncated_onnx(bench):
    raw = bytes(range(48))
    whole = onnx_model([onnx_node("MatMul", ["x", "w"], ["y"])], [value_info("x", FLOAT, ["n", 4])], [value_info("y", FLOAT, ["n", 3])], [tensor_proto("w", [4, 3], FLOAT, raw)])
    bench.run("compile", bench.write("whole.onnx", whole))
    for length in range(0, len(whole), 9):
        done = bench.run("inspect", bench.write("m.onnx", whole[:length]), code=MODEL)
        assert "m.onnx" in done.err, done


def case_truncated_text(bench):
    bench.run("opt", bench.write("m.sl", "core.func @main() {\n  core.return"), code=MODEL, says=["m.sl:1:19", "never closed"])


def case_wrong_magic(bench):
    bench.run("compile", bench.write("m.onnx", b"\x7fELF" + bytes(60)), code=MODEL, says="m.onnx")
    bench.run("compile", bench.write("m.json", b"\x89PNG\r\n\x1a\n" + bytes(60)), code=MODEL, says="m.json")
    bench.run("compile", bench.write("empty", b""), code=MODEL, says="empty")
    bench.run("compile", bench.write("zeros", bytes(4096)), code=MODEL, says="zeros")
    bench.run("compile", bench.write("m.json", '{"hello": 1}'), code=MODEL, says="m.json")
    bench.run("compile", bench.write("m.json", '{"format": "other-graph", "version": 1}'), code=MODEL, says="format")
    bench.run("compile", bench.write("m.json", '{"format": "sluice-graph", "version": 999, "nodes": [], "inputs": [], "outputs": []}'), code=MODEL, says="999")


def case_not_a_file(bench):
    bench.run("compile", "missing.onnx", code=SYSTEM, says="missing.onnx")
    os.mkdir(bench.path("folder"))
    bench.run("compile", "folder", code=SYSTEM, says="folder")


def case_mistyped(bench):
    for text, place in [
        ('{"format": "sluice-graph", "version": "one", "inputs": [], "outputs": [], "nodes": []}', "version"),
        ('{"format": "sluice-graph", "version": 1, "opset": 21, "inputs": 7, "outputs": [], "nodes": []}', "inputs"),
        ('{"format": "sluice-graph", "version": 1, "opset": 21, "inputs": [], "outputs": [], "nodes": {"op": "Relu"}}', "nodes"),
        ('{"format": "sluice-graph", "version": 1, "opset": 21, "inputs": [], "outputs": [], "nodes": [[]]}', "/nodes/0"),
        ('{"format": "sluice-graph", "version": 1, "opset": 21, "inputs": [{"name": "x", "type": "f33", "shape": []}], "outputs": [], "nodes": []}', "f33"),
        ('{"format": "sluice-graph", "version": 1, "opset": 21, "inputs": [{"name": "x", "type": "f32", "shape": [-1]}], "outputs": [], "nodes": []}', "shape"),
        ('{"format": "sluice-graph", "version": 1, "opset": 21, "inputs": [{"name": "x", "type": "f32", "shape": [2.5]}], "outputs": [], "nodes": []}', "shape"),
    ]:
        bench.run("compile", bench.write("m.json", text), code=MODEL, says=["m.json:1:", place])
    bench.run("compile", bench.write("m.json", graph([node("Relu", ["x"], ["y"])], [("x", "str", [2])])), code=MODEL, says="'x'")
    bench.run("compile", bench.write("m.json", graph([node("Softmax", ["x"], ["y"], axis="last")], [X])), code=MODEL, says=["the_softmax", "axis"])
    bench.run("compile", bench.write("m.json", graph([node("Softmax", ["x"], ["y"], axis=9)], [X])), code=MODEL, says="the_softmax")
    bench.run("compile", bench.write("m.json", graph([node("Relu", ["x", "x"], ["y"])], [X])), code=MODEL, says=["the_relu", "2 operands", "no more than 1"])


def case_cyclic(bench):
    bench.run("compile", bench.write("m.json", graph([node("Add", ["x", "b"], ["a"], "one"), node("Relu", ["a"], ["b"], "two")], [X], ["b"])), code=MODEL, says="cycle")
    nodes = [onnx_node("Add", ["x", "b"], ["a"]), onnx_node("Relu", ["a"], ["b"])]
    bench.run("compile", bench.write("m.onnx", onnx_model(nodes, [value_info("x", FLOAT, [4])], [value_info("b", FLOAT, [4])])), code=MODEL, says="cycle")
    bench.run("compile", bench.write("m.json", graph([node("Relu", ["y"], ["y"])], [X])), code=MODEL)


def case_names(bench):
    bench.run("compile", bench.write("m.json", graph([node("Relu", ["nothing"], ["y"])], [X])), code=MODEL, says=["the_relu", "nothing"])
    bench.run("compile", bench.write("m.json", graph(RELU, [X], ["z"])), code=MODEL, says="z")
    bench.run("compile", bench.write("m.json", graph(RELU + RELU, [X])), code=MODEL, says="y")
    bench.run("compile", bench.write("m.json", graph([node("Rleu", ["x"], ["y"])], [X])), code=MODEL, says=["the_rleu", "Rleu"])
    bench.run("compile", bench.write("m.json", graph([node("Add", ["x"], ["y"])], [X])), code=MODEL, says=["the_add", "operand 1 is missing"])


def case_data_and_shape(bench):
    def weights(tensor):
        return graph([node("MatMul", ["x", "w"], ["y"])], [X], initializers={"w": tensor})
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "shape": [4, 2], "data": [1, 2, 3]})), code=MODEL, says=["m.json:1:", "w"])
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "data": [[1, 2], [3]]})), code=MODEL, says="m.json:1:")
    bench.run("compile", bench.write("m.json", weights({"type": "i8", "shape": [1], "data": [300]})), code=MODEL, says="300")
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "shape": [4, 2], "file": "w.bin"})), code=MODEL, says="w.bin")
    bench.write("w.bin", bytes(31))
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "shape": [4, 2], "file": "w.bin"})), code=MODEL, says="w.bin")
    bench.write("w.bin", bytes(32))
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "shape": [4, 2], "file": "w.bin"})))
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "shape": [4, 2], "file": "w.bin", "offset": 1 << 62})), code=MODEL, says="w.bin")
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "shape": [4, 2], "file": "w.bin", "offset": -4})), code=MODEL)
    bench.run("compile", bench.write("m.json", weights({"type": "f32", "shape": [4, 2], "file": "w.bin", "length": 16})), code=MODEL)
    short = tensor_proto("w", [4, 3], FLOAT, bytes(47))
    bench.run("compile", bench.write("m.onnx", onnx_model([onnx_node("MatMul", ["x", "w"], ["y"])], [value_info("x", FLOAT, [1, 4])], [value_info("y", FLOAT, [1, 3])], [short])),
              code=MODEL, says="w")


def case_safetensors(bench):
    def model():
        return bench.write("m.json", graph([node("MatMul", ["x", "w"], ["y"])], [X], initializers={"w": "w.safetensors"}))

    def file(header, body):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + body
    good = {"w": {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, 32]}}
    bench.run("compile", model(), code=MODEL, says="w.safetensors")
    bench.write("w.safetensors", file(good, bytes(32)))
    bench.run("compile", model())
    for bad in [b"", b"\xff" * 8, (1 << 40).to_bytes(8, "little") + b"{}", file(b"not json", b""), file(good, bytes(31)), file([], b""),
                file({"w": {"dtype": "F33", "shape": [4, 2], "data_offsets": [0, 32]}}, bytes(32)), file({"w": {"dtype": "F32", "shape": [4, 2], "data_offsets": [32, 0]}}, bytes(32)),
                file({"w": {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, 16]}}, bytes(32)), file({"v": good["w"]}, bytes(32)),
                file({"w": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 32]}}, bytes(32))]:
        bench.write("w.safetensors", bad)
        bench.run("compile", model(), code=MODEL, says="w.safetensors")


def case_outside_of_the_folder(bench):
    bench.write("secret.bin", bytes(32))
    os.mkdir(bench.path("model"))
    os.symlink("../secret.bin", bench.path("model/link.bin"))
    for name in ["../secret.bin", bench.path("secret.bin"), "a/../../secret.bin", "link.bin"]:
        bench.write("model/m.json", graph([node("MatMul", ["x", "w"], ["y"])], [X], initializers={"w": {"type": "f32", "shape": [4, 2], "file": name}}))
        done = bench.run("compile", "model/m.json", code=MODEL)
        assert "m.json" in done.err, done
        entry = [field(13, field(1, "location") + field(2, name)), field(14, 1)]
        bench.write("model/m.onnx", onnx_model([onnx_node("MatMul", ["x", "w"], ["y"])], [value_info("x", FLOAT, [1, 4])], [value_info("y", FLOAT, [1, 2])],
                                                [tensor_proto("w", [4, 2], FLOAT, b"", *entry)]))
        bench.run("compile", "model/m.onnx", code=MODEL)


def case_overflow(bench):
    huge = 1 << 62
    bench.run("compile", bench.write("m.json", graph([node("Relu", ["x"], ["y"])], [("x", "f32", [huge, huge])])), code=MODEL)
    bench.run("compile", bench.write("m.json", graph([node("Relu", ["x"], ["y"])], [("x", "f32", ["n"])], initializers={"w": {"type": "f32", "shape": [huge, 8], "fill": 0}})), code=MODEL)
    bench.run("compile", bench.write("m.json", graph([node("Relu", ["x"], ["y"])], [("x", "f32", [1 << 70])])), code=MODEL)
    bench.run("compile", bench.write("m.onnx", onnx_model([onnx_node("Add", ["w", "w"], ["y"])], [], [value_info("y", FLOAT, [1])], [tensor_proto("w", [huge, huge, 16], FLOAT, bytes(16))])),
              code=MODEL, says="w")
    shape = {"type": "i64", "data": [huge, 8]}
    bench.run("compile", bench.write("m.json", graph([node("Expand", ["x", "s"], ["y"])], [("x", "f32", [1])], initializers={"s": shape})), code=MODEL)
    shape = {"type": "i64", "data": [1 << 40]}      # fits in 64 bits, but in no machine
    model = bench.write("m.json", graph([node("ConstantOfShape", ["s"], ["y"])], [], initializers={"s": shape}))
    bench.run("run", model, code=SYSTEM)


def case_enormous(bench):
    with open(bench.path("m.json"), "wb") as file:
        file.truncate(1 << 34)      # a sparse file of zeros
    bench.run("compile", "m.json", code=MODEL, says="m.json")
    with open(bench.path("m.onnx"), "wb") as file:
        file.truncate(1 << 34)
    bench.run("compile", "m.onnx", code=MODEL, says="m.onnx")
    with open(bench.path("m.sl"), "wb") as file:
        file.truncate(1 << 34)
    done = bench.run("opt", "m.sl", code=SYSTEM, says="m.sl")
    assert len(done.err) < 10000, "the message is as large as the file"


def case_nested_deeply(bench):
    deep = 10000
    bench.run("compile", bench.write("m.json", "[" * deep), code=MODEL, says="m.json")
    bench.run("compile", bench.write("m.json", '{"format": "sluice-graph", "version": 1, "nodes": ' + "[" * deep + "]" * deep + "}"), code=MODEL, says="m.json")
    head, tail = '{"op":"If","inputs":["c"],"outputs":["y"],"attributes":{"else":{"nodes":[],"outputs":["x"]},"then":{"outputs":["y"],"nodes":[', "]}}}"
    text = '{"format":"sluice-graph","version":1,"opset":21,"inputs":[{"name":"x","type":"f32","shape":[]},{"name":"c","type":"bool","shape":[]}],"outputs":["y"],"nodes":[%s]}'
    bench.run("compile", bench.write("m.json", text % (head * deep + '{"op":"Relu","inputs":["x"],"outputs":["y"]}' + tail * deep)), code=MODEL, says="m.json")
    bench.run("opt", bench.write("m.sl", "core.func @main() {\n" + "  nest.yield({ ^():\n" * deep), code=MODEL, says="m.sl")
    bench.run("opt", bench.write("m.sl", "core.func @main(%x: " + "buffer<" * deep), code=MODEL, says="m.sl")
    bench.run("opt", bench.write("m.sl", "core.func @main() {\n  core.return {a = " + "[" * deep), code=MODEL, says="m.sl")
    body = field(1, onnx_node("Relu", ["x"], ["y"]))
    for _ in range(2000):
        body = field(1, onnx_node("If", ["c"], ["y"], field(1, "then_branch") + field(20, 5) + field(6, body)))
    bench.run("compile", bench.write("m.onnx", field(1, 10) + field(7, body + field(12, value_info("y", FLOAT, []))) + field(8, field(2, 21))), code=MODEL, says="m.onnx")


def case_many_errors(bench):
    nodes = [node("Rleu", ["x"], [f"y{i}"], f"n{i}") for i in range(1000)]
    done = bench.run("compile", bench.write("m.json", graph(nodes, [X], ["y0"])), code=MODEL, says="n0")
    assert done.err.count("error:") <= 25, f"{done.err.count('error:')} errors printed"


def case_control_flow(bench):
    loop = node("Loop", ["m", "c", "x"], ["y"], body={"inputs": [{"name": "i"}], "nodes": [], "outputs": ["i"]})
    bench.run("compile", bench.write("m.json", graph([loop], [("m", "i64", []), ("c", "bool", []), X])), code=MODEL, says="the_loop")
    branch = node("If", ["x"], ["y"], **{"then": {"nodes": [], "outputs": ["x"]}, "else": {"nodes": [], "outputs": ["x"]}})
    bench.run("compile", bench.write("m.json", graph([branch], [X])), code=MODEL, says="the_if")
    branch = node("If", ["c"], ["y"], **{"then": {"nodes": [], "outputs": ["x"]}})
    bench.run("compile", bench.write("m.json", graph([branch], [("c", "bool", []), X])), code=MODEL, says="the_if")


harness.main(globals())
