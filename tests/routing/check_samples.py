#!/usr/bin/env python3
"""Runs every model of samples/routing: compiled output against the evaluator's, and the skip report's exact numbers. Standard library only."""
import argparse
import json
import os
import struct
import subprocess
import sys


def write_npy(path, code, shape, values):
    header = "{'descr': '%s', 'fortran_order': False, 'shape': (%s)}" % (code, "".join(f"{d}," for d in shape))
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<%d%s" % (len(values), {"<f4": "f", "<i8": "q", "|b1": "?"}[code]), *values))


# Rows of multiples of 1/4, eight of them, in no order.
def rows(count):
    return ("<f4", (count, 8), [((37 * i + 5 * (i // 8)) % 17 - 8) / 4 for i in range(8 * count)])


# Per model: inputs; (rows, all rows) of each branch that computes; multiply-adds executed and without skipping.
KEYS = ("<i8", (8, 2), [0, 1, 0, 3, 2, 1, 1, 3, 2, 2, 3, 2, 1, 3, 0, 2])
WEIGHTS = ("<f4", (8, 2), [0.5, 0.25] * 8)
CASES = {
    "scalar-if": [({"x": rows(8), "costly": ("|b1", (), [True])}, [], 4096, 4608), ({"x": rows(8), "costly": ("|b1", (), [False])}, [], 512, 4608)],
    "row-if": [({"x": rows(8)}, [(4, 8), (4, 8)], 4 * 64 + 4 * 512, 8 * 64 + 8 * 512)],
    "early-exit": [({"x": rows(8), "threshold": ("<f4", (), [0.0])}, [(0, 8), (0, 8)], 8 * 192, 8 * 832),
                   ({"x": rows(8), "threshold": ("<f4", (), [2.0])}, [(8, 8), (8, 8)], 8 * 832, 8 * 832)],
    "experts": [({"x": rows(8)}, None, 8 * 32 + 16 * 256, 8 * 32 + 32 * 256)],
    "depth": [({"x": rows(8)}, [(4, 8)], 8 * 8 + 4 * 512, 8 * 8 + 8 * 512)],
    "width": [({"x": rows(8), "count": ("<i8", (8, 1), [0, 1, 2, 4, 4, 3, 0, 1])}, [(6, 8), (4, 8), (3, 8), (2, 8)], 15 * 64, 32 * 64)],
    "neurons": [({"x": rows(8)}, None, 8 * 32 + 16 * 128, 8 * 32 + 32 * 128)],
    "constant-gates": [({"x": rows(4)}, [], 4 * 64, 4 * 64)],
    "pruned": [({"x": rows(8)}, [], 8 * 8 * 17 + 8 * 64 * 8, 8 * 8 * 17 + 8 * 64 * 8)],
    "free-branches": [({"x": rows(8), "keys": KEYS, "weights": WEIGHTS}, [(3, 8)], 3 * 256, 8 * 256)],
}


def main():
    parser = argparse.ArgumentParser()
    for name in ("--sluice", "--samples", "--scratch"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    os.makedirs(options.scratch, exist_ok=True)
    failures = []
    found = {name[:-5] for name in os.listdir(options.samples) if name.endswith(".json")}
    if found != set(CASES):
        failures.append(f"samples without a case here, or the other way round: {sorted(found ^ set(CASES))}")
    for model, runs in CASES.items():
        for number, (inputs, branches, work, dense) in enumerate(runs):
            folder = os.path.join(options.scratch, f"{model}-{number}")
            os.makedirs(folder, exist_ok=True)
            command = [options.sluice, "run", os.path.join(options.samples, model + ".json")]
            for name, (code, shape, values) in inputs.items():
                path = os.path.join(folder, name + ".npy")
                write_npy(path, code, shape, values)
                command += ["--input", f"{name}={path}"]
            reference = subprocess.run(command + ["--reference", "--output-dir", folder], capture_output=True, text=True)
            run = subprocess.run(command + ["--report-json", "--expect", os.path.join(folder, "y.npy"), "--rtol", "1e-5", "--atol", "1e-6"], capture_output=True, text=True)
            if reference.returncode or run.returncode:
                failures.append(f"{model}: {reference.stderr}{run.stderr}{run.stdout}")
                continue
            report = json.loads(run.stdout[run.stdout.index("{"):])
            have = [(branch["rows"], branch["dense_rows"]) for branch in report["branches"]]
            total = report["total"]
            if (branches is not None and have != branches) or (total["multiply_adds"], total["dense_multiply_adds"]) != (work, dense):
                failures.append(f"{model} {number}: branches {have}, multiply-adds {total['multiply_adds']} of {total['dense_multiply_adds']}; expected {branches}, {work} of {dense}")
    for failure in failures:
        print(failure)
    print(f"{sum(map(len, CASES.values())) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
