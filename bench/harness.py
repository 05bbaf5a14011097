"""What the suites of bench/compare.py share: interleaved timing, checking of results, peers."""
import ctypes
import os
import statistics
import threading
import time

import numpy as np

import sluice_api

PAUSE, LONGEST_WAIT = 0.001, 0.25


def other_threads_run():
    """Whether a thread of this process other than the caller's is on a core or waits for one."""
    own = str(threading.get_native_id())
    for task in os.listdir("/proc/self/task"):
        if task == own:
            continue
        try:
            with open(f"/proc/self/task/{task}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "R":
                    return True
        except OSError:
            pass
    return False


def settle():
    """Waits until no thread of this process runs. Worker threads go on spinning after a call, for tens of milliseconds in some engines: in the way of the other engine's threads
    when there are no more cores than threads."""
    start = time.perf_counter()
    while True:
        time.sleep(PAUSE)
        if not other_threads_run() or time.perf_counter() - start > LONGEST_WAIT:
            return


def busy_time(task):
    try:
        with open(f"/proc/self/task/{task}/schedstat") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


CPUS = sorted(os.sched_getaffinity(0))


def placed(make):
    """make(), which builds an engine and runs it once, with the engine's worker threads put on cores of their own afterwards, and the caller on the first core. Left alone, a
    scheduler may keep two threads of an engine on one core for many calls after they have slept, which would measure the scheduler. The threads that worked most are placed
    first, from the second core on (in engines whose callers only wait the second busiest gets the first core, then)."""
    os.sched_setaffinity(0, CPUS)
    before = set(os.listdir("/proc/self/task"))
    try:
        return make()
    finally:
        new = [task for task in os.listdir("/proc/self/task") if task not in before]
        for i, task in enumerate(sorted(new, key=lambda task: -busy_time(task))):
            os.sched_setaffinity(int(task), {CPUS[(i + 1) % len(CPUS)]})
        os.sched_setaffinity(0, {CPUS[0]})


def interleave(calls, seconds, least=7, most=400, warm=2):
    """Times of each call in turn, until `seconds` have passed; `warm` rounds of warm-up. Each call starts when the others' threads are at rest."""
    for _ in range(warm):
        for call in calls:
            call()
    times, start = [[] for _ in calls], time.perf_counter()
    while len(times[0]) < most and (len(times[0]) < least or time.perf_counter() - start < seconds):
        for row, call in zip(times, calls):
            settle()
            before = time.perf_counter()
            call()
            row.append(time.perf_counter() - before)
    return times


def median(times):
    return statistics.median(times)


def compare_outputs(ours, theirs, absolute=1e-4, relative=1e-3):
    """(largest difference, whether shapes and values agree) of two lists of outputs."""
    worst, agrees = 0.0, len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        if a.shape != b.shape:
            return worst, False
        difference = np.abs(a.astype(np.float64) - b)
        worst = max(worst, float(difference.max(initial=0)))
        agrees = agrees and bool((difference <= absolute + relative * np.abs(b)).all())
    return worst, agrees


def onnxruntime_session(path, threads):
    """ONNX Runtime with its own default optimisations."""
    import onnxruntime as ort
    ort.set_default_logger_severity(3)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


# ---- bursts: cases too short for single calls ----

def interleave_bursts(calls, seconds, extra=None, burst_seconds=0.008, least=7, most=400):
    """For calls of microseconds: each call is a function of a count. In turn, when the others' threads are at rest, some untimed calls (which wake the engine's threads and bring them to cores of
    their own) and `count` timed ones, so many that the slowest engine takes `burst_seconds`. Returns the times per call of each, and what `extra` (a ceiling) gave in each round."""
    slowest = 0
    for call in calls:
        call(2)
        before = time.perf_counter()
        call(1)
        slowest = max(slowest, time.perf_counter() - before)
    count = max(1, int(burst_seconds / max(slowest, 1e-7)))
    times, extras, start = [[] for _ in calls], [], time.perf_counter()
    while len(times[0]) < most and (len(times[0]) < least or time.perf_counter() - start < seconds):
        for row, call in zip(times, calls):
            settle()
            call(max(1, count // 2))
            before = time.perf_counter()
            call(count)
            row.append((time.perf_counter() - before) / count)
        if extra:
            settle()
            extras.append(extra())
    return times, extras


# ---- ceilings and peers in C: libraries of bench/native, built next to libsluice ----

def native_library(name):
    """libsluice_bench*.so of the build folder, or None when it was not built."""
    path = sluice_api.find_library().parent / f"lib{name}.so"
    return ctypes.CDLL(str(path)) if path.exists() else None


class Ceilings:
    """The machine's rate at this moment: multiply-adds per second of a loop on registers, or bytes per second of a loop that reads."""
    KINDS = {"f32": 0, "bf16": 1, "int8": 2, "read": 3}

    def __init__(self):
        self.library = native_library("sluice_bench")
        if not self.library:
            raise SystemExit("libsluice_bench.so not found beside libsluice.so: build all targets first")
        self.library.bench_ceiling.restype = ctypes.c_double
        self.cpus = (ctypes.c_int32 * len(CPUS))(*CPUS)

    def rate(self, kind, threads, milliseconds=0.5, buffer=None):
        address, size = (buffer.ctypes.data, buffer.nbytes) if buffer is not None else (None, 0)
        return self.library.bench_ceiling(self.KINDS[kind], threads, ctypes.c_double(milliseconds), ctypes.c_void_p(address), ctypes.c_int64(size), self.cpus, len(CPUS))


class Convolution(ctypes.Structure):
    """onednn_convolution of bench/native/onednn.c."""
    _fields_ = [(field, ctypes.c_int64) for field in ("batch", "in_channels", "out_channels", "height", "width", "kernel_height", "kernel_width", "stride_height", "stride_width",
                                                      "pad_top", "pad_left", "pad_bottom", "pad_right", "dilation_height", "dilation_width", "groups")] + \
               [(field, ctypes.c_int32) for field in ("kind", "layout", "relu", "threads")]


class OneDnn:
    """Primitives of oneDNN with constant weights; `available` is False where its library was not there at build time."""
    KINDS, LAYOUTS = {"f32": 0, "bf16": 1, "int8": 2}, {"any": 0, "channels_first": 1, "channels_last": 2}

    def __init__(self):
        self.library = native_library("sluice_bench_onednn")
        self.available = self.library is not None
        self.version = "missing"
        if self.available:
            for name in ("onednn_matmul", "onednn_conv"):
                getattr(self.library, name).restype = ctypes.c_void_p
            self.library.onednn_implementation.restype = ctypes.c_char_p
            version = (ctypes.c_int32 * 3)()
            self.library.onednn_version_of(version)
            self.version = ".".join(map(str, version))

    def matmul(self, kind, source, weights, result, threads, bias=None):
        """result[m, n] = source[m, k] weights[k, n]; bf16 arrays are uint16. None: not to be had."""
        (m, k), n = source.shape, weights.shape[1]
        sizes = [ctypes.c_int64(size) for size in (m, n, k)]
        handle = self.library.onednn_matmul(self.KINDS[kind], *sizes, threads, pointer(source), pointer(weights), pointer(bias), pointer(result))
        return OneDnnPrimitive(self.library, handle, (source, weights, bias, result)) if handle else None

    def conv(self, shape, source, weights, result, bias=None):
        """`shape` is a Convolution; source and result are plain in the order of its layout (channels first for `any`)."""
        handle = self.library.onednn_conv(ctypes.byref(shape), pointer(source), pointer(weights), pointer(bias), pointer(result))
        return OneDnnPrimitive(self.library, handle, (source, weights, bias, result)) if handle else None


def pointer(array):
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


class OneDnnPrimitive:
    def __init__(self, library, handle, arrays):
        self.library, self.handle, self.arrays = library, ctypes.c_void_p(handle), arrays
        if library.onednn_load_source(self.handle):
            raise RuntimeError("oneDNN: no reorder for the source")

    def run_many(self, count):
        if self.library.onednn_run(self.handle, ctypes.c_int64(count)):
            raise RuntimeError("oneDNN: execution failed")

    def result(self):
        """The caller's result array, in its plain order."""
        self.library.onednn_store_result(self.handle)
        return self.arrays[-1]

    def implementation(self):
        return self.library.onednn_implementation(self.handle).decode()

    def __del__(self):
        self.library.onednn_destroy(self.handle)


def openvino_request(path, threads, feeds, precision="f32"):
    """An inference request of OpenVINO with its inputs in place; None when OpenVINO is not installed. `precision` None: OpenVINO's own choice."""
    try:
        import openvino
    except ImportError:
        return None
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = precision
    core = openvino.Core()
    model = core.compile_model(core.read_model(str(path)), "CPU", settings)
    request = model.create_infer_request()
    for port in model.inputs:
        name = next(name for name in feeds if name in port.get_names())
        request.set_tensor(port, openvino.Tensor(feeds[name], shared_memory=True))
    return request


class OnnxRuntimeBound:
    """A session with inputs and outputs bound to memory once, so that a run copies nothing."""

    def __init__(self, path, threads, feeds, outputs):
        import onnxruntime as ort
        self.session = self.make_session(path, threads)
        self.binding = self.session.io_binding()
        self.kept = [ort.OrtValue.ortvalue_from_numpy(array) for array in feeds.values()]
        for name, value in zip(feeds, self.kept):
            self.binding.bind_ortvalue_input(name, value)
        for name, (shape, kind) in outputs.items():
            value = ort.OrtValue.ortvalue_from_shape_and_type(shape, kind)
            self.kept.append(value)
            self.binding.bind_ortvalue_output(name, value)

    def make_session(self, path, threads):
        return onnxruntime_session(path, threads)

    def run_many(self, count):
        run, binding = self.session._sess.run_with_iobinding, self.binding._iobinding
        for _ in range(count):
            run(binding, None)

    def fetch(self):
        return self.binding.copy_outputs_to_cpu()
