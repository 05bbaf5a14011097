"""Every option of every command (cli/options.def), and that a new one can't come without a case here."""
import json
import math
import os
import re

import harness
from harness import FAILED, MODEL, SOURCE, SYSTEM, USAGE, graph, node, npy, read_npy

SL = """core.func @main() -> (tensor<2 x f32>) {
  %a = core.constant {value = data<tensor<2 x f32>>[1.5, -2.0]} : () -> tensor<2 x f32>
  %b = arith.neg(%a) : (tensor<2 x f32>) -> tensor<2 x f32>
  core.return(%b) : (tensor<2 x f32>)
}
"""
FUNCTION = """core.func @main(%x: tensor<2 x f32>) -> (tensor<2 x f32>) {
  %a = arith.neg(%x) : (tensor<2 x f32>) -> tensor<2 x f32>
  %b = arith.neg(%a) : (tensor<2 x f32>) -> tensor<2 x f32>
  core.return(%b) : (tensor<2 x f32>)
}
"""


def model(bench):
    weights = {"w": {"type": "f32", "shape": [4, 3], "data": [1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 1, 1]}}
    return bench.write("m.json", graph([node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])], [("x", "f32", ["n", 4])], initializers=weights))


def rows():
    """(flag, [commands]) of options.def."""
    with open(os.path.join(SOURCE, "cli", "options.def")) as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    for flag, rest in re.findall(r'^CLI_\w+\(\w+, "([^"]+)",(.*)$', text, flags=re.M):
        yield flag, [word.lower() for word in re.findall(r"CLI_(RUN|COMPILE|OPT|TEST|INSPECT|OPS|CALIBRATE)\b", rest)]


def case_every_option_is_tested_and_explained(bench):
    tests = ""
    for name in os.listdir(os.path.join(SOURCE, "tests", "cli")):
        if name.endswith(".py"):
            with open(os.path.join(SOURCE, "tests", "cli", name)) as file:
                tests += file.read()
    found = list(rows())
    assert len(found) > 30, found
    helps = {command: bench.run(command, "--help").out for command in ["run", "compile", "opt", "test", "inspect", "ops", "calibrate"]}
    for flag, commands in found:
        assert commands, flag
        assert re.search(r"[\"'=]%s[\"'=]" % re.escape(flag), tests), f"{flag} is used in no test of tests/cli"
        for command in helps:
            assert (f"  {flag} " in helps[command]) == (command in commands), f"{flag} in the help of {command}"


def case_help(bench):
    whole = bench.run("--help").out
    for command in ["run", "compile", "opt", "test", "inspect", "ops"]:
        assert f"  {command} " in whole
        text = bench.run(command, "--help").out
        assert "Usage: sluice " + command in text and "Example:" in text
    for code in range(6):
        assert f"{code} " in whole[whole.index("Exit codes"):]
    assert bench.run("-h").out == whole and bench.run("help").out == whole
    assert re.fullmatch(r"sluice \d+\.\d+\.\d+\n", bench.run("--version").out)


def case_wrong_command_lines(bench):
    m = model(bench)
    for arguments, says in [
        ([], None), (["frob"], "unknown command 'frob'"), (["run"], "run needs one model"), (["run", m, m], "run needs one model"), (["compile"], "compile needs one model"),
        (["opt"], "opt needs one file"), (["test"], "test needs directories"), (["inspect"], "inspect needs one model"), (["ops", "add"], "ops takes no files"),
        (["run", m, "--frob"], "unknown option '--frob'; see `sluice run --help`"), (["ops", "--repeat", "2"], "unknown option '--repeat'"), (["run", m, "--input"], "--input needs NAME=FILE"),
        (["run", m, "--repeat", "0"], "at least 1, not '0'"), (["run", m, "--repeat=many"], "'many'"), (["run", m, "--repeat", "99999999999999999999"], "'99999999999999999999'"),
        (["run", m, "--rtol", "-1"], "--rtol needs a non-negative number"), (["run", m, "--report=yes"], "--report takes no value"), (["compile", m, "--emit=fortran"], "'fortran'"),
        (["compile", m, "-o", "x"], "files that end in .slp"), (["compile", m, "--header", "x"], "--header goes with"), (["compile", m, "-o", "x.slp", "--header", "x.h"], "write one (-o model.o)"), (["compile", m, "--format", "xml"], "unknown format 'xml'"), (["compile", m, "--target", "z80"], "unknown target 'z80'"),
        (["compile", m, "--passes", "simplify,frob"], "there is no pass 'frob'"), (["compile", m, "--print-after", "frob"], "there is no pass 'frob'"),
        (["compile", m, "--kernel", "frob"], "known are strategy, "), (["run", m, "--input", "random", "--kernel", "a=frob"], "it takes direct, packed"), (["opt", m, "--passes", "simplify", "--kernel", "panels=9"], "numbers from 1 to 4"),
        (["compile", m, "--shape", "n"], "'n' is no binding"), (["compile", m, "--shape", "n=-2"], "'n=-2' is no binding"), (["compile", m, "--shape", "n=x"], "'n=x' is no binding"),
        (["compile", m, "--shape", "frob=[2]"], "no tensor input 'frob'"), (["compile", m, "--shape", "x=[2"], "no list of numbers"),
    ]:
        if says is None:
            assert harness.subprocess.run([bench.sluice], stdout=harness.subprocess.DEVNULL).returncode == USAGE
        else:
            bench.run(*arguments, code=USAGE, says=says)


def case_format(bench):
    bench.write("m.txt", SL)
    bench.run("opt", "m.txt", code=MODEL)
    bench.run("opt", "m.txt", "--format", "sl", stdout="arith.neg")
    m = model(bench)
    for format in ["auto", "json"]:
        bench.run("compile", m, "--format", format)
    for format in ["onnx", "onnx-json", "sl"]:
        bench.run("compile", m, "--format", format, code=MODEL, says="m.json")


def case_constant(bench):
    m = "two.json"
    route = {"op": "Route", "domain": "sluice", "name": "sides", "inputs": ["keys", "x"], "outputs": ["y"], "attributes": {"branches": {"graphs": [
        {"inputs": [{"name": "r"}], "nodes": [node("MatMul", ["r", "w"], ["o"])], "outputs": ["o"]},
        {"inputs": [{"name": "r"}], "nodes": [node("Neg", ["r"], ["o"])], "outputs": ["o"]}]}}}
    whole = {"format": "sluice-graph", "version": 1, "opset": 21, "inputs": [{"name": "keys", "type": "i64", "shape": [2]}, {"name": "x", "type": "f32", "shape": [2, 2]}], "outputs": ["y"],
             "initializers": {"w": {"type": "f32", "data": [[1, 2], [3, 4]]}}, "nodes": [route]}
    bench.write(m, json.dumps(whole))
    bench.write("x.npy", npy([2, 2], [1, 2, 3, 4]))
    bench.write("keys.npy", npy([2], [1, 0], "i8"))
    bench.run("run", m, "--input", "keys=keys.npy", "--input", "x=x.npy", "--report", stdout=["y: f32[2, 2] = -1 -2 15 22", "node 'sides' (Route), branch 0"])
    for value in ["[1,0]", "<2>[1, 0]", "keys.npy"]:
        assert "branch 0" not in bench.run("run", m, "--constant", "keys=" + value, "--input", "x=x.npy", "--report", stdout="y: f32[2, 2] = -1 -2 15 22").out
    bench.run("run", m, "--constant", "keys=1", "--input", "x=x.npy", code=USAGE, says="1 values do not fit input 'keys'")
    assert "contract" not in bench.run("compile", m, "--constant", "keys=[1,1]", "--emit=ir", stdout="core.func @main").out
    bench.run("run", m, "--constant", "frob=1", "--input", "x=x.npy", code=USAGE, says="no tensor input 'frob'")
    for wrong in ["keys", "=1", "keys="]:
        bench.run("compile", m, "--constant", wrong, code=USAGE, says="is no constant")
    for wrong in ["<2[1,0]", "<2>", "<x>[1,0]", "<3>[1,0]", "<2>[1,0"]:
        bench.run("compile", m, "--constant", "keys=" + wrong, code=USAGE, says="'keys=" + wrong)
    bench.run("compile", m, "--constant", "keys=missing.npy", code=SYSTEM, says="missing.npy")


def case_shape(bench):
    m = model(bench)
    for shape in ["n=8", "x=8,4", "x=8,?"]:
        bench.run("compile", m, "--shape", shape, "--emit", "ir", stdout="buffer<8 x 4 x f32>")
        bench.run("opt", m, "--shape", shape, stdout="tensor<8 x 4 x f32>")
        bench.run("inspect", m, "--shape", shape, stdout="f32[8, 4]")
        bench.run("run", m, "--shape", shape, "--input", "random", stdout="y: f32[8, 3]")
    bench.run("compile", m, "--shape", "x=8,5", code=MODEL, says=["'x'", "5"])
    bench.run("compile", m, "--shape", "frob=8", code=MODEL, says="'frob'")
    bench.write("f.sl", FUNCTION)
    bench.run("compile", "f.sl", "--shape", "n=8", code=USAGE, says="'n=8'")
    bench.run("compile", m, "--shape", "x=8", code=MODEL, says="'x'")
    bench.write("x.npy", npy([2, 4], [1] * 8))
    bench.run("run", m, "--shape", "n=8", "--input", "x.npy", code=MODEL, says=["'x'", "must be 8, but is 2"])
    bench.write("sum.json", graph([node("ReduceSum", ["x", "axes"], ["y"])], [("x", "f32", ["a", "b"]), ("axes", "i64", ["k"])]))
    bench.run("compile", "sum.json", "--shape", "axes=[1]", "--emit=ir")


def case_run_outputs(bench):
    m = model(bench)
    bench.write("x.npy", npy([1, 4], [1, -1, 1, 0]))
    bench.write("want.npy", npy([1, 3], [1, 0, 3]))
    run = ["run", m, "--input", "x=x.npy"]
    bench.run(*run, stdout="y: f32[1, 3] = 1 0 3\n")
    bench.run(*run, "--reference", "--expect", "want.npy", stdout="as expected")
    bench.run(*run, "--output-dir", "out")
    assert read_npy(bench.path("out/y.npy")) == ((1, 3), [1, 0, 3])
    bench.run(*run, "--repeat", "5", stdout="median of 5")
    bench.run(*run, "--threads", "2", "--expect", "want.npy")
    bench.run(*run, "--threads", "1", "--strict", "--expect", "want.npy")
    bench.run(*run, "--no-verify", "--expect", "want.npy")
    bench.run(*run, "--report", stdout=["weight bytes", "the_matmul", "total"])
    report = bench.run(*run, "--report-json").json()
    kernels = report if isinstance(report, list) else report["kernels"]
    assert sum(kernel["work"] for kernel in kernels) >= 12 and all(kernel["runs"] == 1 for kernel in kernels), report
    bench.write("near.npy", npy([1, 3], [1.0005, 0, 3]))
    bench.run(*run, "--expect", "near.npy")
    bench.run(*run, "--expect", "near.npy", "--rtol", "1e-4", code=FAILED)
    bench.run(*run, "--expect", "near.npy", "--rtol", "0", "--atol", "0.001")


def case_run_labels(bench):
    digits = os.path.join(SOURCE, "samples", "digits")
    arguments = ["run", os.path.join(digits, "mlp.json"), "--input", "x=" + os.path.join(digits, "heldout_x.npy")]
    bench.run(*arguments, "--labels", os.path.join(digits, "heldout_y.npy"), stdout="(434 of 450)")
    bench.write("short.npy", npy([3], [1, 2, 3], "i8"))
    bench.run(*arguments, "--labels", "short.npy", code=USAGE, says=["3 labels", "450 rows"])


def case_compile(bench):
    m = model(bench)
    bench.run("compile", m, stdout="compiled in")
    for kind, has in [("ir", "kernel.launch"), ("llvm", "define"), ("asm", ".text")]:
        text = bench.run("compile", m, "--emit", kind, stdout=has).out
        bench.run("compile", m, "--emit=" + kind, "-o", "out.txt")
        with open(bench.path("out.txt")) as file:
            assert file.read() == text, f"--emit={kind} differs from run to run"
        assert bench.run("compile", m, "--emit=" + kind, "-o", "-").out == text
    assert "loc(" in bench.run("compile", m, "--emit=ir", "--locations").out
    for target in ["host", "x86-64", "x86-64-v3", "x86-64-v4", "aarch64", "znver4,-avx512f"]:
        bench.run("compile", m, "--emit=asm", "--target", target)
    assert "zmm" not in bench.run("compile", m, "--emit=asm", "--target", "x86-64-v3").out
    assert "ymm" not in bench.run("compile", m, "--emit=asm", "--target", "x86-64").out
    bench.run("compile", m, "--threads", "2")
    bench.run("compile", m, "--strict", "--no-verify")
    bench.run("compile", m, "--absent-weights")
    if os.uname().machine == "x86_64":
        bench.run("compile", m, "--target", "aarch64", code=MODEL, says="can't run here")


def case_what_stays_dense(bench):
    """A choice by row over a product that is not worth skipping: it stays, and that is said; denied it is an error."""
    weights = {"w": {"type": "f32", "shape": [4, 4], "data": [1] * 16}}
    nodes = [node("MatMul", ["x", "w"], ["h"]), node("Where", ["c", "h", "x"], ["y"])]
    m = bench.write("dense.json", graph(nodes, [("x", "f32", [4, 4]), ("c", "bool", [4, 1])], initializers=weights))
    for command in [["compile", m], ["run", m, "--input", "x=random", "--input", "c=random"], ["opt", m, "--passes", "default", "-o", "out.sl"]]:
        assert "remark: runs dense: both sides are computed for all rows: 16 multiply-adds a row are not worth moving 8 elements" in bench.run(*command).err
        bench.run(*command, "--deny", "dense-fallback", code=MODEL, says="error: runs dense")
        bench.run(*command, "--deny=frob", code=USAGE, says="'frob' can't be denied; what can: dense-fallback")
    bench.run("compile", model(bench), "--deny=dense-fallback")


def case_memory_budget(bench):
    """Three convolutions whose results fit into the budget only in bands of rows: same bits, less memory; and a budget that nothing meets."""
    def weights(outs, ins):
        return {"type": "f32", "shape": [outs, ins, 3, 3], "data": [((i * 7919) % 33 - 16) / 64 for i in range(outs * ins * 9)]}
    conv = lambda source, w, result, stride: node("Conv", [source, w], [result], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
    nodes = [conv("x", "wa", "a", 1), node("Relu", ["a"], ["b"]), conv("b", "wb", "c", 2), conv("c", "wc", "y", 2)]
    m = bench.write("deep.json", graph(nodes, [("x", "f32", [1, 3, 48, 48])], initializers={"wa": weights(32, 3), "wb": weights(16, 32), "wc": weights(8, 16)}))
    more = ["--input", "x=random", "--decisions=bound-memory,plan-memory"]
    free = bench.run("run", m, *more, "--output-dir", "free")
    tight = bench.run("run", m, *more, "--output-dir", "tight", "--memory-budget", "160000")
    peaks = [int(re.search(r"peak: (\d+) bytes", done.err).group(1)) for done in (free, tight)]
    assert peaks[0] > 160000 >= peaks[1], peaks
    assert "bands of rows" in tight.err and "bands of rows" not in free.err, tight.err
    assert read_npy(bench.path("free/y.npy")) == read_npy(bench.path("tight/y.npy"))
    for command in [["compile", m], ["opt", m, "--passes", "default", "-o", "out.sl"]]:
        bench.run(*command, "--memory-budget=160000")
        bench.run(*command, "--memory-budget=2000", code=MODEL, says="the budget is 2000")


def wide(bench):
    """y = relu(x w), large enough for fewer bits to win. Weights and inputs are small multiples of 1/16: sums of bf16 are exact."""
    numbers = [((i * 7919) % 33 - 16) / 16 for i in range(256 * 128)]
    bench.write("x.npy", npy([64, 256], [((i * 104729) % 17 - 8) / 8 for i in range(64 * 256)]))
    weights = {"w": {"type": "f32", "shape": [256, 128], "data": numbers}}
    return bench.write("wide.json", graph([node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])], [("x", "f32", [64, 256])], initializers=weights))


def case_precision(bench):
    m = wide(bench)
    values = {}
    for precision in ["f32", "bf16", "int8"]:
        more = ["--precision", precision, "--target", "x86-64-v3", "--output-dir", precision]
        if precision == "int8":
            more += ["--calibration", "ranges.json"]
            done = bench.run("calibrate", m, "--input", "x=x.npy", "--input", "x=x.npy", "--threads", "2", "-o", "ranges.json")
            assert done.out == "ranges.json: 1 ranges from 2 samples\n", done
            with open(bench.path("ranges.json")) as file:
                assert list(json.load(file)["ranges"].values()) == [[-1, 1]]
        if os.uname().machine == "x86_64":
            done = bench.run("run", m, "--input", "x=x.npy", "--decisions=choose-precision", *more)
            values[precision] = read_npy(bench.path(precision + "/y.npy"))[1]
            assert ("choose-precision:" in done.err) == (precision != "f32"), done
            assert ("precision: int8: " in done.err) == (precision == "int8"), done
    for got, bound in [("bf16", 0), ("int8", 0.5)]:
        if values:
            assert max(abs(a - b) for a, b in zip(values["f32"], values[got])) <= bound, got
    # Without a calibration each row has a range of its own: rows of any magnitude keep their two digits, zeros stay zeros, NaN stays in its row.
    rows = [[0.0] * 256, [float("nan")] + [1.0] * 255] + [[10.0 ** (row // 2 - 16) * ((i * 104729 + row) % 17 - 8) / 8 for i in range(256)] for row in range(2, 64)]
    bench.write("rows.npy", npy([64, 256], sum(rows, [])))
    for target in ["host", "x86-64-v3", "x86-64"] if os.uname().machine == "x86_64" else ["host"]:
        got = {}
        for precision in ["f32", "int8"]:
            done = bench.run("run", m, "--input", "x=rows.npy", "--precision", precision, "--target", target, "--output-dir", precision, "--decisions=choose-precision")
            flat = read_npy(bench.path(precision + "/y.npy"))[1]
            got[precision] = [flat[128 * row:128 * (row + 1)] for row in range(64)]
        if "precision: int8: " not in done.err:      # does not win there
            continue
        assert got["int8"][0] == [0.0] * 128 and all(math.isnan(y) for y in got["int8"][1]), target
        for row in range(2, 64):
            largest = max(got["f32"][row])
            assert largest > 0 and all(abs(a - b) <= 0.03 * largest for a, b in zip(got["f32"][row], got["int8"][row])), (target, row, largest)
    for target, instruction in [("znver4", "vdpbf16ps"), ("sapphirerapids,-amx-tile", "vfmadd"), ("sapphirerapids", "tdpbf16ps")]:
        assert instruction in bench.run("compile", m, "--precision=bf16", "--emit=asm", "--target", target).out
    for target, instruction in [("znver4", "vpdpbusd"), ("alderlake", "vpdpbusd"), ("x86-64-v4", "vpmaddwd"), ("x86-64-v3", "vpmaddwd"), ("x86-64", "pmaddwd"), ("neoverse-v1", "sdot")]:
        out = bench.run("compile", m, "--precision=int8", "--calibration", "ranges.json", "--emit=asm", "--target", target).out
        assert re.search(r"\s" + instruction + r"\s", out) and "pmaddubsw" not in out, target
    bench.run("compile", m, "--precision=f8", code=USAGE, says="unknown precision 'f8'; known are f32, bf16 and int8")
    bench.run("compile", m, "--precision=bf16", "--calibration", "ranges.json", code=USAGE, says="a calibration is for precision int8")
    bench.run("compile", m, "--precision=int8", "--calibration", "none.json", code=SYSTEM, says="none.json")
    for text, says in [("{", "error"), ("{}", "no calibration"), ('{"format": "sluice-calibration", "version": 2}', "version"),
                       ('{"format": "sluice-calibration", "version": 1, "ranges": {"a": [2, 1]}}', "bad.json:1:64: error: a range is [low, high]")]:
        bench.write("bad.json", text)
        bench.run("compile", m, "--precision=int8", "--calibration", "bad.json", code=MODEL, says=says)
    bench.run("calibrate", m, code=USAGE, says="calibrate needs one model and -o FILE")
    bench.run("calibrate", model(bench), "--format", "json", "--shape", "n=2", "--target", "host", "--input", "random", "-o", "small.json", stdout="1 ranges from 1 sample")
    bench.run("opt", m, "--precision=bf16", "--passes=default", "--decisions=choose-precision", "-o", "out.sl", says="precision: ")
def case_profiles(bench):
    """What runs saw of routed rows goes to a file, and from there into the choice of schedules; the output stays as it is."""
    body = lambda nodes, out: {"inputs": [{"name": "r"}], "nodes": nodes, "outputs": [out]}
    tanhs = [node("Tanh", ["r" if i == 0 else f"t{i - 1}"], [f"t{i}"]) for i in range(12)]
    route = {"op": "Route", "domain": "sluice", "name": "light", "inputs": ["k", "x"], "outputs": ["y"], "attributes": {"branches": {"graphs": [body([], "r"), body(tanhs, "t11")]}}}
    m = bench.write("light.json", graph([route], [("k", "i64", [8]), ("x", "f32", [8, 32])]))
    x, k = bench.write("x.npy", npy([8, 32], [i / 64 for i in range(256)])), bench.write("k.npy", npy([8], [0, 0, 1, 0, 0, 0, 0, 1], "i8"))
    command = ["run", m, "--input", f"x={x}", "--input", f"k={k}", "--output-dir", "out", "--dump-dir", "dump"]
    bench.run(*command, "--repeat", "3", "--profile-out", "profile.json")
    with open(bench.path("dump/decisions.txt")) as file:
        assert "packed below 0." in (text := file.read()) and "(no profile)" in text, text
    with open(bench.path("profile.json")) as file:
        profile = json.load(file)
    assert profile == {"format": "sluice-profile", "version": 1, "branches": [
        {"node": "node 'light' (Route)", "branch": 1, "runs": 3, "rows": 6, "of": 24, "whole_runs": 0, "least": 0.25, "most": 0.25}]}, profile
    bench.run(*command, "--profile", "profile.json", "--expect", "out/y.npy", "--rtol", "0", "--atol", "0", stdout="as expected")
    with open(bench.path("dump/decisions.txt")) as file:
        assert "packed: " in (text := file.read()) and "(profile of 3 runs, 0.25 to 0.25)" in text and "select from there on" not in text, text
    bench.run("compile", m, "--profile=profile.json")
    bench.run("compile", m, "--profile", m, code=USAGE, says="is no profile")
    bench.run(*command, "--reference", "--profile-out", "p.json", code=USAGE, says="needs compiled code")


def case_schedules(bench):
    """Experts that share a body, in each schedule: the same bits, and the report says which one ran."""
    command = ["run", os.path.join(SOURCE, "samples", "routing", "experts.json"), "--shape", "rows=32", "--input", "x=random"]
    bits = {}
    for schedule, ran in [("loop", "one by one"), ("grouped", "grouped"), ("padded", "padded"), ("auto", "launches over several branches")]:
        assert ran in bench.run(*command, "--schedule", schedule, "--output-dir", schedule, "--report").out
        with open(bench.path(schedule + "/y.npy"), "rb") as file:
            bits[schedule] = file.read()
        counts = bench.run(*command, "--schedule", schedule, "--report-json").json()["schedules"]
        assert sum(counts.values()) > 0 and (schedule == "auto" or counts[schedule] == sum(counts.values())), counts
    assert len(set(bits.values())) == 1
    bench.run(*command, "--schedule", "fast", code=USAGE, says="expected auto, loop, grouped or padded")


def case_seeing_passes(bench):
    m = model(bench)
    for command in [["compile", m], ["opt", m, "--passes", "default", "-o", "out.sl"], ["run", m, "--input", "random"]]:
        done = bench.run(*command, "--print-before", "fuse", "--print-after", "simplify,tile")
        assert "nest.generic" in done.err and "kernel.func" in done.err and "plan-memory" not in done.err, done
        assert bench.run(*command, "--print-changed").err.count("core.func @main") >= 2
        assert bench.run(*command, "--print-after", "all").err.count("core.func @main") >= 10
        assert "plan-memory" in bench.run(*command, "--timing").err
        bench.run(*command, "--dump-dir", "dump")
        names = os.listdir(bench.path("dump"))
        assert "00-input.sl" in names and "decisions.txt" in names and len(names) >= 12, names


def case_cache(bench):
    m = model(bench)
    for command in [["run", m, "--input", "random"], ["compile", m]]:
        bench.run(*command, "--cache-dir", "cache")
    assert any(name.startswith("cache/") for name in bench.files())
    bench.run("compile", m, "--cache-dir", "default", env={"XDG_CACHE_HOME": bench.path("xdg")})
    assert any(name.startswith("xdg/sluice/") for name in bench.files()), bench.files()
    bench.run("compile", m, "--cache-dir", "default", env={"XDG_CACHE_HOME": "", "HOME": bench.path("home")})
    assert any(name.startswith("home/.cache/sluice/") for name in bench.files()), bench.files()
    assert "(0 from the cache)" not in bench.run("compile", m, "--cache-dir", "cache", "--timing").err


def case_opt(bench):
    bench.write("c.sl", SL)
    bench.write("f.sl", FUNCTION)
    listed = bench.run("opt", "--list-passes").out
    for name in re.search(r"default pipeline: (.*)", listed).group(1).split(","):
        assert re.search(r"^%s +\S" % name, listed, flags=re.M), name
    assert bench.run("opt", "c.sl", "--evaluate").out == "f32[2]: -1.5 2\n"
    assert bench.run("opt", "c.sl", "--execute").out == "f32[2]: -1.5 2\n"
    bench.run("opt", "f.sl", "--evaluate", code=USAGE, says="takes 1 inputs")
    bench.run("opt", "f.sl", "--execute", code=USAGE, says="takes 1 inputs")
    assert bench.run("opt", "f.sl", "--verify-only").out == ""
    assert "arith.neg" not in bench.run("opt", "f.sl", "--passes", "simplify").out
    bench.run("opt", "f.sl", "--passes", "simplify", "--strict", "--target", "x86-64", "--no-verify", "-o", "out.sl")
    again = bench.run("opt", "out.sl").out
    with open(bench.path("out.sl")) as file:
        assert file.read() == again, "text does not round-trip"
    assert "loc(" in bench.run("opt", "f.sl", "--locations").out
    bench.write("wrong.sl", FUNCTION.replace("-> tensor<2 x f32>\n  core", "-> tensor<3 x f32>\n  core"))
    bench.run("opt", "wrong.sl", "--verify-only", code=MODEL, says="wrong.sl:4")


def case_reproducer(bench):
    bench.write("f.sl", FUNCTION)
    for command in [["opt", "f.sl"], ["compile", "f.sl"], ["run", "f.sl", "--input", "random"]]:
        # bufferize wants kernels; plan-memory would have come after it
        bench.run(*command, "--passes", "infer-shapes,bufferize,plan-memory", "--reproducer", "again.sl", code=MODEL, says="arith.neg")
        with open(bench.path("again.sl")) as file:
            assert "--passes=bufferize,plan-memory" in file.read()
        bench.run("opt", "again.sl", "--passes", "bufferize,plan-memory", code=MODEL, says="arith.neg")
        os.remove(bench.path("again.sl"))


def case_inspect(bench):
    m = model(bench)
    bench.run("inspect", m, stdout=["x: f32[n, 4]", "y: f32[n, 3]", "12 in 1 tensors", "50.0 % zeros", "12*n multiply-adds", "MatMul 1, Relu 1"])
    told = bench.run("inspect", m, "--json").json()
    assert told["parameters"] == 12 and told["zeros"] == 6 and told["nodes"] == {"MatMul": 1, "Relu": 1} and told["inputs"][0]["name"] == "x", told
    branch = node("If", ["c"], ["y"], **{"then": {"nodes": [node("Relu", ["x"], ["r"])], "outputs": ["r"]}, "else": {"nodes": [], "outputs": ["x"]}})
    bench.write("if.json", graph([branch], [("c", "bool", []), ("x", "f32", [2])]))
    told = bench.run("inspect", "if.json", "--json").json()
    assert told["ifs"] == 1 and told["branches"] == 2 and told["nodes"] == {"If": 1, "Relu": 1}, told
    bench.write("f.sl", FUNCTION)
    bench.run("inspect", "f.sl", "--format", "sl", stdout="f32[2]")
    bench.run("inspect", "none.json", code=SYSTEM, says="none.json")


def case_ops(bench):
    text = bench.run("ops").out
    told = {row["op"]: row for row in bench.run("ops", "--json").json()}
    for name in ["core.func", "arith.add", "tensor.contract", "route.switch", "nest.generic", "kernel.launch"]:
        assert re.search(r"^%s$" % re.escape(name), text, flags=re.M) and name in told, name
    concat = told["tensor.concat"]
    assert concat["attributes"][0]["name"] == "axis" and concat["attributes"][0]["required"] and concat["operands"] == [1, -1] and concat["results"] == [1, 1], concat
    assert all(row["doc"] for row in told.values())
    onnx = bench.run("ops", "--onnx").out
    rows = bench.run("ops", "--onnx", "--json").json()
    assert len(rows) == len(onnx.splitlines()) > 150
    assert any(row["op"] == "Conv" and row["domain"] == "" for row in rows)
    json.dumps(rows)


harness.main(globals())
