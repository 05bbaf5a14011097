"""Convolution layers of ResNet-50 and MobileNetV2 (with bias and relu), against oneDNN and ONNX Runtime, each in its own layout.

What is timed is the convolution as it runs inside of a network, where layouts stay what the engine likes best: Sluice gets the layer between two transposes that it cancels
(channels last at the edges), oneDNN the layer in the layout that it asks for (execution only), ONNX Runtime the plain layer, of which its profiler's time of the Conv node
counts (reorders at the edges don't; the column `all` has them in). Linear layers have no relu in MobileNetV2 and get none here. The last line is the ratio to oneDNN.
"""
import json
import math
import os
import pathlib
import tempfile

import numpy as np

import harness
import sluice_api

THREADS, SECONDS = [2], 0.4


def resnet50():
    """(in, out, size, kernel, stride, groups, relu), each kind of layer once."""
    layers, channels, size = [(3, 64, 224, 7, 2, 1, True)], 64, 56
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [(channels, width, size, 1, 1, 1, True), (width, width, size, 3, stride, 1, True), (width, 4 * width, size // stride, 1, 1, 1, False),
                   (channels, 4 * width, size, 1, stride, 1, False), (4 * width, width, size // stride, 1, 1, 1, True), (width, width, size // stride, 3, 1, 1, True)]
        channels, size = 4 * width, size // stride
    return list(dict.fromkeys(layers))


def mobilenetv2():
    layers, channels, size = [(3, 32, 224, 3, 2, 1, True)], 32, 112
    for expand, out, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(count):
            inner, step = channels * expand, stride if i == 0 else 1
            if expand > 1:
                layers.append((channels, inner, size, 1, 1, 1, True))
            layers += [(inner, inner, size, 3, step, inner, True), (inner, out, size // step, 1, 1, 1, False)]
            channels, size = out, size // step
    return list(dict.fromkeys(layers + [(320, 1280, 7, 1, 1, 1, True)]))


NETWORKS = {"resnet50": resnet50, "mobilenetv2": mobilenetv2}


def conv_model(path, layer, weights, bias, batch, channels_last):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    ins, outs, size, kernel, stride, groups, relu = layer
    pad, result = kernel // 2, (size + 2 * (kernel // 2) - kernel) // stride + 1
    shape = lambda channels, extent: [batch, extent, extent, channels] if channels_last else [batch, channels, extent, extent]
    nodes, last = [], "x"
    if channels_last:
        nodes.append(helper.make_node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]))
        last = "first"
    nodes.append(helper.make_node("Conv", [last, "w", "b"], ["c"], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=groups))
    if relu:
        nodes.append(helper.make_node("Relu", ["c"], ["r"]))
    if channels_last:
        nodes.append(helper.make_node("Transpose", [nodes[-1].output[0]], ["t"], perm=[0, 2, 3, 1]))
    nodes[-1].output[0] = "y"
    value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    graph = helper.make_graph(nodes, "conv", [value("x", shape(ins, size))], [value("y", shape(outs, result))], [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return result


class OnnxRuntimeProfiled(harness.OnnxRuntimeBound):
    """Also knows the time inside of Conv nodes."""

    def __init__(self, path, threads, feeds, outputs, folder):
        self.folder = folder
        super().__init__(path, threads, feeds, outputs)

    def make_session(self, path, threads):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_profiling, options.profile_file_prefix = True, os.path.join(self.folder, "profile")
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def conv_seconds(self):
        """Median over the later half of all runs."""
        events = json.loads(pathlib.Path(self.session.end_profiling()).read_text())
        times = [event["dur"] for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time") and "Conv" in event["args"].get("op_name", "")]
        return 1e-6 * harness.median(times[len(times) // 2:]) if times else None


def geomean(ratios):
    good = [r for r in ratios if r]
    return math.exp(sum(map(math.log, good)) / len(good)) if good else 0.0


def add_arguments(parser):
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--peers", type=lambda text: text.split(","), default=["onednn", "ort"], help="onednn,ort (default): whom to run beside Sluice")


def warm(peer):
    if peer:
        peer.run_many(2)
    return peer


def measure(layer, arguments, context, ceilings, onednn, folder):
    """A dict of what is printed."""
    ins, outs, size, kernel, stride, groups, relu = layer
    threads, batch, random = arguments.threads, arguments.batch, np.random.default_rng(0)
    x = random.standard_normal((batch, ins, size, size), np.float32)
    weights = random.standard_normal((outs, ins // groups, kernel, kernel), np.float32) / np.float32(math.sqrt(ins // groups * kernel * kernel))
    bias = random.standard_normal(outs, np.float32)
    path = os.path.join(folder, "conv.onnx")
    result = conv_model(path, layer, weights, bias, batch, True)
    feeds = {"x": np.ascontiguousarray(x.transpose(0, 2, 3, 1))}
    session = harness.placed(lambda: sluice_api.Session(context, path, threads=threads).prepare(feeds))
    session.run()
    ours = session.fetch()[0].transpose(0, 3, 1, 2)
    conv_model(path, layer, weights, bias, batch, False)
    plain = np.zeros((batch, outs, result, result), np.float32)
    ort = harness.placed(lambda: warm(OnnxRuntimeProfiled(path, threads, {"x": x}, {"y": (plain.shape, np.float32)}, folder))) if "ort" in arguments.peers else None
    shape = harness.Convolution(batch, ins, outs, size, size, kernel, kernel, stride, stride, *[kernel // 2] * 4, 1, 1, groups, 0, 0, int(relu), threads)
    peer = harness.placed(lambda: warm(onednn.conv(shape, x, weights, plain, bias))) if onednn.available and "onednn" in arguments.peers else None
    calls = {"sluice": lambda count: session.run_many(ceilings.library, count)} | ({"onednn": peer.run_many} if peer else {}) | ({"ort all": ort.run_many} if ort else {})
    times, rates = harness.interleave_bursts(list(calls.values()), arguments.seconds, lambda: ceilings.rate("f32", threads, 0.3), burst_seconds=0.004)
    found = {name: harness.median(row) for name, row in zip(calls, times)}
    found["ceiling"], found["work"] = harness.median(rates), batch * outs * result * result * (ins // groups) * kernel * kernel
    found["error"] = 0.0
    for other in ([ort.fetch()[0]] if ort else []) + ([peer.result()] if peer else []):
        found["error"] = max(found["error"], float(np.abs(ours - other).max()))
    if ort:
        found["ort"] = ort.conv_seconds()
    return found


def run(arguments, context):
    ceilings, onednn = harness.Ceilings(), harness.OneDnn()
    if not onednn.available:
        print("oneDNN: missing (libdnnl was not found when the build was configured); the last line is the ratio to ONNX Runtime")
    print(f"f32, batch {arguments.batch}, {arguments.threads} thread{'s' * (arguments.threads > 1)}; oneDNN {onednn.version}")
    print(f"{'layer':<38} {'sluice us':>10} {'%':>4} {'oneDNN us':>10} {'%':>4} {'ort us':>10} {'all':>9} {'/oneDNN':>8} {'/ort':>6}  largest error")
    to_onednn, to_ort = [], []
    with tempfile.TemporaryDirectory() as folder:
        for network, layers in NETWORKS.items():
            for number, layer in enumerate(layers()):
                ins, outs, size, kernel, stride, groups, relu = layer
                if arguments.only and network not in arguments.only and f"{network}-{number}" not in arguments.only:
                    continue
                name = f"{network}-{number} {ins}->{outs} {kernel}x{kernel}{f'/{stride}' if stride > 1 else ''}{' dw' if groups > 1 else ''} @{size}"
                found = measure(layer, arguments, context, ceilings, onednn, folder)
                ok = found["error"] < 1e-4
                share = lambda key: f"{100 * found['work'] / found[key] / found['ceiling']:4.0f}" if found["ceiling"] else "   -"
                ratio = lambda key: found[key] / found["sluice"] if found.get(key) and ok else None
                to_onednn.append(ratio("onednn"))
                to_ort.append(ratio("ort"))
                time_of = lambda key, width: f"{1e6 * found[key]:{width}.1f}" if found.get(key) else f"{'missing':>{width}}"
                cell = lambda value, width: f"{value:{width}.2f}" if value else " " * (width - 1) + "-"
                print(f"{name:<38} {time_of('sluice', 10)} {share('sluice')} {time_of('onednn', 10)} {share('onednn') if found.get('onednn') else '   -'} {time_of('ort', 10)} "
                      f"{time_of('ort all', 9)} {cell(to_onednn[-1], 8)} {cell(to_ort[-1], 6)}  {found['error']:.2e}{'' if ok else '  WRONG'}", flush=True)
    print(f"against ONNX Runtime: geomean {geomean(to_ort):.3f} worst {min(filter(None, to_ort), default=0):.3f}")
    return to_onednn if onednn.available and "onednn" in arguments.peers else to_ort
