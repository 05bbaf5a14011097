#!/usr/bin/env python3
"""Trains the four sample models on scikit-learn's 1,797 handwritten digits and exports them for Sluice.

Needs torch, scikit-learn, numpy and safetensors (not needed to run the samples, and not run in CI). Writes beside itself:

  heldout_x.npy, heldout_y.npy      450 scans (f32, 450 x 64, values 0..1) and their digits (int64), never trained on
  NAME.json, NAME.safetensors       the graph and the weights of each model
  NAME_expected.npy                 the digit that this framework predicts for every held-out scan (int64)

Models: mlp; conv_exits (two early exits); moe (8 experts, top-2); pruned (90 % of the weights zero). `train.py --export-only` writes the graphs of conv_exits and moe again, with the
weights that are there.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from graph import Graph

HERE = pathlib.Path(__file__).parent
EXIT_THRESHOLD = 0.90
EXPERTS, TOP_K = 8, 2


def data():
    digits = load_digits()
    x = (digits.data / 16.0).astype(np.float32)
    return train_test_split(x, digits.target.astype(np.int64), test_size=450, random_state=7, stratify=digits.target)


def shifted(x):
    """One random shift by up to a pixel of every scan: keeps the small nets from learning positions by heart."""
    images = F.pad(x.view(-1, 8, 8), (1, 1, 1, 1))
    dy, dx = torch.randint(0, 3, (2,)).tolist()
    return images[:, dy:dy + 8, dx:dx + 8].reshape(-1, 64)


def fit(model, loss_of, x, y, epochs=220, after_step=None):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x), 128):
            batch = order[start:start + 128]
            optimizer.zero_grad()
            loss_of(model, shifted(x[batch]), y[batch]).backward()
            optimizer.step()
            if after_step:
                after_step()
        schedule.step()
    model.eval()


class Mlp(torch.nn.Module):
    def __init__(self, *widths):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class ConvExits(torch.nn.Module):
    """Three convolution stages; a linear head on the pooled features after each. A head answers when its most likely digit has a
    probability of at least EXIT_THRESHOLD; the last one always does."""

    def __init__(self):
        super().__init__()
        self.stages = torch.nn.ModuleList([
            torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.Conv2d(16, 32, 3, stride=2, padding=1), torch.nn.Conv2d(32, 64, 3, padding=1)])
        self.heads = torch.nn.ModuleList([torch.nn.Linear(16 * 16, 10), torch.nn.Linear(32 * 4, 10), torch.nn.Linear(64 * 16, 10)])
        self.pools = [2, 2, 1]

    def logits(self, x):
        x, result = x.view(-1, 1, 8, 8), []
        for stage, head, pool in zip(self.stages, self.heads, self.pools):
            x = F.relu(stage(x))
            result.append(head(F.avg_pool2d(x, pool).flatten(1)))
        return result

    def answer(self, x):
        logits = self.logits(x)
        exits = torch.full((len(x),), 2)
        for i in (1, 0):
            exits[F.softmax(logits[i], 1).max(1).values >= EXIT_THRESHOLD] = i
        return torch.stack(logits)[exits, torch.arange(len(x))], exits


class Moe(torch.nn.Module):
    """Linear, then one residual mixture-of-experts layer: a softmax router picks TOP_K of EXPERTS two-layer experts, whose outputs are added with
    the router's probabilities as weights."""

    def __init__(self, width=32, hidden=64):
        super().__init__()
        self.input = torch.nn.Linear(64, width)
        self.router = torch.nn.Linear(width, EXPERTS)
        self.up = torch.nn.ModuleList(torch.nn.Linear(width, hidden) for _ in range(EXPERTS))
        self.down = torch.nn.ModuleList(torch.nn.Linear(hidden, width) for _ in range(EXPERTS))
        self.output = torch.nn.Linear(width, 10)

    def forward(self, x):
        x = F.relu(self.input(x))
        self.probabilities = F.softmax(self.router(x), 1)
        gates, self.picked = self.probabilities.topk(TOP_K, 1)
        dense = torch.zeros_like(self.probabilities).scatter(1, self.picked, gates)
        y = x
        for e in range(EXPERTS):
            y = y + dense[:, e:e + 1] * self.down[e](F.relu(self.up[e](x)))
        return self.output(y)


def export_linear(g, name, layer):
    g.weight(name + ".weight", layer.weight.detach().numpy())
    g.weight(name + ".bias", layer.bias.detach().numpy())


def export_mlp(model, name):
    g = Graph(name)
    value = g.input("x", "f32", ["batch", 64])
    for i, layer in enumerate(model.layers):
        export_linear(g, f"layer{i}", layer)
        value = g.node("Gemm", [value, f"layer{i}.weight", f"layer{i}.bias"], "logits" if i + 1 == len(model.layers) else f"linear{i}", name=f"linear{i}", transB=1)
        if i + 1 < len(model.layers):
            value = g.node("Relu", [value], f"hidden{i}", name=f"relu{i}")
    g.output("logits", "f32", ["batch", 10])
    return g


def conv_exits_layers(model):
    return {f"stage{i}": layer for i, layer in enumerate(model.stages)} | {f"head{i}": layer for i, layer in enumerate(model.heads)}


def export_conv_exits(model):
    """A batch of scans: the rest of the net is the body of those that go on (Route, docs/routing.md); exits nest."""
    g = Graph("conv_exits")
    g.input("x", "f32", ["batch", 64])
    g.weight("image_shape", np.array([0, 1, 8, 8], np.int64))
    g.weight("threshold", np.array(EXIT_THRESHOLD, np.float32))
    g.weight("axis1", np.array([1], np.int64))
    for i in range(3):
        g.weight(f"number{i}", np.array([i], np.int64))
    for name, layer in conv_exits_layers(model).items():
        export_linear(g, name, layer)
    g.node("Reshape", ["x", "image_shape"], "image")

    def stage(body, i, value):
        stride = model.stages[i].stride[0]
        body.node("Conv", [value, f"stage{i}.weight", f"stage{i}.bias"], f"conv{i}", name=f"conv{i}", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
        body.node("Relu", [f"conv{i}"], f"features{i}")
        pooled = f"features{i}"
        if model.pools[i] > 1:
            pooled = body.node("AveragePool", [pooled], f"pooled{i}", kernel_shape=[2, 2], strides=[2, 2])
        body.node("Flatten", [pooled], f"flat{i}", axis=1)
        body.node("Gemm", [f"flat{i}", f"head{i}.weight", f"head{i}.bias"], f"logits{i}", name=f"head{i}", transB=1)
        if i == 2:
            return f"logits{i}", number(body, i, f"logits{i}")
        body.node("Softmax", [f"logits{i}"], f"probabilities{i}", axis=1)
        body.node("ReduceMax", [f"probabilities{i}", "axis1"], f"confidence{i}", keepdims=0)
        body.node("Less", [f"confidence{i}", "threshold"], f"goes_on{i}")
        body.node("Cast", [f"goes_on{i}"], f"key{i}", to="i64")
        leave, rest = body_graph(i), body_graph(i)
        leave.output_names = ["early", number(leave, i, "early")]
        rest.output_names = list(stage(rest, i + 1, "state"))
        results = ["logits", "exit"] if i == 0 else [f"answer{i}", f"exit_of{i}"]
        body.node("Route", [f"key{i}", f"features{i}", f"logits{i}"], results, name=f"exit{i}", branches=[leave, rest])
        return results

    def body_graph(i):
        result = Graph(f"body{i}")
        result.input_names = ["state", "early"]
        return result

    def number(body, i, rows):
        """The number of the exit, once for each row."""
        body.node("Shape", [rows], f"rows{i}", start=0, end=1)
        return body.node("Expand", [f"number{i}", f"rows{i}"], f"exit_number{i}")

    stage(g, 0, "image")
    g.output("logits", "f32", ["batch", 10])
    g.output("exit", "i64", ["batch"])
    return g


def moe_layers(model):
    names = {name: getattr(model, name) for name in ("input", "router", "output")}
    return names | {f"{kind}{e}": getattr(model, kind)[e] for e in range(EXPERTS) for kind in ("up", "down")}


def export_moe(model):
    """A batch of scans: each goes to the two experts that the router picked, whose results are added with its probabilities as weights (Route, docs/routing.md)."""
    g = Graph("moe")
    g.input("x", "f32", ["batch", 64])
    for name, layer in moe_layers(model).items():
        export_linear(g, name, layer)
    g.weight("k", np.array([TOP_K], np.int64))
    g.node("Gemm", ["x", "input.weight", "input.bias"], "embedded", transB=1, name="embed")
    g.node("Relu", ["embedded"], "tokens")
    g.node("Gemm", ["tokens", "router.weight", "router.bias"], "router_logits", transB=1, name="router")
    g.node("Softmax", ["router_logits"], "probabilities", axis=1)
    g.node("TopK", ["probabilities", "k"], ["gates", "picked"], axis=1, name="top2")
    experts = []
    for e in range(EXPERTS):
        expert = Graph(f"expert{e}")
        expert.input_names = ["row"]
        expert.node("Gemm", ["row", f"up{e}.weight", f"up{e}.bias"], f"up_out{e}", transB=1, name=f"expert{e}_up")
        expert.node("Relu", [f"up_out{e}"], f"hidden{e}")
        expert.node("Gemm", [f"hidden{e}", f"down{e}.weight", f"down{e}.bias"], f"down_out{e}", transB=1, name=f"expert{e}_down")
        expert.output_names = [f"down_out{e}"]
        experts.append(expert)
    g.node("Route", ["picked", "tokens", "gates"], "mixed", name="experts", branches=experts, merge="add", weighted=1)
    g.node("Add", ["tokens", "mixed"], "sum")
    g.node("Gemm", ["sum", "output.weight", "output.bias"], "logits", transB=1, name="classify")
    g.output("logits", "f32", ["batch", 10])
    g.output("picked", "i64", ["batch", TOP_K])
    return g


def restore(layers, name):
    """Weights from the file that an earlier run wrote."""
    tensors = load_file(HERE / f"{name}.safetensors")
    with torch.no_grad():
        for key, layer in layers.items():
            layer.weight.copy_(torch.tensor(tensors[key + ".weight"]))
            layer.bias.copy_(torch.tensor(tensors[key + ".bias"]))


def save(g, predictions, truth):
    tensors = {name: np.ascontiguousarray(value) for name, value in g.weights.items()}
    save_file(tensors, HERE / f"{g.name}.safetensors")
    (HERE / f"{g.name}.json").write_text(g.text(f"{g.name}.safetensors"))
    np.save(HERE / f"{g.name}_expected.npy", predictions.astype(np.int64))
    size = (HERE / f"{g.name}.safetensors").stat().st_size
    print(f"{g.name}: accuracy {100 * (predictions == truth).mean():.2f} %, {size} bytes of weights")


def main():
    torch.manual_seed(1)
    torch.use_deterministic_algorithms(True)
    x_train, x_test, y_train, y_test = data()
    np.save(HERE / "heldout_x.npy", x_test)
    np.save(HERE / "heldout_y.npy", y_test)
    x, y, test = torch.tensor(x_train), torch.tensor(y_train), torch.tensor(x_test)

    export_only = "--export-only" in sys.argv
    if not export_only:
        mlp = Mlp(64, 128, 64, 10)
        fit(mlp, lambda m, a, b: F.cross_entropy(m(a), b), x, y)
        with torch.no_grad():
            save(export_mlp(mlp, "mlp"), mlp(test).argmax(1).numpy(), y_test)

    exits = ConvExits()
    if export_only:
        restore(conv_exits_layers(exits), "conv_exits")
        exits.eval()
    else:
        fit(exits, lambda m, a, b: sum(F.cross_entropy(l, b) for l in m.logits(a)), x, y)
    with torch.no_grad():
        # one by one: a scan's answer does not depend on its batch
        answers = [exits.answer(test[i:i + 1]) for i in range(len(test))]
        save(export_conv_exits(exits), np.array([int(a.argmax()) for a, _ in answers]), y_test)
        print("  exits taken:", np.bincount([int(e) for _, e in answers], minlength=3))

    moe = Moe()

    def moe_loss(m, a, b):
        loss = F.cross_entropy(m(a), b)
        load = F.one_hot(m.picked, EXPERTS).float().sum(1).mean(0) / TOP_K          # Shazeer et al. 2017, Fedus et al. 2021: balance
        return loss + 0.3 * EXPERTS * (load * m.probabilities.mean(0)).sum()

    if export_only:
        restore(moe_layers(moe), "moe")
        moe.eval()
    else:
        fit(moe, moe_loss, x, y)
    with torch.no_grad():
        save(export_moe(moe), np.array([int(moe(test[i:i + 1]).argmax()) for i in range(len(test))]), y_test)
        moe(test)
        print("  expert load:", np.bincount(moe.picked.flatten().numpy(), minlength=EXPERTS))

    if export_only:
        return
    pruned = Mlp(64, 256, 128, 10)
    fit(pruned, lambda m, a, b: F.cross_entropy(m(a), b), x, y)
    # Magnitude pruning (Han et al. 2015) in steps to 90 %, training what remains after each.
    for sparsity in (0.5, 0.7, 0.8, 0.9):
        masks = []
        for layer in pruned.layers:
            weight = layer.weight.detach().abs().flatten()
            masks.append((layer.weight.detach().abs() > weight.kthvalue(int(sparsity * weight.numel())).values).float())

        def apply_masks():
            with torch.no_grad():
                for layer, mask in zip(pruned.layers, masks):
                    layer.weight.mul_(mask)

        apply_masks()
        fit(pruned, lambda m, a, b: F.cross_entropy(m(a), b), x, y, epochs=60, after_step=apply_masks)
    with torch.no_grad():
        save(export_mlp(pruned, "pruned"), pruned(test).argmax(1).numpy(), y_test)


if __name__ == "__main__":
    main()
