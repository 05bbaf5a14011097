#!/usr/bin/env python3
"""Runs what flattened.py exported from PyTorch: outputs as ONNX Runtime has them, each expert's rows as PyTorch picks them, exact multiply-adds, and nothing left dense. The weights of the expert that no row
picks are NaN in the files. Where a model has one-hot tensors of tokens x experts x capacity, none is left after fusion. Standard library only."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys

EXPORTERS = ("dynamo", "legacy")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--sluice", "--models", "--scratch"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    with open(os.path.join(options.models, "cases.json")) as file:
        cases = json.load(file)
    failures, count = [], 0
    files = {name[:-5] for name in os.listdir(options.models) if name.endswith(".onnx")}
    if files != {f"{name}.{exporter}" for name, case in cases.items() for exporter in case.get("exporters", EXPORTERS)}:
        failures.append(f"models without a case, or the other way round: {sorted(files)}")
    for name, expected in cases.items():
        for exporter in expected.get("exporters", EXPORTERS):
            base = os.path.join(options.models, name)
            command = [options.sluice, "run", f"{base}.{exporter}.onnx", "--input", f"x={base}.x.npy", "--expect", f"{base}.{exporter}.npy", "--rtol", "1e-5", "--atol", "1e-5"]
            with open(f"{base}.x.npy", "rb") as file:
                extent = re.search(rb"'shape': \((\d+)", file.read(128)).group(1).decode()
            for more in (["--threads", "1"], ["--threads", "2", "--shape", f"rows={extent}"]):    # any number of rows; and as if exported for this one
                count += 1
                run = subprocess.run(command + ["--report-json", "--deny=dense-fallback"] + more, capture_output=True, text=True)
                if run.returncode or "remark" in run.stderr:
                    failures.append(f"{name} {exporter}: {run.stderr}{run.stdout}")
                    continue
                report = json.loads(run.stdout[run.stdout.index("{"):])
                have = [branch["rows"] for branch in report["branches"]]
                work = report["total"]["multiply_adds"]
                routed = sum(kernel["work"] for kernel in report["kernels"] if kernel["branch"] >= 0 and kernel["multiply_adds"])
                folder = os.path.join(options.scratch, f"{name}-{exporter}")
                if "gone" in expected:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.makedirs(folder)
                    subprocess.run(command[:5] + more[2:] + ["--dump-dir", folder], capture_output=True, check=True)
                    (fused,) = [file for file in os.listdir(folder) if file.endswith("-fuse.sl")]
                    with open(os.path.join(folder, fused)) as file:
                        text = file.read()
                    left = [shape for shape in expected["gone"] if shape in text]
                    if left or "route.dispatch" not in text:
                        failures.append(f"{name} {exporter}: {left} are left after fuse")
                if have != expected["rows"] or routed != expected["routed"] or work != expected.get("multiply_adds", work):
                    failures.append(f"{name} {exporter}: rows {have}, multiply-adds {work}, of experts {routed}; expected {expected}")
    for failure in failures:
        print(failure)
    print(f"{count - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
