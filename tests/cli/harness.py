"""harness.py: what the tests of the command line share. Python's standard library only, so that they run where NumPy does not.

A test script defines cases (functions named case_*, each taking a Bench) and ends in `harness.main(globals())`. Every case gets an empty folder of its own. A case
fails by an AssertionError; the script runs all cases, says which failed, and exits with 1 when any did.
"""
import argparse
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import traceback

OK, FAILED, USAGE, MODEL, SYSTEM, RUN = range(6)      # exit codes, as docs/cli.md has them
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODES = {"f4": ("f", 4), "f8": ("d", 8), "i8": ("q", 8), "i4": ("i", 4), "u1": ("B", 1), "i1": ("b", 1), "b1": ("?", 1)}


def npy(shape, values, descr="f4", fortran=False, header=None):
    """Bytes of a .npy file."""
    code, _ = CODES[descr]
    sign = "|" if descr[1] == "1" else "<"
    dims = "".join(f"{dim}, " for dim in shape)
    text = header or f"{{'descr': '{sign}{descr}', 'fortran_order': {fortran}, 'shape': ({dims}), }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + struct.pack(f"<{len(values)}{code}", *values)


def read_npy(path):
    """(shape, values) of a .npy file."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack_from("<H", data, 8)[0]
    header = eval(data[10:10 + size].decode(), {})      # written by the program under test
    code, width = CODES[header["descr"][1:]]
    body = data[10 + size:]
    return header["shape"], list(struct.unpack(f"<{len(body) // width}{code}", body))


def graph(nodes, inputs=(), outputs=("y",), initializers=None, **more):
    """A Sluice JSON graph. inputs: (name, type, shape)."""
    return json.dumps({"format": "sluice-graph", "version": 1, "opset": 21, "inputs": [{"name": n, "type": t, "shape": s} for n, t, s in inputs],
                       "outputs": list(outputs), "initializers": initializers or {}, "nodes": nodes, **more})


def node(op, inputs, outputs, name=None, **attributes):
    return {"op": op, "name": name or f"the_{op.lower()}", "inputs": inputs, "outputs": outputs, "attributes": attributes}


# ---- protocol buffers, as far as small ONNX models need them ----

def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """An int as a varint, text or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor_proto(name, dims, kind, raw=b"", *more):
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + (field(9, raw) if raw else b"") + b"".join(more)


def value_info(name, kind, dims):
    shape = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def onnx_node(op, inputs, outputs, *attributes):
    return b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, "the_" + op.lower()) + field(4, op) + b"".join(field(5, a) for a in attributes)


def onnx_model(nodes, inputs, outputs, initializers=(), opset=21):
    body = b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(5, t) for t in initializers)
    body += b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs)
    return field(1, 10) + field(7, body) + field(8, field(1, "") + field(2, opset))


class Result:
    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    def __str__(self):
        return f"{' '.join(self.command)}\nexit code {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"

    def json(self):
        return json.loads(self.out)


class Bench:
    """One case: runs `sluice` in the case's folder."""

    def __init__(self, sluice, folder):
        self.sluice, self.folder = sluice, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return name

    def files(self):
        """Everything below the folder, sorted."""
        return sorted(os.path.relpath(os.path.join(at, name), self.folder) for at, _, names in os.walk(self.folder) for name in names)

    def run(self, *arguments, code=OK, says=(), stdout=(), timeout=60, env=None, shell_limit=None):
        """Runs it; the exit code must be `code`, stderr must hold each text of `says`, stdout each of `stdout`. An error has a message, is said once, and no
        crash counts as one."""
        command = [self.sluice, *arguments]
        if shell_limit:
            command = ["bash", "-c", f'trap "" XFSZ; ulimit {shell_limit}; exec "$@"', "bash", *command]
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                              env={**os.environ, **(env or {})})
        result = Result(["sluice", *arguments], done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        if done.returncode < 0:
            raise AssertionError(f"killed by {signal.Signals(-done.returncode).name}\n{result}")
        if done.returncode != code:
            raise AssertionError(f"exit code {done.returncode}, expected {code}\n{result}")
        for text in [says] if isinstance(says, str) else says:
            assert text in result.err, f"stderr lacks {text!r}\n{result}"
        for text in [stdout] if isinstance(stdout, str) else stdout:
            assert text in result.out, f"stdout lacks {text!r}\n{result}"
        if code not in (OK, FAILED):
            assert result.err.strip() or "FAIL" in result.out, f"no message\n{result}"
            lines = [line for line in result.err.splitlines() if "error" in line or line.startswith("sluice:")]
            assert len(lines) == len(set(line.removeprefix("sluice: ") for line in lines)), f"an error is said twice\n{result}"
        return result


def main(names):
    parser = argparse.ArgumentParser(description=names["__doc__"])
    parser.add_argument("--sluice", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--only", help="run only this case")
    options = parser.parse_args()
    failed = []
    for name, case in [(n, f) for n, f in names.items() if n.startswith("case_")]:
        if options.only and options.only not in name:
            continue
        folder = os.path.join(os.path.abspath(options.scratch), name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        try:
            case(Bench(os.path.abspath(options.sluice), folder))
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            where = traceback.extract_tb(problem.__traceback__)[1:2]
            print(f"FAIL {name} (line {where[0].lineno if where else '?'}): {problem}\n")
            failed.append(name)
        except Exception:
            print(f"FAIL {name}: {traceback.format_exc()}\n")
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all cases passed")
    sys.exit(1 if failed else 0)
