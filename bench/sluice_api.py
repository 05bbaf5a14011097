"""Sluice through its C API (libsluice) by ctypes, with NumPy arrays at the edges. For benchmarks and conformance scripts."""
import ctypes
import os
import pathlib
import re

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent


class DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("ndim", ctypes.c_int32), ("dtype", DLDataType),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


KINDS = {"int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64, "size_t": ctypes.c_size_t, "double": ctypes.c_double, "float": ctypes.c_float}


def struct_of(header, name):
    """A ctypes structure with the fields of a C struct: read from the header, so that it can't drift from it."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / header).read_text(), flags=re.S)
    body = re.search(r"typedef struct %s \{(.*?)\n\} %s;" % (name, name), text, re.S).group(1)
    fields = []
    for declaration in filter(None, map(str.strip, body.split(";"))):
        function = re.fullmatch(r"\w+ \(\*(\w+)\)\(.*\)", declaration, re.S)
        if function:
            fields.append((function.group(1), ctypes.c_void_p))
            continue
        kind, names = re.fullmatch(r"((?:const )?\w+)\s*(.*)", declaration, re.S).groups()
        for field in names.split(","):
            pointers = field.count("*")
            field = field.replace("*", "").replace("const ", "").strip()
            text_pointer = kind == "const char" and pointers == 1
            fields.append((field, ctypes.c_char_p if text_pointer else ctypes.POINTER(ctypes.c_char_p) if kind == "const char" else ctypes.c_void_p if pointers else KINDS[kind]))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


CompileOptions = struct_of("driver/include/sluice/sluice_compiler.h", "sluice_compile_options")
SessionOptions = struct_of("runtime/include/sluice/sluice.h", "sluice_session_options")
BranchCounter = struct_of("runtime/include/sluice/sluice.h", "sluice_branch_counter")


class Description(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", DLDataType), ("rank", ctypes.c_int32), ("dims", ctypes.POINTER(ctypes.c_int64)), ("symbols", ctypes.POINTER(ctypes.c_char_p))]


CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
BF16 = 4
SCHEDULES = {"auto": 0, "loop": 1, "grouped": 2, "padded": 3}


def find_library():
    for folder in (os.environ.get("SLUICE_BUILD"), ROOT / "build"):
        if folder and (pathlib.Path(folder) / "libsluice.so").exists():
            return pathlib.Path(folder) / "libsluice.so"
    raise SystemExit("libsluice.so not found: build first (tests/run.sh or samples/quickstart.sh), or set SLUICE_BUILD to the build folder")


class Error(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Context:
    def __init__(self, library=None):
        self.lib = ctypes.CDLL(str(library or find_library()))
        self.lib.sluice_last_error.restype = ctypes.c_char_p
        self.handle = ctypes.c_void_p()
        self.check(self.lib.sluice_context_create(None, ctypes.byref(self.handle)))

    def check(self, code):
        if code:
            raise Error(code, self.lib.sluice_last_error(self.handle).decode(errors="replace"))

    def __del__(self):
        if getattr(self, "handle", None):
            self.lib.sluice_context_destroy(self.handle)


class Session:
    """One model, compiled, with its own threads and memory."""

    def __init__(self, context, path, threads=0, bindings=(), cache_dir=None, counters=False, target=None, pin=False, **settings):
        """`settings`: further fields of the compile options, such as strict=1 or memory_budget=..."""
        self.context, lib = context, context.lib
        options = CompileOptions()
        lib.sluice_compile_options_init(ctypes.byref(options))
        words = (ctypes.c_char_p * (len(bindings) + 1))(*[b.encode() for b in bindings], None)
        options.bindings, options.threads = words, threads
        options.cache_dir = cache_dir.encode() if cache_dir else None
        options.target = target.encode() if target else None
        for field, value in settings.items():
            setattr(options, field, value.encode() if isinstance(value, str) else value)
        self.program, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        context.check(lib.sluice_compile_file(context.handle, str(path).encode(), ctypes.byref(options), ctypes.byref(self.program)))
        self.open(threads, counters, pin)
        self.inputs = [self.describe(lib.sluice_program_input, i) for i in range(lib.sluice_program_input_count(self.program))]
        self.outputs = [self.describe(lib.sluice_program_output, i) for i in range(lib.sluice_program_output_count(self.program))]

    def open(self, threads, counters=False, pin=False, schedule=0):
        options = SessionOptions()
        self.context.lib.sluice_session_options_init(ctypes.byref(options))
        options.threads, options.counters, options.pin, options.schedule = threads, int(counters), int(pin), schedule
        self.context.check(self.context.lib.sluice_session_create(self.program, ctypes.byref(options), ctypes.byref(self.session)))

    def again(self, threads, **options):
        """Another session of the same program, hence of the same weights; `options`: of the session."""
        other = object.__new__(Session)
        other.context, other.inputs, other.outputs, other.owner = self.context, self.inputs, self.outputs, self
        other.program, other.session = self.program, ctypes.c_void_p()
        other.open(threads, **options)
        return other

    def schedules(self):
        """Group launches of the last run that ran as loop, as padded and as grouped."""
        count = self.context.lib.sluice_session_schedule_count
        count.restype, count.argtypes = ctypes.c_int64, [ctypes.c_void_p, ctypes.c_int]
        return {name: count(self.session, number) for name, number in SCHEDULES.items() if number}

    def describe(self, function, index):
        description = Description()
        self.context.check(function(self.program, index, ctypes.byref(description)))
        return description.name.decode(), [description.dims[d] for d in range(max(description.rank, 0))]

    def element(self, index):
        """Type of an input's elements."""
        description = Description()
        self.context.check(self.context.lib.sluice_program_input(self.program, index, ctypes.byref(description)))
        return description.dtype

    def prepare(self, feeds):
        """Argument arrays for run(); keep the feeds alive. Inputs of bf16 are arrays of uint16."""
        self.kept = [np.asarray(feeds[name], order="C") for name, _ in self.inputs]
        self.arguments = (DLTensor * max(len(self.kept), 1))()
        self.shapes = []
        for index, (slot, array) in enumerate(zip(self.arguments, self.kept)):
            shape = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
            self.shapes.append(shape)
            slot.data, slot.device_type, slot.ndim, slot.shape = array.ctypes.data, 1, array.ndim, shape
            slot.dtype = DLDataType(CODES[array.dtype.kind], 8 * array.dtype.itemsize, 1)
            if array.dtype == np.uint16 and self.element(index).code == BF16:
                slot.dtype = self.element(index)
        self.results = (DLTensor * max(len(self.outputs), 1))()
        return self

    def run(self):
        """One run with the prepared arguments; outputs stay in the session's memory."""
        ctypes.memset(self.results, 0, ctypes.sizeof(self.results))
        self.context.check(self.context.lib.sluice_session_run(self.session, self.arguments, len(self.kept), self.results, len(self.outputs)))

    def run_many(self, native, count):
        """`count` runs without the interpreter in between; `native` is the library of bench/native/ceiling.c."""
        lib = self.context.lib
        self.context.check(native.bench_repeat(lib.sluice_session_run, self.session, self.arguments, len(self.kept), self.results, len(self.outputs), ctypes.c_int64(count)))

    def arena_bytes(self):
        """Memory of intermediate values."""
        function = self.context.lib.sluice_session_arena_bytes
        function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_void_p]
        return function(self.session)

    def branches(self):
        """What went to each branch in the last run; needs counters."""
        lib, result = self.context.lib, []
        for index in range(lib.sluice_session_branch_count(self.session)):
            result.append(BranchCounter())
            self.context.check(lib.sluice_session_branch(self.session, index, ctypes.byref(result[-1])))
        return result

    def fetch(self):
        """Copies of the outputs of the last run."""
        kinds = {0: "i", 1: "u", 2: "f", 6: "b"}
        arrays = []
        for slot in self.results[:len(self.outputs)]:
            shape = [slot.shape[d] for d in range(slot.ndim)]
            dtype = np.dtype(f"{kinds[slot.dtype.code]}{slot.dtype.bits // 8}")
            size = int(np.prod(shape)) * dtype.itemsize
            arrays.append(np.frombuffer(ctypes.string_at(slot.data, size), dtype).reshape(shape) if size else np.zeros(shape, dtype))
        return arrays

    def __del__(self):
        lib = self.context.lib
        lib.sluice_session_destroy(getattr(self, "session", None))
        if not hasattr(self, "owner"):
            lib.sluice_program_destroy(getattr(self, "program", None))
