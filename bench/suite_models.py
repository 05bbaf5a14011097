"""Whole models, against ONNX Runtime. The files come from bench/models/export.py."""
import pathlib
import time

import numpy as np

import harness
import sluice_api

HERE = pathlib.Path(__file__).resolve().parent


def feeds_for(name, batch=1):
    """Inputs of one model."""
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


def run(arguments, context):
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
            session = harness.placed(lambda: sluice_api.Session(context, path, threads=arguments.threads))
            compile_seconds = time.perf_counter() - start
            session.prepare(feeds).run()
            ours = session.fetch()
        except sluice_api.Error as error:
            print(f"{name:<20} FAILED: {error}")
            ratios.append(None)
            continue
        peer = harness.placed(lambda: harness.onnxruntime_session(path, arguments.threads))
        worst, agrees = harness.compare_outputs(ours, peer.run(None, feeds))
        mine, other = harness.interleave([session.run, lambda: peer.run(None, feeds)], arguments.seconds)
        ratio = harness.median(other) / harness.median(mine)
        ratios.append(ratio if agrees else None)
        print(f"{name:<20} {compile_seconds:9.2f} {1e3 * harness.median(mine):10.3f} {1e3 * min(mine):9.3f} {1e3 * harness.median(other):10.3f} {1e3 * min(other):9.3f} {ratio:6.2f}  "
              f"{worst:.2e}{'' if agrees else '  WRONG'}", flush=True)
        del session, peer
    return ratios
