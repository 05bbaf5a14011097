#!/usr/bin/env python3
"""Walks the op table (`sluice ops --json`) and demands that every op is in a roundtrip test, is refused by name in an invalid test and, where it can stand in
a program that --evaluate or --execute runs, is in a run test.

Ops that no run test can write by hand are listed here with the reason; everything else that is missing is a failure.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

# Family -> why its ops need no text of their own in a run test.
RUN_BY_LOWERING = {
    "kernel": "made by tile and bufferize in every --execute test; codegen's own tests run them one by one",
}
NOT_RUN = {
    "core.module": "is the text itself",
}
NOT_INVALID = {
    "core.module": "its violations are reported at the ops in it (verify_module.sl)",
}
NOT_ROUNDTRIP = {
    "core.module": "is the text itself",
}


def mentions(paths, pattern):
    found = set()
    for path in paths:
        found.update(re.findall(pattern, path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--sluice", required=True)
    options = parser.parse_args()
    rows = json.loads(subprocess.run([options.sluice, "ops", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    ops = [row["op"] for row in rows]
    tests = options.source / "tests"
    op_use = r"^(?!\s*//).*?(?:=\s*|^\s*)([a-z]+\.[a-z0-9_]+)(?=[ (]|$)"
    roundtrip = mentions(tests.glob("ir/roundtrip/*.sl"), op_use)
    invalid = mentions(tests.glob("ir/invalid/*.sl"), r"CHECK.*error: (?:operand.*|)([a-z]+\.[a-z0-9_]+)[: ]")
    executed = [path for path in tests.rglob("*.sl") if re.search(r"RUN:.*--(evaluate|execute)", path.read_text(encoding="utf-8", errors="replace"))]
    run = mentions(executed, op_use)
    failed = False
    for title, have, excused in (("a roundtrip test", roundtrip, NOT_ROUNDTRIP), ("an invalid test", invalid, NOT_INVALID), ("a run test", run, NOT_RUN)):
        gaps = [op for op in ops if op not in have and op not in excused and not (title == "a run test" and op.split(".")[0] in RUN_BY_LOWERING)]
        print(f"{title}: {len(ops) - len(gaps)} of {len(ops)} ops" + (", missing: " + " ".join(gaps) if gaps else ""))
        failed |= bool(gaps)
    for name in sorted((roundtrip | run) - set(ops)):
        if name.split(".")[0] in {op.split(".")[0] for op in ops}:
            print(f"tests name {name}, which is no op")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
