#!/usr/bin/env python3
"""ONNX's node tests through the compiler, as docs/conformance.md tells it.

    report.py --sluice BINARY --scratch DIR --write docs/conformance.md    runs all tests and writes the page
    report.py --sluice BINARY --scratch DIR --check docs/conformance.md    CTest entry: the page must still be true

Every test runs twice: `static`, as published, and `dynamic`, with every dimension of every input made a symbol of its own, so that one compiled
program serves all shapes. With --check the run fails when a test gives a wrong answer, crashes or hangs, or when the page is out of date. Skipped (77)
where the onnx package is missing.
"""
import argparse
import collections
import concurrent.futures
import difflib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BATCH = 12


def make_dynamic(source, target):
    """A copy of every test whose inputs have dimensions, with all of them symbolic."""
    import onnx
    for folder in sorted(source.iterdir()):
        model = onnx.load(folder / "model.onnx", load_external_data=False)
        initialized = {tensor.name for tensor in model.graph.initializer}
        changed = False
        for value in model.graph.input:
            if value.name in initialized or not value.type.HasField("tensor_type"):
                continue
            for i, dim in enumerate(value.type.tensor_type.shape.dim):
                dim.Clear()
                dim.dim_param = f"{re.sub('[^A-Za-z0-9_]', '_', value.name)}_{i}"
                changed = True
        if not changed:
            continue
        for value in model.graph.output:      # the declared output sizes no longer follow
            if value.type.HasField("tensor_type"):
                for dim in value.type.tensor_type.shape.dim:
                    dim.Clear()
        del model.graph.value_info[:]
        to = target / folder.name
        to.mkdir(parents=True)
        (to / "model.onnx").write_bytes(model.SerializeToString())
        for item in folder.iterdir():
            if item.name != "model.onnx":
                os.symlink(item, to / item.name)


def run_batch(sluice, folders, number, scratch):
    """{test: (result, message)}; a crash or a hang is found by running the batch's tests one by one."""
    summary = scratch / f"summary_{number}.json"
    results = {}
    for group in ([folders], [[folder] for folder in folders]):
        results, broken = {}, False
        for part in group:
            try:
                done = subprocess.run([sluice, "test", "--threads", "1", "--summary", summary, *part], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
                bad = done.returncode if done.returncode < 0 or done.returncode > 5 else None
            except subprocess.TimeoutExpired:
                bad = "timeout"
            if bad is not None and len(part) > 1:
                broken = True
                break
            if bad is not None:
                results[part[0].name] = ("crash", f"ended with {bad}")
                continue
            for line in summary.read_text().splitlines():
                row = json.loads(line)
                results[pathlib.Path(row["test"]).name] = (row["result"], row["message"])
        if not broken:
            break
    return results


def run_all(sluice, source, scratch):
    folders = sorted(source.iterdir())
    batches = [folders[i:i + BATCH] for i in range(0, len(folders), BATCH)]
    results = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(lambda job: run_batch(sluice, job[1], job[0], scratch), enumerate(batches)):
            results.update(part)
    return results


def describe(folder):
    """(op, domain, opset, element types of inputs and outputs) of a test, from its model. The op is the one that the test is named after."""
    import onnx
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    name = folder.name[len("test_"):].replace("_", "")
    nodes = list(model.graph.node)
    best = max(nodes, key=lambda node: (name.startswith(node.op_type.lower()), node.op_type != "Constant"), default=None)
    if folder.name.endswith("_expanded") or "_expanded_" in folder.name:
        op, domain = "(function bodies)", ""
    else:
        op, domain = (best.op_type, best.domain) if best else ("?", "")
    types = set()
    for value in list(model.graph.input) + list(model.graph.output):
        if value.type.HasField("tensor_type"):
            types.add(onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower())
        else:
            types.add(value.type.WhichOneof("value").replace("_type", ""))
    return op, domain, opsets.get(domain, 0), types


def reason(message):
    """A message without the paths and names of one test, so that like failures read alike."""
    text = message.split("error: ")[-1].split(" (try ")[0]
    text = re.sub(r"(value|input|output) '[^']*'", r"\1", text)
    return re.sub(r"\s+", " ", text).strip()[:150]


def page(static, dynamic, described):
    table = collections.defaultdict(lambda: {"opsets": set(), "types": set(), "static": [0, 0], "dynamic": [0, 0], "reasons": collections.Counter()})
    for test, (op, domain, opset, types) in described.items():
        row = table[(op, domain)]
        row["opsets"].add(opset)
        for kind, results in (("static", static), ("dynamic", dynamic)):
            if test not in results:
                continue
            result, message = results[test]
            row[kind][1] += 1
            if result == "pass":
                row[kind][0] += 1
                row["types"] |= types
            else:
                row["reasons"][(kind, reason(message))] += 1
    count = lambda results: sum(result == "pass" for result, _ in results.values())
    lines = [
        "# Conformance", "",
        "Generated by `tests/conformance/report.py` from the node tests that the `onnx` package publishes, run by `sluice test` through the whole compiler. *Static* is a test as published; *dynamic* is",
        "the same with every dimension of every input symbolic. Inputs that an op needs as constants (axes, sizes, scales where no run-time form exists) are bound to the test's values",
        "before compiling, as `sluice test` says when it does so. Every test that does not pass fails with a located message; the last column gives it.", "",
        f"| | passed | of |", "| --- | --- | --- |",
        f"| static | {count(static)} | {len(static)} |", f"| dynamic | {count(dynamic)} | {len(dynamic)} |", "",
        "| op | opset of the tests | types that passed | static | dynamic | reasons |", "| --- | --- | --- | --- | --- | --- |",
    ]
    for (op, domain), row in sorted(table.items(), key=lambda item: (item[0][1], item[0][0].lower())):
        opsets = sorted(row["opsets"])
        span = f"{opsets[0]}" if len(opsets) == 1 else f"{opsets[0]} to {opsets[-1]}"
        reasons = "; ".join(f"{kind} {number}x: {text}" for (kind, text), number in sorted(row["reasons"].items())).replace("|", "\\|")
        name = f"{domain}.{op}" if domain else op
        lines.append(f"| {name} | {span} | {' '.join(sorted(row['types']))} | {row['static'][0]}/{row['static'][1]} | {row['dynamic'][0]}/{row['dynamic'][1]} | {reasons} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sluice", required=True)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--check", type=pathlib.Path)
    options = parser.parse_args()
    try:
        import onnx  # noqa: F401
    except ImportError:
        return 77
    scratch = options.scratch.resolve()
    node, symbolic = scratch / "node", scratch / "dynamic"
    if not (scratch / "complete").exists():
        shutil.rmtree(scratch, ignore_errors=True)
        node.mkdir(parents=True)
        subprocess.run([sys.executable, "-W", "ignore", HERE / "generate.py", node], check=True)
        make_dynamic(node, symbolic)
        (scratch / "complete").touch()
    static, dynamic = run_all(options.sluice, node, scratch), run_all(options.sluice, symbolic, scratch)
    text = page(static, dynamic, {folder.name: describe(folder) for folder in sorted(node.iterdir())})
    bad = [f"{kind} {test}: {result}: {message}" for kind, results in (("static", static), ("dynamic", dynamic))
           for test, (result, message) in sorted(results.items()) if result in ("wrong", "crash")]
    print("\n".join(bad))
    for kind, results in (("static", static), ("dynamic", dynamic)):
        print(f"{kind}: {sum(result == 'pass' for result, _ in results.values())} of {len(results)} pass")
    if options.write:
        options.write.write_text(text)
    if options.check and options.check.read_text() != text:
        print("\n".join(difflib.unified_diff(options.check.read_text().splitlines(), text.splitlines(), str(options.check), "this run", lineterm="", n=0)))
        print(f"{options.check} is out of date: run this script with --write")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
