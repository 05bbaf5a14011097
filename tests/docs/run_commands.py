#!/usr/bin/env python3
"""Runs the commands that docs/routing.md shows (lines of code that begin with `sluice` or `$ sluice`), in order, beside the samples: each must succeed. Standard library only."""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"^(?:    |\$ )(sluice .*)$")


def write_npy(path, shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({''.join(f'{d},' for d in shape)}), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}f", *values))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sluice", required=True)
    parser.add_argument("--scratch", type=pathlib.Path, required=True)
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs" / "routing.md")
    parser.add_argument("--at-least", type=int, default=4)
    options = parser.parse_args()
    shutil.rmtree(options.scratch, ignore_errors=True)
    shutil.copytree(ROOT / "samples" / "routing", options.scratch / "samples" / "routing")
    write_npy(options.scratch / "x.npy", (8, 8), [((37 * i + 5 * (i // 8)) % 17 - 8) / 4 for i in range(64)])    # the inputs that the page speaks of
    write_npy(options.scratch / "0.5.npy", (), [0.5])
    commands = [match.group(1) for match in map(COMMAND.match, options.page.read_text().splitlines()) if match]
    failed = 0
    for command in commands:
        words = shlex.split(command)
        run = subprocess.run([os.path.abspath(options.sluice), *words[1:]], cwd=options.scratch, capture_output=True, text=True, timeout=120)
        if run.returncode:
            failed += 1
            print(f"FAILED ({run.returncode}): {command}\n{run.stdout}{run.stderr}")
    print(f"{len(commands) - failed} of {len(commands)} commands succeeded")
    return 1 if failed or len(commands) < options.at_least else 0


if __name__ == "__main__":
    sys.exit(main())
