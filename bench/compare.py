#!/usr/bin/env python3
"""Measures Sluice beside other engines, call by call in one process, and prints ratios.

    bench/compare.py --suite models|attention [--threads 2] [--only NAME,...] [--seconds 6]

Ratios are peer time / Sluice time (above 1: Sluice is faster), of medians over interleaved calls (A B A B ...). The last line is
`geomean: R worst: W`. Needs onnxruntime and numpy; the models come from bench/models/export.py.
"""
import argparse
import math
import pathlib
import statistics
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import sluice_api  # noqa: E402

PAUSE = 0.004
HERE = pathlib.Path(__file__).resolve().parent


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


def feeds_for(name, batch=1):
    """(file, label, feeds, bindings) of each case of the suite `models`."""
    random = np.random.default_rng(0)
    image = lambda size: {"image": random.standard_normal((batch, 3, size, size), np.float32)}
    ids = lambda rows, length: random.integers(0, 30000, (rows, length))
    text = lambda rows, length: {"input_ids": ids(rows, length), "attention_mask": np.ones((rows, length), np.int64), "token_type_ids": np.zeros((rows, length), np.int64)}
    cases = {
        "resnet50": lambda: image(224), "mobilenetv2": lambda: image(224), "vit_b16": lambda: image(224), "unet": lambda: image(128),
        "bert_base": lambda: text(1, 128), "bert_base_dynamic": lambda: text(2, 96),
        "gpt2_prefill": lambda: {"input_ids": ids(1, 64)},
        "gpt2_decode": lambda: {"input_ids": ids(1, 1)} | {f"past_{kind}_{i}": random.standard_normal((1, 12, 64, 64), np.float32) for i in range(12) for kind in ("key", "value")},
        "lstm_tagger": lambda: {"tokens": random.integers(0, 10000, (1, 64))},
    }
    return cases[name]()


MODELS = ["resnet50", "mobilenetv2", "bert_base", "bert_base_dynamic", "vit_b16", "gpt2_prefill", "gpt2_decode", "lstm_tagger", "unet"]


def suite_models(arguments, context):
    import onnxruntime as ort
    ratios = []
    print(f"{'model':<20} {'compile s':>9} {'sluice ms':>10} {'(best)':>9} {'ort ms':>10} {'(best)':>9} {'ratio':>6}  largest error")
    for name in MODELS:
        path = HERE / "models" / "out" / f"{name}.onnx"
        if arguments.only and name not in arguments.only:
            continue
        if not path.exists():
            print(f"{name:<20} missing: run bench/models/export.py first")
            continue
        feeds = feeds_for(name)
        try:
            start = time.perf_counter()
            session = sluice_api.Session(context, path, threads=arguments.threads)
            compile_seconds = time.perf_counter() - start
            session.prepare(feeds).run()
            ours = session.fetch()
        except sluice_api.Error as error:
            print(f"{name:<20} FAILED: {error}")
            ratios.append(None)
            continue
        options = ort.SessionOptions()
        options.intra_op_num_threads = arguments.threads
        options.inter_op_num_threads = 1
        peer = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        theirs = peer.run(None, feeds)
        worst, agrees = 0.0, True
        for a, b in zip(ours, theirs):
            if a.shape != b.shape:
                agrees = False
                break
            difference = np.abs(a.astype(np.float64) - b)
            worst = max(worst, float(difference.max(initial=0)))
            agrees = agrees and bool((difference <= 1e-4 + 1e-3 * np.abs(b)).all())
        mine, other = interleave([session.run, lambda: peer.run(None, feeds)], arguments.seconds)
        ratio = statistics.median(other) / statistics.median(mine)
        ratios.append(ratio if agrees else None)
        print(f"{name:<20} {compile_seconds:9.2f} {1e3 * statistics.median(mine):10.3f} {1e3 * min(mine):9.3f} {1e3 * statistics.median(other):10.3f} {1e3 * min(other):9.3f} {ratio:6.2f}  "
              f"{worst:.2e}{'' if agrees else '  WRONG'}", flush=True)
        del session, peer
    return ratios


def attention_model(keys, heads, depth, causal, path):
    """softmax(q k^T / sqrt(depth) + mask) v as exporters write it: two MatMuls, Mul, Add, Softmax; the causal mask is a constant of 0 and -inf."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes = [helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", ["q", "kt"], ["s"]), helper.make_node("Mul", ["s", "scale"], ["scaled"])]
    constants, last = [numpy_helper.from_array(np.array(depth ** -0.5, np.float32), "scale")], "scaled"
    if causal:
        constants.append(numpy_helper.from_array(np.where(np.tri(keys, dtype=bool), 0, -np.inf).astype(np.float32), "mask"))
        nodes.append(helper.make_node("Add", [last, "mask"], ["masked"]))
        last = "masked"
    nodes += [helper.make_node("Softmax", [last], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v"], ["o"])]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, heads, keys, depth])
    graph = helper.make_graph(nodes, "attention", [value("q"), value("k"), value("v")], [value("o")], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def suite_attention(arguments, context):
    """Ratios against the better of ONNX Runtime and PyTorch (scaled_dot_product_attention, which has its own causal mode)."""
    import tempfile
    import onnxruntime as ort
    import torch
    torch.set_num_threads(arguments.threads)
    ratios, heads, depth = [], 12, 64
    print(f"{'case':<16} {'sluice ms':>10} {'(best)':>9} {'ort ms':>9} {'torch ms':>9} {'ratio':>6} {'GF/s':>6} {'arena MB':>9}  largest error")
    for keys in (128, 256, 512, 1024, 2048, 4096):
        for causal in (False, True):
            name = f"{keys}{'-causal' if causal else ''}"
            if arguments.only and name not in arguments.only:
                continue
            random = np.random.default_rng(0)
            feeds = {kind: random.standard_normal((1, heads, keys, depth), np.float32) for kind in "qkv"}
            with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
                attention_model(keys, heads, depth, causal, file.name)
                session = sluice_api.Session(context, file.name, threads=arguments.threads).prepare(feeds)
                options = ort.SessionOptions()
                options.intra_op_num_threads = arguments.threads
                peer = ort.InferenceSession(file.name, options, providers=["CPUExecutionProvider"])
            q, k, v = (torch.from_numpy(feeds[kind]) for kind in "qkv")

            def run_torch():
                with torch.inference_mode():
                    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

            session.run()
            error = float(np.abs(session.fetch()[0] - run_torch().numpy()).max())
            mine, other, third = interleave([session.run, lambda: peer.run(None, feeds), run_torch], arguments.seconds)
            median = [statistics.median(times) for times in (mine, other, third)]
            ratios.append(min(median[1:]) / median[0] if error < 1e-4 else None)
            flops = 4 * heads * keys * keys * depth / (2 if causal else 1)
            print(f"{name:<16} {1e3 * median[0]:10.3f} {1e3 * min(mine):9.3f} {1e3 * median[1]:9.3f} {1e3 * median[2]:9.3f} {min(median[1:]) / median[0]:6.2f} {flops / min(mine) / 1e9:6.0f} "
                  f"{session.arena_bytes() / 1e6:9.2f}  {error:.2e}{'' if error < 1e-4 else '  WRONG'}", flush=True)
            del session, peer
    return ratios


SUITES = {"models": suite_models, "attention": suite_attention}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"suites: {', '.join(SUITES)}")
    parser.add_argument("--suite", choices=SUITES, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", type=lambda text: text.split(","), help="only these cases")
    parser.add_argument("--seconds", type=float, default=6, help="time per case")
    arguments = parser.parse_args()
    ratios = SUITES[arguments.suite](arguments, sluice_api.Context())
    good = [r for r in ratios if r]
    if len(good) < len(ratios) or not good:
        print(f"{len(ratios) - len(good)} of {len(ratios)} cases failed or were wrong")
    geomean = math.exp(sum(map(math.log, good)) / len(good)) if good else 0.0
    print(f"geomean: {geomean:.3f} worst: {min(good) if len(good) == len(ratios) and good else 0.0:.3f}")
    return 0 if good and len(good) == len(ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
