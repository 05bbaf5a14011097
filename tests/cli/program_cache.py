"""program_cache.py: compiled programs as files, and the cache of them: what is found again, what is not, what damage and full disks do."""
import glob
import os
import shutil
import struct
import subprocess
import sys
import time

import harness
from harness import MODEL, SYSTEM, USAGE, field, graph, node, npy, onnx_model, onnx_node, read_npy, tensor_proto, value_info

N = 24


def weights(scale):
    return [((i * 7) % 11 - 5) * scale for i in range(N * N)]


def model(bench, scale=1.0, name="m.json"):
    """y = relu(x W), z = one row of a table by number."""
    bench.write(name, graph([node("MatMul", ["x", "w"], ["p"]), node("Relu", ["p"], ["y"]), node("Gather", ["t", "i"], ["z"])],
                            [("x", "f32", [3, N])], ["y", "z"],
                            {"w": {"type": "f32", "shape": [N, N], "data": weights(scale)}, "t": {"type": "f32", "shape": [4, 2], "data": list(range(8))},
                             "i": {"type": "i64", "shape": [3], "data": [3, 0, 2]}}))
    bench.write("x.npy", npy([3, N], [float(i % 5) for i in range(3 * N)]))
    return name


def outputs(bench, *arguments, **more):
    """What a run gives, and what it says."""
    shutil.rmtree(bench.path("out"), ignore_errors=True)
    result = bench.run("run", *arguments, "--input", "x=x.npy", "--output-dir", "out", "--timing", **more)
    return {name: read_npy(bench.path(f"out/{name}")) for name in sorted(os.listdir(bench.path("out")))}, result.err


def expected(bench, name):
    return outputs(bench, name, "--no-cache")[0]


def is_hit(err):
    return "program cache: found" in err


def entries(bench, kind="slp"):
    return sorted(glob.glob(bench.path(f"cache/*.{kind}")))


def case_found_again(bench):
    m = model(bench)
    want = expected(bench, m)
    first, err = outputs(bench, m, "--cache-dir", "cache")
    assert not is_hit(err) and first == want
    assert len(entries(bench)) == 1 and len(entries(bench, "ok")) == 1 and not entries(bench, "tmp")
    for _ in range(2):
        again, err = outputs(bench, m, "--cache-dir", "cache")
        assert is_hit(err) and again == want, err
    assert is_hit(outputs(bench, m, env={"SLUICE_CACHE_DIR": bench.path("cache")})[1])
    assert not is_hit(outputs(bench, m, "--no-cache", env={"SLUICE_CACHE_DIR": bench.path("cache")})[1])
    assert not is_hit(outputs(bench, m, "--cache-dir", "cache", "--print-after", "fuse")[1]), "passes must run to be printed"


def case_what_the_program_depends_on(bench):
    m = model(bench)
    outputs(bench, m, "--cache-dir", "cache")
    for options in (["--target", "x86-64-v3"] if os.uname().machine == "x86_64" else ["--threads", "3"]), ["--threads", "1"], ["--strict"], ["--no-verify"]:
        assert not is_hit(outputs(bench, m, "--cache-dir", "cache", *options)[1]), options
        assert is_hit(outputs(bench, m, "--cache-dir", "cache", *options)[1]), options
    model(bench, 2.0)
    changed, err = outputs(bench, m, "--cache-dir", "cache")
    assert not is_hit(err) and changed == expected(bench, m)
    model(bench, 1.0)
    back, err = outputs(bench, m, "--cache-dir", "cache")
    assert is_hit(err) and back == expected(bench, m), "small models are known by content"


def case_side_files(bench):
    raw = struct.pack(f"<{N * N}f", *weights(1.0))

    def side(scale):
        bench.write("w.bin", struct.pack(f"<{N * N}f", *weights(scale)))

    entry = lambda key, value: field(13, field(1, key) + field(2, value))
    external = tensor_proto("w", [N, N], 1, b"", entry("location", "w.bin"), entry("offset", "0"), entry("length", str(len(raw))), field(14, 1))
    bench.write("m.onnx", onnx_model([onnx_node("MatMul", ["x", "w"], ["y"])], [value_info("x", 1, [3, N])], [value_info("y", 1, [3, N])], [external]))
    bench.write("x.npy", npy([3, N], [float(i % 5) for i in range(3 * N)]))
    side(1.0)
    outputs(bench, "m.onnx", "--cache-dir", "cache")
    assert is_hit(outputs(bench, "m.onnx", "--cache-dir", "cache")[1])
    side(3.0)
    changed, err = outputs(bench, "m.onnx", "--cache-dir", "cache")
    assert not is_hit(err) and changed == expected(bench, "m.onnx")


def case_large_models_are_known_by_file(bench):
    """Above 4 MB not by content but by times and inode; not at all while they are younger than those can tell."""
    many = 1100 * 1000
    bench.write("m.onnx", onnx_model([onnx_node("Add", ["x", "w"], ["y"])], [value_info("x", 1, [1])], [value_info("y", 1, [many])],
                                     [tensor_proto("w", [many], 1, struct.pack("<f", 1.5) * many)]))
    bench.write("x.npy", npy([1], [1.0]))
    time.sleep(0.2)
    outputs(bench, "m.onnx", "--cache-dir", "cache")
    assert is_hit(outputs(bench, "m.onnx", "--cache-dir", "cache")[1])
    with open(bench.path("m.onnx"), "r+b") as file:      # same size
        data = file.read().replace(struct.pack("<f", 1.5), struct.pack("<f", 2.5))
        file.seek(0)
        file.write(data)
    got, err = outputs(bench, "m.onnx", "--cache-dir", "cache")
    assert not is_hit(err) and got["y.npy"][1][7] == 3.5


def case_damage_means_compiling_again(bench):
    m = model(bench)
    want = expected(bench, m)
    outputs(bench, m, "--cache-dir", "cache")
    entry = entries(bench)[0]
    with open(entry, "rb") as file:
        sound = file.read()
    for damage in (b"", sound[:100], sound[:-1], sound + b"\0", sound[:len(sound) // 2], b"\0" * len(sound), *(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1:]
                   for at in (3, 17, 40, 300, 900, len(sound) - 70, len(sound) - 1200))):
        with open(entry, "wb") as file:
            file.write(damage)
        got, err = outputs(bench, m, "--cache-dir", "cache")
        assert got == want and not is_hit(err), (len(damage), err)
        got, err = outputs(bench, m, "--cache-dir", "cache")
        assert got == want and is_hit(err), "the damaged entry was not replaced"
    os.chmod(entry, 0o666)      # others could have put code there
    assert not is_hit(outputs(bench, m, "--cache-dir", "cache")[1])


def case_full_disks_and_bad_folders(bench):
    m = model(bench)
    want = expected(bench, m)
    got = bench.run("run", m, "--input", "x=x.npy", "--cache-dir", "cache", "--output-dir", "out", shell_limit="-f 20", says="warning: the program was compiled but not cached")
    assert got.err.count("warning") == 1, got
    assert not entries(bench) and not entries(bench, "tmp")
    bench.write("file", "")
    for folder in "file/cache", "/proc/no/such/place":
        got, err = outputs(bench, m, "--cache-dir", folder)
        assert got == want and err.count("warning") == 1, err


def case_many_processes_at_once(bench):
    m = model(bench)
    want = expected(bench, m)
    running = [subprocess.Popen([bench.sluice, "run", m, "--input", "x=x.npy", "--cache-dir", "cache", "--output-dir", f"out{i}"], cwd=bench.folder,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for i in range(6)]
    for i, process in enumerate(running):
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0 and not err, err
        assert read_npy(bench.path(f"out{i}/y.npy")) == want["y.npy"]
    assert len(entries(bench)) == 1 and not entries(bench, "tmp")


def case_limit(bench):
    """The least recently used goes first."""
    many = 700 * 1000
    names = []
    for i in range(3):
        names.append(f"m{i}.onnx")
        bench.write(names[-1], onnx_model([onnx_node("Add", ["x", "w"], ["y"])], [value_info("x", 1, [1])], [value_info("y", 1, [many])],
                                          [tensor_proto("w", [many], 1, struct.pack("<f", i) * many)]))
    bench.write("x.npy", npy([1], [1.0]))
    for name in names[:2]:
        outputs(bench, name, "--cache-dir", "cache", "--cache-limit", "7")
        time.sleep(0.05)
    assert is_hit(outputs(bench, names[0], "--cache-dir", "cache")[1])      # used after names[1]
    time.sleep(0.05)
    outputs(bench, names[2], "--cache-dir", "cache", "--cache-limit", "7")
    assert is_hit(outputs(bench, names[0], "--cache-dir", "cache")[1]) and is_hit(outputs(bench, names[2], "--cache-dir", "cache")[1])
    assert not is_hit(outputs(bench, names[1], "--cache-dir", "cache", "--cache-limit", "7")[1])
    assert sum(os.path.getsize(e) for e in entries(bench)) <= 7 << 20


def case_program_files(bench):
    m = model(bench)
    want = expected(bench, m)
    bench.run("compile", m, "-o", "m.slp")
    os.remove(bench.path(m))
    assert outputs(bench, "m.slp")[0] == want
    bench.run("run", "m.slp", "--input", "x=x.npy", "--shape", "n=2", code=USAGE, says="compiled already")
    bench.run("opt", "m.slp", code=MODEL, says="a compiled program")
    with open(bench.path("m.slp"), "r+b") as file:
        file.seek(-5, 2)
        file.write(b"?")
    bench.run("run", "m.slp", "--input", "x=x.npy", code=MODEL, says=["'m.slp'", "damaged"])
    model(bench)
    bench.run("compile", m, "-o", "no/such/m.slp", code=SYSTEM, says="no/such/m.slp")
    bench.run("compile", m, "-o", "m.slp", shell_limit="-f 20", code=SYSTEM, says="m.slp")
    assert not [f for f in bench.files() if f.endswith(".tmp")]
    bench.run("compile", m, "-o", "other.slp", "--target", "x86-64" if os.uname().machine == "aarch64" else "aarch64")
    bench.run("run", "other.slp", "--input", "x=x.npy", code=MODEL, says="another instruction set")
    if os.uname().machine == "x86_64":       # matrix tiles: where there are none, or no grant, the program is refused
        bench.run("compile", m, "--target", "host,+amx-bf16", "-o", "tiles.slp")
        with open("/proc/cpuinfo") as file:
            granted = "amx_tile" in file.read()
        bench.run("run", "tiles.slp", "--input", "x=x.npy", "--output-dir", "tiles", code=0 if granted else MODEL, says=() if granted else "lacks amx-tile, or the system does not grant it")


def case_objects(bench):
    """A host program in C, linked with the model's object and the runtime alone."""
    m = model(bench)
    want = expected(bench, m)
    bench.run("compile", m, "-o", "model-1.o", "--header", "model.h")
    bench.write("host.c", """
#include "model.h"
#include <stdio.h>
int main(void) {
    sluice_context *context; sluice_program *program; sluice_session *session;
    if (sluice_context_create(NULL, &context) || model_1_load(context, &program) || sluice_session_create(program, NULL, &session)) return 1;
    float x[72]; int64_t shape[2] = {3, 24};
    for (int i = 0; i < 72; i++) x[i] = (float)(i % 5);
    DLTensor in = {.data = x, .device = {1, 0}, .ndim = 2, .dtype = {2, 32, 1}, .shape = shape}, out[2] = {{0}};
    if (sluice_session_run(session, &in, 1, out, 2)) { puts(sluice_last_error(context)); return 2; }
    for (int i = 0; i < 72; i++) printf("%.9g\\n", ((float *)out[0].data)[i]);
    sluice_session_destroy(session); sluice_program_destroy(program); sluice_context_destroy(context);
    return 0;
}
""")
    build = os.path.dirname(bench.sluice)
    compiler = shutil.which("cc")
    library = os.path.join(build, "libsluice_runtime.so")
    if not compiler or not os.path.exists(library):
        return
    done = subprocess.run([compiler, "host.c", "model-1.o", "-I", os.path.join(harness.SOURCE, "runtime/include"), "-o", "host", library, f"-Wl,-rpath,{build}"],
                          cwd=bench.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if "asan" in subprocess.run(["ldd", library], capture_output=True, text=True).stdout:
        return      # the host program is not built with the sanitizer
    done = subprocess.run([bench.path("host")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert struct.pack("<72f", *map(float, done.stdout.split())) == struct.pack("<72f", *want["y.npy"][1])


harness.main(globals())
