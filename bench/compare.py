#!/usr/bin/env python3
"""Measures Sluice beside other engines, call by call in one process, and prints ratios.

    bench/compare.py --suite NAME [--threads 1,2] [--only NAME,...] [--seconds 6] [options of the suite]
    bench/compare.py --suite NAME --help

Ratios are peer time / Sluice time (above 1: Sluice is faster), of medians over interleaved calls (A B A B ...). The last line is
`geomean: R worst: W`; a case that failed or was wrong makes the worst 0 and the exit status 1.

A suite is a file bench/suite_<name>.py beside this one:

    __doc__                     its first line is the suite's description
    run(arguments, context)     prints one line per case; returns the list of ratios, None for a case that failed or was wrong.
                                arguments.threads is one number (run is called once per number in --threads)
    add_arguments(parser)       optional: more options
    THREADS, SECONDS            optional: defaults of --threads (a list) and --seconds
"""
import argparse
import importlib
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import sluice_api  # noqa: E402


def words(text):
    return text.split(",")


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    suites = sorted(path.stem.removeprefix("suite_") for path in HERE.glob("suite_*.py"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"suites: {', '.join(suites)}", add_help=False)
    parser.add_argument("--suite", choices=suites)
    name = parser.parse_known_args()[0].suite
    if not name:
        parser.print_help()
        return 2
    suite = importlib.import_module(f"suite_{name}")
    parser = argparse.ArgumentParser(description=suite.__doc__.splitlines()[0], epilog=f"suites: {', '.join(suites)}", parents=[parser])
    parser.add_argument("--threads", type=numbers, default=getattr(suite, "THREADS", [2]), help="threads of every engine; with a list the suite runs once per number")
    parser.add_argument("--only", type=words, help="only these cases")
    parser.add_argument("--seconds", type=float, default=getattr(suite, "SECONDS", 6), help="time per case")
    if hasattr(suite, "add_arguments"):
        suite.add_arguments(parser)
    arguments = parser.parse_args()
    context, ratios, counts = sluice_api.Context(), [], arguments.threads
    for arguments.threads in counts:
        if len(counts) > 1:
            print(f"threads: {arguments.threads}")
        ratios += suite.run(arguments, context)
    good = [r for r in ratios if r]
    if len(good) < len(ratios) or not good:
        print(f"{len(ratios) - len(good)} of {len(ratios)} cases failed or were wrong")
    geomean = math.exp(sum(map(math.log, good)) / len(good)) if good else 0.0
    print(f"geomean: {geomean:.3f} worst: {min(good) if len(good) == len(ratios) and good else 0.0:.3f}")
    return 0 if good and len(good) == len(ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
