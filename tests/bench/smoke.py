#!/usr/bin/env python3
"""Runs every suite of bench/compare.py on its smallest cases for a moment: it must end with its summary and find all results right. Times are not looked at.

A suite names these cases in SMOKE; where none runs without files or peers that may be missing it names none, and only its summary is checked."""
import argparse
import importlib
import os
import pathlib
import re
import subprocess
import sys

SUMMARY = re.compile(r"geomean: (\d+\.\d{3}) worst: (\d+\.\d{3})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if not (options.build / "libsluice.so").exists():
        print("no libsluice.so in this build (sanitizers)")
        return 77
    try:
        import numpy, onnx, onnxruntime  # noqa: E401, F401
    except ModuleNotFoundError as error:
        print(f"needs {error.name}")
        return 77
    sys.path.insert(0, str(options.bench))
    failures, suites = [], sorted(path.stem.removeprefix("suite_") for path in options.bench.glob("suite_*.py"))
    for suite in suites:
        smoke = getattr(importlib.import_module(f"suite_{suite}"), "SMOKE", [])
        command = [sys.executable, str(options.bench / "compare.py"), "--suite", suite, "--threads", "1", "--seconds", "0.01", "--only", ",".join(smoke) or "none"]
        run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "SLUICE_BUILD": str(options.build)})
        missing = re.search(r"ModuleNotFoundError: No module named '(torch|openvino)'", run.stderr)
        if missing:
            print(f"{suite}: needs {missing.group(1)}, which tools/setup.sh does not install")
            continue
        lines = run.stdout.strip().splitlines()
        summary = SUMMARY.fullmatch(lines[-1]) if lines else None
        bad = not summary or (smoke and (run.returncode or float(summary.group(1)) <= 0 or float(summary.group(2)) <= 0))
        if bad:
            failures.append(f"{suite}: exit status {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
        print(f"{suite}: {lines[-1] if lines else 'nothing'} ({', '.join(smoke) or 'summary only'})")
    for failure in failures:
        print("FAILED:", failure)
    return 1 if failures or not suites else 0


if __name__ == "__main__":
    sys.exit(main())
