#!/usr/bin/env python3
"""ONNX Runtime's MoE operator (contrib_moe.py made the files): its outputs, each expert's rows, exact multiply-adds, NaN weights where no row goes; what is not supported is refused with the node's name.
Standard library only."""
import argparse
import json
import os
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser()
    for name in ("--sluice", "--models"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    path = lambda name: os.path.join(options.models, name)
    with open(path("cases.json")) as file:
        cases = json.load(file)
    failures = []
    if {name[:-5] for name in os.listdir(options.models) if name.endswith(".onnx")} != set(cases):
        failures.append("models without a case, or the other way round")
    for name, expected in cases.items():
        command = [options.sluice, "run", path(name + ".onnx")]
        if "message" in expected:
            run = subprocess.run(command, capture_output=True, text=True)
            if run.returncode != 3 or f"node 'mixture'" not in run.stderr or expected["message"] not in run.stderr:
                failures.append(f"{name}: exit {run.returncode}, {run.stderr}")
            continue
        inputs = ["--input", f"x={path(name + '.x.npy')}", "--input", f"r={path('r.npy')}", "--expect", path(name + ".y.npy"), "--rtol", "1e-5", "--atol", "1e-5"]
        reference = subprocess.run(command + inputs + ["--reference"], capture_output=True, text=True)
        run = subprocess.run(command + inputs + ["--report-json"], capture_output=True, text=True)
        if reference.returncode or run.returncode:
            failures.append(f"{name}: {reference.stderr}{run.stderr}")
            continue
        report = json.loads(run.stdout[run.stdout.index("{"):])
        have, work = [branch["rows"] for branch in report["branches"]], report["total"]["multiply_adds"]
        if have != expected["rows"] or work != expected["multiply_adds"]:
            failures.append(f"{name}: rows {have}, multiply-adds {work}; expected {expected}")
    for failure in failures:
        print(failure)
    print(f"{len(cases) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
