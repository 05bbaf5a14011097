#!/usr/bin/env python3
"""CTest entry: ONNX's node tests through import and the reference evaluator. None may give a wrong answer or crash, and not fewer than --at-least may pass.
Skipped (77) where the onnx package is missing.

    check_reference.py --runner RUN_REFERENCE --scratch DIR --at-least N"""
import argparse
import os
import re
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--at-least", type=int, required=True)
    options = parser.parse_args()
    try:
        import onnx  # noqa: F401
    except ImportError:
        return 77
    if not os.path.isdir(options.scratch):
        generate = os.path.join(os.path.dirname(os.path.abspath(__file__)), "generate.py")
        subprocess.run([sys.executable, "-W", "ignore", generate, options.scratch], check=True)
    tests = sorted(os.path.join(options.scratch, name) for name in os.listdir(options.scratch))
    passed = wrong = 0
    for first in range(0, len(tests), 100):
        part = tests[first:first + 100]
        done = subprocess.run([options.runner, "--quiet", *part], stdout=subprocess.PIPE, text=True)
        lines = done.stdout.splitlines()
        count = re.fullmatch(r"(\d+) of \d+ pass, (\d+) wrong", lines[-1]) if lines else None
        if not count:
            print("\n".join(lines[-3:]))
            print(f"the runner died with {done.returncode} in: {' '.join(os.path.basename(test) for test in part)}")
            return 1
        passed += int(count[1])
        wrong += int(count[2])
        print("\n".join(lines[:-1]))
    print(f"{passed} of {len(tests)} pass, {wrong} wrong")
    return wrong > 0 or passed < options.at_least


if __name__ == "__main__":
    sys.exit(main())
