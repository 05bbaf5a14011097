"""Models of the benchmark suite `routing`: networks that leave early, networks that skip tokens, decisions for a whole batch; each as one model that skips (for Sluice: the op
Route), as the dense parts that it would run, and as what other engines can be given. Weights are random with a fixed seed: times do not depend on training."""
import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64, np.dtype(bool): TensorProto.BOOL}


class Graph:
    """Nodes under construction. Weights live in a store that the graphs of one model share; a body sees them as values from outside."""

    def __init__(self, store=None):
        self.nodes, self.store = [], {} if store is None else store

    def body(self):
        return Graph(self.store)

    def weight(self, name, array):
        self.store[name] = array
        return name

    def node(self, op, inputs, output, domain="", **attributes):
        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(helper.make_node(op, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def proto(self, name, inputs, outputs):
        """As a graph attribute. Inputs: (name, element, shape), outputs: the same, or names."""
        value = lambda v: helper.make_tensor_value_info(*v) if isinstance(v, tuple) else onnx.ValueInfoProto(name=v)
        return helper.make_graph(self.nodes, name, [value(v) for v in inputs], [value(v) for v in outputs])

    def route(self, inputs, output, bodies, **attributes):
        return self.node("Route", inputs, output, domain="sluice", branches=bodies, **attributes)

    def save(self, path, inputs, outputs):
        """Writes the model with the weights that its nodes use."""
        used = set()

        def walk(nodes):
            for node in nodes:
                used.update(node.input)
                for attribute in node.attribute:
                    for graph in [attribute.g] + list(attribute.graphs):
                        walk(graph.node)
                        used.update(value.name for value in graph.output)

        walk(self.nodes)
        graph = self.proto("main", inputs, outputs)
        graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in self.store.items() if name in used)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("sluice", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path, save_as_external_data=True, location=path.name + ".data", size_threshold=1024)
        return path


def exit_test(g, logits, threshold, prefix):
    """1 for the rows whose best class has a probability below the threshold: those that go on."""
    g.node("Softmax", [logits], f"{prefix}p", axis=-1)
    g.node("ReduceMax", [f"{prefix}p"], f"{prefix}sure", axes=[-1], keepdims=0)
    g.node("Less", [f"{prefix}sure", threshold], f"{prefix}on")
    return g.node("Cast", [f"{prefix}on"], f"{prefix}key", to=TensorProto.INT64)


class Segmented:
    """A network in three thirds with a head after each. A subclass has `segment(g, i, x)`: the state behind third i; `head(g, i, h)`: its logits; `state(i)`: dims of a row."""

    classes = 100

    def part(self, i, path):
        """Third i with its head by itself, dense, on any number of rows."""
        g = Graph(self.store)
        h = self.segment(g, i, "x")
        self.head(g, i, h)
        if i < 2:
            g.node("Softmax", [f"logits{i}"], "p", axis=-1)
            g.node("ReduceMax", ["p"], "sure", axes=[-1], keepdims=0)
        outputs = [(f"logits{i}", TensorProto.FLOAT, ["n", self.classes])] + ([(h, TensorProto.FLOAT, ["n", *self.state(i)]), ("sure", TensorProto.FLOAT, ["n"])] if i < 2 else [])
        return g.save(path, [("x", TensorProto.FLOAT, ["n", *self.state(i - 1)])], outputs)

    def full(self, path):
        """All thirds for all rows, and all heads: what can be run without leaving early."""
        g, h = Graph(self.store), "x"
        for i in range(3):
            h = self.segment(g, i, h)
            self.head(g, i, h)
        return g.save(path, [("x", TensorProto.FLOAT, ["n", *self.state(-1)])], [(f"logits{i}", TensorProto.FLOAT, ["n", self.classes]) for i in range(3)])

    def routed(self, path):
        """Leaves early: the rest of the network is the body of those that go on."""
        def third(g, i, x):
            h = self.segment(g, i, x)
            self.head(g, i, h)
            if i == 2:
                return "logits2"
            exit_test(g, f"logits{i}", f"threshold{i}", f"t{i}")
            leave, rest = g.body(), g.body()
            last = third(rest, i + 1, f"h{i}")
            typed = lambda name, dims: (name, TensorProto.FLOAT, [f"n{i}", *dims])
            inputs = [typed(f"h{i}", self.state(i)), typed(f"l{i}", [self.classes])]
            bodies = [leave.proto(f"leave{i}", inputs, [inputs[1]]), rest.proto(f"rest{i}", inputs, [typed(last, [self.classes])])]
            return g.route([f"t{i}key", h, f"logits{i}"], f"out{i}", bodies)

        g = Graph(self.store)
        third(g, 0, "x")
        scalars = [(f"threshold{i}", TensorProto.FLOAT, []) for i in range(2)]
        return g.save(path, [("x", TensorProto.FLOAT, ["n", *self.state(-1)]), *scalars], [("out0", TensorProto.FLOAT, ["n", self.classes])])


def linear(g, x, output, name, bias=True):
    g.node("MatMul", [x, f"{name}.weight"], output if not bias else f"{output}_mm")
    return g.node("Add", [f"{output}_mm", f"{name}.bias"], output) if bias else output


class Encoder(Segmented):
    """A transformer encoder with post-norms as BERT's; the state of a row is its `length` tokens. The head reads the first token."""

    def __init__(self, layers=12, width=768, heads=12, length=64, seed=0):
        self.layers, self.width, self.heads, self.length, self.store = layers, width, heads, length, {}
        random = np.random.default_rng(seed)
        weight = lambda name, rows, columns: self.store.update({f"{name}.weight": random.standard_normal((rows, columns), np.float32) / math.sqrt(rows),
                                                                f"{name}.bias": random.standard_normal(columns, np.float32) * np.float32(0.1)})
        for layer in range(layers):
            for name in ("q", "k", "v", "o"):
                weight(f"{layer}.{name}", width, width)
            weight(f"{layer}.up", width, 4 * width)
            weight(f"{layer}.down", 4 * width, width)
            for name in ("norm1", "norm2"):
                self.store[f"{layer}.{name}.weight"], self.store[f"{layer}.{name}.bias"] = np.ones(width, np.float32), np.zeros(width, np.float32)
        for head in range(3):
            weight(f"head{head}", width, self.classes)
        self.store["split"] = np.array([0, -1 if length is None else length, heads, width // heads], np.int64)
        self.store["join"] = np.array([0, -1 if length is None else length, width], np.int64)
        self.store["scale"], self.store["first"] = np.array((width // heads) ** -0.5, np.float32), np.array(0, np.int64)
        self.store["half"], self.store["one"], self.store["root2"] = (np.array(v, np.float32) for v in (0.5, 1, math.sqrt(2)))

    def state(self, i):
        return [self.length, self.width]

    def layer(self, g, n, x, out, prefix):
        for name in ("q", "k", "v"):
            linear(g, x, f"{prefix}{name}", f"{n}.{name}")
            g.node("Reshape", [f"{prefix}{name}", "split"], f"{prefix}{name}4")
            g.node("Transpose", [f"{prefix}{name}4"], f"{prefix}{name}t", perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3])
        g.node("MatMul", [f"{prefix}qt", f"{prefix}kt"], f"{prefix}s")
        g.node("Mul", [f"{prefix}s", "scale"], f"{prefix}s1")
        g.node("Softmax", [f"{prefix}s1"], f"{prefix}p", axis=-1)
        g.node("MatMul", [f"{prefix}p", f"{prefix}vt"], f"{prefix}c")
        g.node("Transpose", [f"{prefix}c"], f"{prefix}ct", perm=[0, 2, 1, 3])
        g.node("Reshape", [f"{prefix}ct", "join"], f"{prefix}cj")
        linear(g, f"{prefix}cj", f"{prefix}o", f"{n}.o")
        g.node("Add", [x, f"{prefix}o"], f"{prefix}r1")
        g.node("LayerNormalization", [f"{prefix}r1", f"{n}.norm1.weight", f"{n}.norm1.bias"], f"{prefix}n1", axis=-1, epsilon=1e-5)
        linear(g, f"{prefix}n1", f"{prefix}u", f"{n}.up")
        g.node("Div", [f"{prefix}u", "root2"], f"{prefix}g1")
        g.node("Erf", [f"{prefix}g1"], f"{prefix}g2")
        g.node("Add", [f"{prefix}g2", "one"], f"{prefix}g3")
        g.node("Mul", [f"{prefix}u", f"{prefix}g3"], f"{prefix}g4")
        g.node("Mul", [f"{prefix}g4", "half"], f"{prefix}g5")
        linear(g, f"{prefix}g5", f"{prefix}d", f"{n}.down")
        g.node("Add", [f"{prefix}n1", f"{prefix}d"], f"{prefix}r2")
        return g.node("LayerNormalization", [f"{prefix}r2", f"{n}.norm2.weight", f"{n}.norm2.bias"], out, axis=-1, epsilon=1e-5)

    def segment(self, g, i, x):
        third = self.layers // 3
        for n in range(third * i, third * (i + 1)):
            x = self.layer(g, n, x, f"h{i}" if n + 1 == third * (i + 1) else f"x{n}", f"l{n}")
        return x

    def head(self, g, i, h):
        g.node("Gather", [h, "first"], f"cls{i}", axis=1)
        return linear(g, f"cls{i}", f"logits{i}", f"head{i}")

    def macs(self):
        """Multiply-adds of one row in each third."""
        layer = self.length * 12 * self.width ** 2 + 2 * self.length ** 2 * self.width
        return [self.layers // 3 * layer + self.width * self.classes] * 3

    def input(self, rows, seed=1):
        return np.random.default_rng(seed).standard_normal((rows, self.length, self.width), np.float32)

    def torch(self):
        """The same network in PyTorch, which skips by indexing: (function of x and two thresholds)."""
        import torch
        import torch.nn.functional as F
        w = {name: torch.from_numpy(array) for name, array in self.store.items() if array.ndim and array.dtype == np.float32}
        transposed = {name: t.t().contiguous() for name, t in w.items() if t.ndim == 2}
        lin = lambda x, name: F.linear(x, transposed[f"{name}.weight"], w[f"{name}.bias"])
        norm = lambda x, name: F.layer_norm(x, (self.width,), w[f"{name}.weight"], w[f"{name}.bias"])

        def layer(x, n):
            q, k, v = (lin(x, f"{n}.{name}").view(len(x), -1, self.heads, self.width // self.heads).transpose(1, 2) for name in "qkv")
            c = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
            x = norm(x + lin(c, f"{n}.o"), f"{n}.norm1")
            return norm(x + lin(F.gelu(lin(x, f"{n}.up")), f"{n}.down"), f"{n}.norm2")

        self.torch_layer, third = layer, self.layers // 3

        def segment(x, i):
            for n in range(third * i, third * (i + 1)):
                x = layer(x, n)
            return x, lin(x[:, 0], f"head{i}")

        return segment


class Residual(Segmented):
    """A ResNet-like net on 3 x 64 x 64 images: a stem and three stages of basic blocks (batch norms folded) whose multiply-adds are about the same."""

    widths, blocks = [64, 128, 256], 3

    def __init__(self, seed=0):
        self.store, random = {}, np.random.default_rng(seed)

        def conv(name, cout, cin, k, gain=1.0):
            self.store[f"{name}.weight"] = (random.standard_normal((cout, cin, k, k), np.float32) * np.float32(gain * math.sqrt(2 / (cin * k * k))))
            self.store[f"{name}.bias"] = random.standard_normal(cout, np.float32) * np.float32(0.1)

        conv("stem", 64, 3, 3)
        for i, width in enumerate(self.widths):
            for b in range(self.blocks):
                cin = width if b or i == 0 else self.widths[i - 1]
                conv(f"{i}.{b}.a", width, cin, 3)
                conv(f"{i}.{b}.b", width, width, 3, 0.3)
                if cin != width:
                    conv(f"{i}.{b}.s", width, cin, 1)
            self.store[f"head{i}.weight"] = random.standard_normal((width, self.classes), np.float32) / np.float32(math.sqrt(width))
            self.store[f"head{i}.bias"] = random.standard_normal(self.classes, np.float32) * np.float32(0.1)

    def state(self, i):
        return [3, 64, 64] if i < 0 else [self.widths[i], 32 >> i, 32 >> i]

    def conv(self, g, x, out, name, k, stride=1):
        return g.node("Conv", [x, f"{name}.weight", f"{name}.bias"], out, kernel_shape=[k, k], pads=[k // 2] * 4, strides=[stride, stride])

    def segment(self, g, i, x):
        if i == 0:
            self.conv(g, x, "stem_c", "stem", 3, 2)
            x = g.node("Relu", ["stem_c"], "stem_r")
        for b in range(self.blocks):
            stride, prefix = 2 if i and not b else 1, f"b{i}_{b}"
            self.conv(g, x, f"{prefix}a", f"{i}.{b}.a", 3, stride)
            g.node("Relu", [f"{prefix}a"], f"{prefix}ar")
            self.conv(g, f"{prefix}ar", f"{prefix}b", f"{i}.{b}.b", 3)
            if f"{i}.{b}.s.weight" in self.store:
                x = self.conv(g, x, f"{prefix}s", f"{i}.{b}.s", 1, stride)
            g.node("Add", [x, f"{prefix}b"], f"{prefix}y")
            x = g.node("Relu", [f"{prefix}y"], f"h{i}" if b + 1 == self.blocks else f"{prefix}r")
        return x

    def head(self, g, i, h):
        g.node("GlobalAveragePool", [h], f"pool{i}")
        g.node("Flatten", [f"pool{i}"], f"flat{i}", axis=1)
        return linear(g, f"flat{i}", f"logits{i}", f"head{i}")

    def macs(self):
        result = []
        for i, width in enumerate(self.widths):
            pixels, count = (32 >> i) ** 2, 0
            for name, array in self.store.items():
                if name.startswith(f"{i}.") and array.ndim == 4:
                    count += pixels * array.size
            result.append(count + width * self.classes + (32 * 32 * self.store["stem.weight"].size if i == 0 else 0))
        return result

    def input(self, rows, seed=1):
        return np.random.default_rng(seed).standard_normal((rows, 3, 64, 64), np.float32)

    def torch(self):
        import torch
        import torch.nn.functional as F
        w = {name: torch.from_numpy(array) for name, array in self.store.items()}
        conv = lambda x, name, stride=1: F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, w[f"{name}.weight"].shape[2] // 2)

        def segment(x, i):
            if i == 0:
                x = F.relu(conv(x, "stem", 2))
            for b in range(self.blocks):
                stride = 2 if i and not b else 1
                y = conv(F.relu(conv(x, f"{i}.{b}.a", stride)), f"{i}.{b}.b")
                x = F.relu((conv(x, f"{i}.{b}.s", stride) if f"{i}.{b}.s.weight" in w else x) + y)
            return x, x.mean((2, 3)) @ w[f"head{i}.weight"] + w[f"head{i}.bias"]

        return segment
