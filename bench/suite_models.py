"""Whole models, against the better of ONNX Runtime and OpenVINO (f32 hint). The files come from bench/models/export.py.

Every engine gets the same file and as many threads; OpenVINO's hint keeps its sums in f32. With `--precision bf16` Sluice computes products in bf16 and the peer is OpenVINO at its own default, which is
bf16 where the CPU has it. `--precision int8` runs the models that bench/models/quantize.py made (bytes, no option of Sluice's), against both. `--batch 1,8` measures both; a model whose file has a fixed batch of 1 has another file
for other batches (export.py --batch 8). The last line is over all batches.
"""
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
        "bert_base": lambda: text(batch, 128), "bert_base_dynamic": lambda: text(2 * batch, 96),
        "gpt2_prefill": lambda: {"input_ids": ids(batch, 64)},
        "gpt2_decode": lambda: {"input_ids": ids(batch, 1)} | {f"past_{kind}_{i}": random.standard_normal((batch, 12, 64, 64), np.float32) for i in range(12) for kind in ("key", "value")},
        "resnet50_qdq": lambda: image(224), "mobilenetv2_qdq": lambda: image(224), "bert_base_int8": lambda: text(batch, 128),
        "lstm_tagger": lambda: {"tokens": random.integers(0, 10000, (batch, 64))},
    }
    return cases[name]()


MODELS = ["resnet50", "mobilenetv2", "bert_base", "bert_base_dynamic", "vit_b16", "gpt2_prefill", "gpt2_decode", "lstm_tagger", "unet"]


QUANTIZED = ["resnet50_qdq", "mobilenetv2_qdq", "bert_base_int8"]
FIXED_BATCH = {"bert_base_int8", "bert_base", "vit_b16", "lstm_tagger", "unet"}
PEERS = {"ort": "ONNX Runtime", "openvino": "OpenVINO"}


def add_arguments(parser):
    parser.add_argument("--batch", type=lambda text: [int(word) for word in text.split(",")], default=[1], help="1 (default), or a list such as 1,8")
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], default="f32", help="of products; bf16: against OpenVINO at its own default; int8: quantized models")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(PEERS), help="ort,openvino (default): whom to run beside Sluice")


def warm(call):
    """The call, which has been made once so that its engine's threads exist."""
    if call:
        call()
    return call


def ort_call(path, threads, feeds, precision):
    session = harness.onnxruntime_session(path, threads)
    return lambda: session.run(None, feeds)


def openvino_call(path, threads, feeds, precision):
    request = harness.openvino_request(path, threads, feeds, "f32" if precision == "f32" else None)
    if not request:
        return None

    def call():
        request.infer()
        return [output.data for output in request.output_tensors]
    return call


def measure(name, path, batch, arguments, context):
    """One line; the ratio to the best peer, None when something was wrong."""
    feeds, threads = feeds_for(name, batch), arguments.threads
    try:
        start = time.perf_counter()
        session = harness.placed(lambda: sluice_api.Session(context, path, threads=threads, precision=arguments.precision if arguments.precision != "int8" else "f32"))
        compile_seconds = time.perf_counter() - start
        session.prepare(feeds).run()
        ours = session.fetch()
    except sluice_api.Error as error:
        print(f"{name:<20} FAILED: {error}", flush=True)
        return None
    makers = {"ort": ort_call, "openvino": openvino_call}
    calls = {peer: harness.placed(lambda: warm(makers[peer](path, threads, feeds, arguments.precision))) for peer in arguments.peers}
    calls = {peer: call for peer, call in calls.items() if call}
    if not calls:
        print(f"{name:<20} no peer is installed", flush=True)
        return None
    theirs = next(iter(calls.values()))()
    worst, agrees = harness.compare_outputs(ours, theirs)
    if arguments.precision != "f32":         # both round: within a tenth of the largest output
        agrees = all(np.abs(a.astype(np.float64) - b).max(initial=0) <= 0.1 * max(np.abs(b).max(initial=0), 1e-6) for a, b in zip(ours, theirs))
    mine, *others = harness.interleave([session.run, *calls.values()], arguments.seconds, least=5)
    medians = dict(zip(calls, map(harness.median, others)))
    best = min(medians, key=medians.get)
    ratio = medians[best] / harness.median(mine)
    cells = " ".join(f"{1e3 * medians[peer]:11.3f}" if peer in medians else f"{'missing':>11}" for peer in PEERS)
    print(f"{name:<20} {batch:>5} {compile_seconds:9.2f} {1e3 * harness.median(mine):10.3f} {1e3 * min(mine):9.3f} {cells} {ratio:6.2f}  {worst:.2e}{'' if agrees else '  WRONG'}", flush=True)
    return ratio if agrees else None


def run(arguments, context):
    ratios = []
    if arguments.precision == "bf16":
        arguments.peers = ["openvino"]
    print(f"{'model':<20} {'batch':>5} {'compile s':>9} {'sluice ms':>10} {'(best)':>9} {'ort ms':>11} {'openvino ms':>11} {'ratio':>6}  largest error")
    for batch in arguments.batch:
        for name in QUANTIZED if arguments.precision == "int8" else MODELS:
            if arguments.only and name not in arguments.only:
                continue
            path = HERE / "models" / "out" / f"{name}{f'_batch{batch}' if batch != 1 and name in FIXED_BATCH else ''}.onnx"
            if not path.exists():
                print(f"{name:<20} {batch:>5} missing: run bench/models/{'quantize' if name in QUANTIZED else 'export'}.py{f' --batch {batch}' if '_batch' in path.name else ''} first")
                continue
            ratios.append(measure(name, path, batch, arguments, context))
    return ratios
