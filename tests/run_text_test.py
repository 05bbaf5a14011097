#!/usr/bin/env python3
"""Runs the RUN lines of one text test.

A test is any text file with lines `// RUN: command` (or `# RUN:`); a command that ends in a backslash goes on in the next RUN line. Commands run
one after the other in bash with pipefail; the test passes when each exits with 0. In a command
    %s  is the test's path        %S  its folder        %t  a scratch path of its own (a prefix; the folder exists)
and on the PATH are `sluice`, `FileCheck` and the scripts in tests/tools (`not` wants its command to fail without crashing).
`// REQUIRES: word` skips the test unless the word is given by --feature; CTest sees exit code 77 as skipped.
"""
import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys

SKIPPED = 77


def directives(path, word):
    pattern = re.compile(r"^\s*(?://|#|;)\s*%s:\s*(.*?)\s*$" % word)
    with open(path, encoding="utf-8", errors="replace") as file:
        return [match.group(1) for match in map(pattern.match, file) if match]


def commands(path):
    joined, pending = [], ""
    for line in directives(path, "RUN"):
        if line.endswith("\\"):
            pending += line[:-1] + " "
        else:
            joined.append(pending + line)
            pending = ""
    if pending:
        sys.exit(f"{path}: the last RUN line ends in a backslash")
    return joined


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test")
    parser.add_argument("--sluice", required=True, help="the sluice executable")
    parser.add_argument("--filecheck", required=True, help="LLVM's FileCheck")
    parser.add_argument("--scratch", required=True, help="folder for %%t; emptied before the test")
    parser.add_argument("--feature", action="append", default=[])
    parser.add_argument("--timeout", type=int, default=120, help="seconds per command")
    options = parser.parse_args()

    test = os.path.abspath(options.test)
    missing = [word for word in directives(test, "REQUIRES") if word not in options.feature]
    if missing:
        print("skipped: needs " + ", ".join(missing))
        return SKIPPED
    lines = commands(test)
    if not lines:
        print(f"{test}: no RUN line")
        return 1

    scratch = os.path.abspath(options.scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    tools = os.path.join(scratch, "bin")
    os.makedirs(tools)
    os.symlink(os.path.abspath(options.sluice), os.path.join(tools, "sluice"))
    os.symlink(os.path.abspath(options.filecheck), os.path.join(tools, "FileCheck"))
    environment = dict(os.environ)
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools")
    environment["PATH"] = os.pathsep.join([tools, own, environment.get("PATH", "")])
    names = {"%s": shlex.quote(test), "%S": shlex.quote(os.path.dirname(test)), "%t": shlex.quote(os.path.join(scratch, "t")), "%%": "%"}
    for line in lines:
        command = re.sub(r"%[sSt%]", lambda match: names[match.group(0)], line)
        try:
            result = subprocess.run(["bash", "-o", "pipefail", "-c", command], env=environment, cwd=scratch, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=options.timeout)
        except subprocess.TimeoutExpired:
            print(f"RUN: {line}\ntook longer than {options.timeout} s")
            return 1
        if result.returncode != 0:
            print(f"RUN: {line}\nexit code {result.returncode}; output:")
            sys.stdout.write(result.stdout.decode("utf-8", "replace"))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
