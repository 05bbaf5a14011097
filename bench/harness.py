"""What the suites of bench/compare.py share: interleaved timing, checking of results, peers."""
import statistics
import time

import numpy as np

PAUSE = 0.004


def interleave(calls, seconds, least=7, most=400):
    """Times of each call in turn, until `seconds` have passed; two rounds of warm-up. Worker threads go on spinning for a while after a call, in the way of the
    other engine's when there are no more cores than threads: so each call starts after a pause."""
    for _ in range(2):
        for call in calls:
            call()
    times, start = [[] for _ in calls], time.perf_counter()
    while len(times[0]) < most and (len(times[0]) < least or time.perf_counter() - start < seconds):
        for row, call in zip(times, calls):
            time.sleep(PAUSE)
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
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
