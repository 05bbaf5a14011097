"""Inputs, outputs and machines that are wrong while a good model runs: exit code and message of each, nothing half-written."""
import os
import struct

import harness
from harness import FAILED, MODEL, RUN, SYSTEM, USAGE, graph, node, npy, read_npy


def relu(bench, shape=("n", 4), kind="f32"):
    return bench.write("relu.json", graph([node("Relu", ["x"], ["y"])], [("x", kind, list(shape))]))


def two(bench):
    return bench.write("two.json", graph([node("Add", ["a", "b"], ["y"])], [("a", "f32", ["n"]), ("b", "f32", ["n"])]))


def case_good(bench):
    bench.write("x.npy", npy([2, 4], [1, -2, 3, -4, 5, -6, 7, -8]))
    bench.run("run", relu(bench), "--input", "x=x.npy", "--output-dir", "out", stdout="y: f32[2, 4] = 1 0 3 0 5 0 7 0")
    assert read_npy(bench.path("out/y.npy")) == ((2, 4), [1, 0, 3, 0, 5, 0, 7, 0])
    bench.run("run", relu(bench), "--input=x.npy")
    bench.write("f.npy", npy([2, 4], [1, 5, -2, -6, 3, 7, -4, -8], fortran=True))
    bench.run("run", relu(bench), "--input", "x=f.npy", stdout="= 1 0 3 0 5 0 7 0")


def case_missing_and_unknown(bench):
    model = relu(bench)
    bench.run("run", model, code=USAGE, says="input 'x' is missing")
    bench.run("run", model, "--input", "z=random", code=USAGE, says=["no input 'z'", "it has 'x'"])
    bench.run("run", model, "--input", "x=nothing.npy", code=SYSTEM, says="nothing.npy")
    bench.run("run", two(bench), "--input", "random", code=USAGE, says="the model has 2 inputs")
    bench.run("run", two(bench), "--input", "a=random", code=USAGE, says="input 'b' is missing")
    os.mkdir(bench.path("folder"))
    bench.run("run", model, "--input", "x=folder", code=SYSTEM, says="folder")


def case_type_shape_rank(bench):
    for reference in [[], ["--reference"]]:
        bench.write("x.npy", npy([2, 4], [1] * 8, "f8"))
        bench.run("run", relu(bench), "--input", "x=x.npy", *reference, code=MODEL, says=["'x'", "f32"])
        bench.write("x.npy", npy([2, 5], [1] * 10))
        bench.run("run", relu(bench), "--input", "x=x.npy", *reference, code=MODEL, says=["'x'", "4", "5"])
        bench.write("x.npy", npy([4], [1] * 4))
        bench.run("run", relu(bench), "--input", "x=x.npy", *reference, code=MODEL, says=["'x'", "rank"])
    bench.write("a.npy", npy([2], [1] * 2))
    bench.write("b.npy", npy([3], [1] * 3))
    bench.run("run", two(bench), "--input", "a=a.npy", "--input", "b=b.npy", code=MODEL, says=["2", "3"])


def case_broken_npy(bench):
    good = npy([2, 4], [1] * 8)
    model = relu(bench)
    for length in range(0, len(good), 5):
        bench.run("run", model, "--input", "x=" + bench.write("x.npy", good[:length]), code=MODEL, says="x.npy")
    for header in ["{}", "{'descr': '<f4'}", "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 4), }", "{'descr': '<c8', 'fortran_order': False, 'shape': (2, 4), }",
                   "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 4), }", "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 4), }",
                   "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }",
                   "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, ), }", "{'descr': '<f4', 'fortran_order': False, 'shape': (x, ), }",
                   "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1), }", "{'descr': ''", "'shape':'fortran_order':'descr':"]:
        bench.run("run", model, "--input", "x=" + bench.write("x.npy", npy([2, 4], [1] * 8, header=header)), code=MODEL, says="x.npy")
    bench.run("run", model, "--input", "x=" + bench.write("x.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFFF) + bytes(64)), code=MODEL, says="x.npy")
    for data in [b"\xff" * 40, b"\x08\x02\x10\x01", b"\x0a\x05\x01"]:
        bench.run("run", model, "--input", "x=" + bench.write("x.pb", data), code=MODEL, says="x.pb")


def case_fails_while_running(bench):
    bench.write("t.json", graph([node("Gather", ["x", "i"], ["y"])], [("x", "f32", [4]), ("i", "i64", ["n"])]))
    bench.write("i.npy", npy([2], [1, 4], "i8"))
    bench.run("run", "t.json", "--input", "x=random", "--input", "i=i.npy", code=RUN, says=["the_gather", "out of range"])
    bench.run("run", "t.json", "--input", "x=random", "--input", "i=i.npy", "--reference", code=RUN, says="the_gather")
    bench.write("r.json", graph([node("Reshape", ["x", "s"], ["y"])], [("x", "f32", ["n"]), ("s", "i64", [2])]))
    bench.write("x.npy", npy([6], [0] * 6))
    bench.write("s.npy", npy([2], [4, -1], "i8"))
    bench.run("run", "r.json", "--input", "x=x.npy", "--input", "s=s.npy", code=RUN, says="the_reshape")
    bench.write("s.npy", npy([2], [2, -1], "i8"))
    bench.run("run", "r.json", "--input", "x=x.npy", "--input", "s=s.npy", stdout="y: f32[2, 3]")


def case_too_much_memory(bench):
    bench.write("big.json", graph([node("ConstantOfShape", ["s"], ["y"])], [("s", "i64", [2])]))
    bench.write("s.npy", npy([2], [1 << 40, 1 << 10], "i8"))
    bench.run("run", "big.json", "--input", "s=s.npy", code=SYSTEM)
    bench.write("s.npy", npy([2], [1 << 40, 1 << 40], "i8"))
    done = bench.run("run", "big.json", "--input", "s=s.npy", code=SYSTEM)
    assert "64 bits" in done.err or "overflow" in done.err or "memory" in done.err, done


def case_unwritable(bench):
    bench.write("x.npy", npy([2, 4], [1] * 8))
    bench.write("file", "in the way")
    model = relu(bench)
    bench.run("run", model, "--input", "x=x.npy", "--output-dir", "file", code=SYSTEM, says="file")
    bench.run("run", model, "--input", "x=x.npy", "--output-dir", "no/such/parent", code=SYSTEM, says="no/such/parent")
    bench.run("compile", model, "--emit=asm", "-o", "no/such/parent/m.s", code=SYSTEM, says="no/such/parent/m.s")
    bench.run("compile", model, "--emit=ir", "-o", ".", code=SYSTEM)
    bench.run("opt", model, "-o", "no/such/parent/m.sl", code=SYSTEM, says="no/such/parent/m.sl")
    bench.run("compile", model, "--dump-dir", "file", code=SYSTEM, says="file")
    bench.run("test", "nowhere", "--summary", "no/such/parent/s", code=SYSTEM, says="no/such/parent/s")
    if os.path.exists("/dev/full"):
        done = harness.subprocess.run([bench.sluice, "ops"], stdout=open("/dev/full", "w"), stderr=harness.subprocess.PIPE)
        assert done.returncode == SYSTEM and b"standard output" in done.stderr, done


def case_full_disk(bench):
    """A limit on file sizes stands for a full disk (the write fails in the middle); what was there before stays."""
    shape = ["n", 400]
    bench.write("wide.json", graph([node("Relu", ["x"], ["y"])], [("x", "f32", shape)]))
    bench.write("x.npy", npy([100, 400], [1] * 40000))
    bench.write("out/y.npy", "old")
    bench.run("run", "wide.json", "--input", "x=x.npy", "--output-dir", "out", code=SYSTEM, says="y.npy", shell_limit="-f 8")
    assert open(bench.path("out/y.npy")).read() == "old", "the old file was touched"
    assert bench.files() == ["out/y.npy", "wide.json", "x.npy"], bench.files()
    bench.write("m.s", "old")
    bench.run("compile", "wide.json", "--emit=asm", "-o", "m.s", code=SYSTEM, says="m.s", shell_limit="-f 1")
    assert open(bench.path("m.s")).read() == "old", "the old file was touched"
    assert bench.files() == ["m.s", "out/y.npy", "wide.json", "x.npy"], bench.files()


def case_full_disk_while_caching(bench):
    """The cache is a help, not a need: the model runs, and no damaged entry is left that a later run would take."""
    bench.write("x.npy", npy([2, 4], [1] * 8))
    model = relu(bench)
    run = ["run", model, "--input", "x=x.npy", "--cache-dir"]
    bench.run(*run, "cache", stdout="y: f32[2, 4]", shell_limit="-f 1")
    assert not [name for name in bench.files() if name.startswith("cache/")], bench.files()
    bench.write("file", "in the way")
    bench.run(*run, "file", stdout="y: f32[2, 4]")
    bench.run(*run, "/proc/nothing", stdout="y: f32[2, 4]")
    bench.run(*run, "cache", stdout="y: f32[2, 4]")
    entries = [name for name in bench.files() if name.startswith("cache/")]
    assert entries and all(name.endswith((".slo", ".slp", ".ok")) for name in entries), entries
    for name in entries:
        with open(bench.path(name), "r+b") as file:
            file.truncate(100)
    bench.run(*run, "cache", stdout="y: f32[2, 4] = 1 1")


def case_expect(bench):
    bench.write("x.npy", npy([1, 4], [1, -2, 3, -4]))
    bench.write("good.npy", npy([1, 4], [1, 0, 3, 0]))
    bench.write("wrong.npy", npy([1, 4], [1, 0, 3, 1]))
    bench.write("shape.npy", npy([4], [1, 0, 3, 0]))
    bench.write("kind.npy", npy([1, 4], [1, 0, 3, 0], "f8"))
    model = relu(bench)
    bench.run("run", model, "--input", "x=x.npy", "--expect", "good.npy", stdout="as expected")
    for name in ["wrong", "shape", "kind"]:
        bench.run("run", model, "--input", "x=x.npy", "--expect", name + ".npy", code=FAILED, says=["'y' differs from", name])
    bench.run("run", model, "--input", "x=x.npy", "--expect", "none.npy", code=SYSTEM, says="none.npy")
    bench.run("run", model, "--input", "x=x.npy", "--expect", "wrong.npy", "--atol", "2", stdout="as expected")


harness.main(globals())
