"""Time from a model file to a session that can run: cold (an empty cache folder), and from the cache that the cold one filled.

Ratios are the bar over the time (above 1: faster than the bar): 1.5 s cold, 50 ms from the cache. Each cold compilation gets a folder of its own and each cached one a context of
its own, in one process; the files come from bench/models/export.py and are in the page cache. Outputs of the cold and the cached program must be the same bits.
"""
import pathlib
import tempfile
import time

import numpy as np

import harness
import sluice_api
import suite_models

COLD_BAR, CACHED_BAR = 1.5, 0.05
HERE = pathlib.Path(__file__).resolve().parent
MODELS = ["resnet50", "bert_base", "gpt2_prefill", "gpt2_decode"]


def add_arguments(parser):
    parser.add_argument("--repeat", type=int, default=3, help="compilations of each kind")


def timed(path, threads, folder):
    context = sluice_api.Context()
    start = time.perf_counter()
    session = sluice_api.Session(context, path, threads=threads, cache_dir=folder)
    return time.perf_counter() - start, session


def outputs(session, feeds):
    session.prepare(feeds).run()
    return session.fetch()


def run(arguments, context):
    ratios = []
    print(f"{'model':<16} {'cold s':>8} {'(best)':>8} {'cached ms':>10} {'(best)':>8} {'cache MB':>9}  same result")
    for name in MODELS:
        path = HERE / "models" / "out" / f"{name}.onnx"
        if arguments.only and name not in arguments.only:
            continue
        if not path.exists():
            print(f"{name:<16} missing: run bench/models/export.py first")
            continue
        feeds, cold, cached = suite_models.feeds_for(name), [], []
        path.read_bytes()
        for _ in range(arguments.repeat):
            with tempfile.TemporaryDirectory() as folder:
                seconds, session = timed(path, arguments.threads, folder)
                cold.append(seconds)
                expected = outputs(session, feeds)
                del session
                seconds, session = timed(path, arguments.threads, folder)
                cached.append(seconds)
                same = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(expected, outputs(session, feeds)))
                size = sum(file.stat().st_size for file in pathlib.Path(folder).rglob("*") if file.is_file())
                del session
        ratios += [COLD_BAR / harness.median(cold) if same else None, CACHED_BAR / harness.median(cached) if same else None]
        print(f"{name:<16} {harness.median(cold):8.3f} {min(cold):8.3f} {1e3 * harness.median(cached):10.1f} {1e3 * min(cached):8.1f} {size / 1e6:9.1f}  {'yes' if same else 'NO'}", flush=True)
    return ratios
