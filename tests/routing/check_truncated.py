#!/usr/bin/env python3
"""DeeR-VLA's largest exit: six blocks with exits after 2, 4 and 6, and a limit on the exits that is fixed when compiling. With the largest exit at 4 the weights of blocks 5 and 6 may be cut off the end of the weights
file (or be missing in a safetensors file): the program runs, with the same outputs and exact work. Where they are needed the error names them. Standard library only."""
import argparse
import json
import os
import struct
import subprocess
import sys

WIDTH, ROWS = 4, 3
PLUS_ONE = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1]      # adds column 3 to column 0
NAN = [float("nan")] * 16


def npy(path, code, shape, values):
    header = "{'descr': '%s', 'fortran_order': False, 'shape': (%s)}" % (code, "".join(f"{d}," for d in shape))
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<%d%s" % (len(values), "f" if code == "<f4" else "q"), *values))


def node(op, inputs, outputs, **attributes):
    return {"op": op, "name": outputs[0], "inputs": inputs, "outputs": outputs, **({"domain": "sluice"} if op == "Route" else {}), **({"attributes": attributes} if attributes else {})}


def segment(number, x, out):
    """Two blocks, then: leave here, or go on with the next segment, unless the limit is reached."""
    last = number == 2
    h = out if last else f"h{number}"
    nodes = [node("MatMul", [x, f"block{2 * number}"], [f"m{number}"]), node("MatMul", [f"m{number}", f"block{2 * number + 1}"], [h])]
    if last:
        return nodes
    go_on = {"inputs": [{"name": f"r{number}"}], "nodes": segment(number + 1, f"r{number}", f"out{number + 1}"), "outputs": [f"out{number + 1}"]}
    exits = [node("Gather", [h, "column"], [f"v{number}"], axis=1), node("Less", [f"v{number}", "threshold"], [f"on{number}"]), node("Cast", [f"on{number}"], [f"key{number}"], to={"element": "i64"}),
             node("Route", [f"key{number}", h], [f"routed{number}"], branches={"graphs": [{"inputs": [{"name": "stay"}], "nodes": [], "outputs": ["stay"]}, go_on]})]
    return nodes + [node("Greater", ["largest", f"exit{number}"], [f"more{number}"]),
                    node("If", [f"more{number}"], [out], then={"nodes": exits, "outputs": [f"routed{number}"]}, **{"else": {"nodes": [], "outputs": [h]}})]


def write(folder, form, blocks):
    """The model, and a file with the weights of the first `blocks` blocks."""
    size = 4 * WIDTH * WIDTH
    weight = lambda i: {"type": "f32", "shape": [WIDTH, WIDTH], **({"file": "weights.bin", "offset": i * size} if form == "raw" else {"safetensors": "weights.safetensors", "name": f"block{i}"})}
    model = {"format": "sluice-graph", "version": 1, "opset": 21,
             "inputs": [{"name": "largest", "type": "i64", "shape": []}, {"name": "threshold", "type": "f32", "shape": []}, {"name": "x", "type": "f32", "shape": ["rows", WIDTH]}],
             "initializers": {**{f"block{i}": weight(i) for i in range(6)}, "column": {"type": "i64", "data": 0}, "exit0": {"type": "i64", "data": 2}, "exit1": {"type": "i64", "data": 4}},
             "nodes": segment(0, "x", "y"), "outputs": ["y"]}
    path = os.path.join(folder, f"{form}-{blocks}.json")
    with open(path, "w") as file:
        json.dump(model, file)
    data = struct.pack("<%df" % (16 * blocks), *(PLUS_ONE * blocks))
    if form == "raw":
        with open(os.path.join(folder, "weights.bin"), "wb") as file:
            file.write(data)
    else:
        header = json.dumps({f"block{i}": {"dtype": "F32", "shape": [WIDTH, WIDTH], "data_offsets": [i * size, (i + 1) * size]} for i in range(blocks)}).encode()
        header += b" " * (-len(header) % 8)
        with open(os.path.join(folder, "weights.safetensors"), "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + data)
    return path


def main():
    parser = argparse.ArgumentParser()
    for name in ("--sluice", "--scratch"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    os.makedirs(options.scratch, exist_ok=True)
    place = lambda name: os.path.join(options.scratch, name)
    npy(place("x.npy"), "<f4", (ROWS, WIDTH), [1, 5, 6, 1, -1, 7, 8, 1, -3, 9, 10, 1])    # 2, 4 and 6 blocks until column 0 is 3
    npy(place("threshold.npy"), "<f4", (), [3.0])
    npy(place("largest.npy"), "<i8", (), [6])
    failures = []

    def check(what, good):
        if not good:
            failures.append(what)

    def run(path, *more, limit=None):
        inputs = ["--input", f"x={place('x.npy')}", "--input", f"threshold={place('threshold.npy')}"]
        inputs += ["--constant", f"largest={limit}"] if limit else ["--input", f"largest={place('largest.npy')}"]
        return subprocess.run([options.sluice, "run", path, "--report-json", "--output-dir", options.scratch, *inputs, *more], capture_output=True, text=True)

    def outcome(done):
        """Column 0 of the output, multiply-adds, rows of the branches, and the weights' bytes without skipping."""
        report = json.loads(done.stdout[done.stdout.index("{"):])
        with open(place("y.npy"), "rb") as file:
            column = struct.unpack("<%df" % (ROWS * WIDTH), file.read()[-4 * ROWS * WIDTH:])[::WIDTH]
        return list(column), report["total"]["multiply_adds"], [branch["rows"] for branch in report["branches"]], report["total"]["dense_weight_bytes"]

    square = WIDTH * WIDTH
    for form in ("raw", "safetensors"):
        whole = write(options.scratch, form, 6)
        done = run(whole)
        check(f"{form}: whole: {done.stderr}", done.returncode == 0)
        check(f"{form}: whole", done.returncode == 0 and outcome(done)[:3] == ([3, 3, 3], (3 + 2 + 1) * 2 * square, [2, 1]))
        limited = run(whole, limit=4)
        check(f"{form}: limited: {limited.stderr}", limited.returncode == 0)
        with open(place("y.npy"), "rb") as file:
            expected = file.read()
        cut = write(options.scratch, form, 4)
        done = run(cut, "--absent-weights", limit=4)
        check(f"{form}: cut: {done.stderr}", done.returncode == 0)
        if done.returncode == 0 and limited.returncode == 0:
            have = outcome(done)
            check(f"{form}: cut: {have}", have[:3] == ([3, 3, 1], (3 + 2) * 2 * square, [2]))      # blocks 5 and 6 are not in the program
            with open(place("y.npy"), "rb") as file:
                check(f"{form}: cut: other bits than with the whole file", file.read() == expected)
            check(f"{form}: cut: weights of {have[3]} bytes", have[3] == outcome(limited)[3])
        done = run(cut, limit=4)
        check(f"{form}: without --absent-weights: exit {done.returncode}, {done.stderr}", done.returncode != 0 and ("wants" in done.stderr or "holds no tensor" in done.stderr))
        for limit in (None, 6):
            done = run(cut, "--absent-weights", limit=limit)
            check(f"{form}: limit {limit}: exit {done.returncode}, {done.stderr}", done.returncode == 3 and "needs the weight 'block4', which is not in the model's files" in done.stderr and "node 'm2' (MatMul)" in done.stderr)
    for failure in failures:
        print(failure)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
