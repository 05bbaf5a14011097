#!/usr/bin/env python3
"""Makes tests/routing/flattened/: mixtures of experts as PyTorch's exporters write them (torch.onnx.export, both the dynamo and the older one), with inputs, ONNX Runtime's outputs and the rows that each
expert gets according to PyTorch. Run by hand after a change here: needs torch, transformers, onnx, onnxscript, onnxruntime, numpy. The tests read only what it wrote.

The last expert is never picked (the first input is always 1, and its logit has -100 of it), and in the stored files its weights are NaN: a finite output proves that they were not used. Outputs are from the same
model before that.
"""
import json
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flattened")
T, D, H, E, K = 24, 8, 16, 4, 2


class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(D, H), nn.Linear(H, D)

    def forward(self, x):
        return self.down(F.relu(self.up(x)))


class Base(nn.Module):
    picked, products = K, 2

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(D, E, bias=False)
        self.experts = nn.ModuleList(Expert() for _ in range(E))

    def poison(self):
        for p in self.experts[E - 1].parameters():
            p.data.fill_(float("nan"))

    def picks(self, x):
        w, i = torch.topk(self.gate(x), K, dim=-1)
        return torch.softmax(w, -1), i

    def scattered(self, x):
        w, i = self.picks(x)
        return torch.zeros(x.shape[0], E).scatter(1, i, w)


# ---- experts computed for all rows, times a gate ----
class DenseSum(Base):
    def forward(self, x):
        g = self.scattered(x)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            y = y + g[:, e:e + 1] * f(x)
        return y


class DenseStack(Base):
    def forward(self, x):
        return (torch.stack([f(x) for f in self.experts], 1) * self.scattered(x).unsqueeze(-1)).sum(1)


class DenseEinsum(Base):
    def forward(self, x):
        return torch.einsum("ted,te->td", torch.stack([f(x) for f in self.experts], 1), self.scattered(x))


class DenseBmm(Base):
    def forward(self, x):
        return torch.bmm(self.scattered(x).unsqueeze(1), torch.stack([f(x) for f in self.experts], 1)).squeeze(1)


class DenseOneHot(Base):
    def forward(self, x):
        w, i = self.picks(x)
        g = (F.one_hot(i, E).to(x.dtype) * w.unsqueeze(-1)).sum(1)
        y = 0
        for e, f in enumerate(self.experts):
            y = y + f(x) * g[:, e].unsqueeze(-1)
        return y


class DenseThreshold(Base):    # at least the k-th largest: as many as there are
    def forward(self, x):
        p = torch.softmax(self.gate(x), -1)
        g = torch.where(p >= torch.topk(p, K, dim=-1).values[:, -1:], p, torch.zeros_like(p))
        g = g / g.sum(-1, keepdim=True)
        y = 0
        for e, f in enumerate(self.experts):
            y = y + f(x) * g[:, e:e + 1]
        return y


class DenseEqual(Base):
    def forward(self, x):
        w, i = self.picks(x)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            y = y + (w * (i == e)).sum(-1, keepdim=True) * f(x)
        return y


class DenseSoftmax(Base):      # logits outside of the picks are -inf
    def forward(self, x):
        logits = self.gate(x)
        w, i = torch.topk(logits, K, dim=-1)
        g = torch.softmax(torch.full_like(logits, float("-inf")).scatter(1, i, w), -1)
        return torch.einsum("ted,te->td", torch.stack([f(x) for f in self.experts], 1), g)


class Batched(Base):
    def __init__(self):
        nn.Module.__init__(self)
        self.gate = nn.Linear(D, E, bias=False)
        self.w1, self.b1 = nn.Parameter(torch.randn(E, D, H) * .2), nn.Parameter(torch.randn(E, H) * .1)
        self.w2, self.b2 = nn.Parameter(torch.randn(E, H, D) * .2), nn.Parameter(torch.randn(E, D) * .1)

    def poison(self):
        for p in (self.w1, self.b1, self.w2, self.b2):
            p.data[E - 1] = float("nan")


class BatchedEinsum(Batched):
    def forward(self, x):
        h = F.gelu(torch.einsum("td,edf->etf", x, self.w1) + self.b1[:, None])
        o = torch.einsum("etf,efd->etd", h, self.w2) + self.b2[:, None]
        return torch.einsum("etd,te->td", o, self.scattered(x))


class BatchedBmm(Batched):
    def forward(self, x):
        xs = x.repeat(E, 1).view(E, -1, D)
        o = torch.bmm(F.gelu(torch.bmm(xs, self.w1) + self.b1[:, None]), self.w2) + self.b2[:, None]
        return (o * self.scattered(x).transpose(0, 1).unsqueeze(-1)).sum(0)


# ---- loops over experts ----
class LoopIndexAdd(Base):
    def forward(self, x):
        w, i = self.picks(x)
        y = torch.zeros_like(x)
        mask = F.one_hot(i, E).permute(2, 1, 0)
        for e, f in enumerate(self.experts):
            k, rows = torch.where(mask[e])
            y.index_add_(0, rows, f(x[rows]) * w[rows, k, None])
        return y


class LoopPut(Base):
    def forward(self, x):
        w, i = self.picks(x)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            rows, k = torch.where(i == e)
            y[rows] += w[rows, k, None] * f(x[rows])
        return y


class LoopSwitch(Base):        # one expert a row
    picked = 1

    def forward(self, x):
        v, i = torch.softmax(self.gate(x), -1).max(-1)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            rows = torch.where(i == e)[0]
            y[rows] = f(x[rows])
        return y * v[:, None]


class LoopRows(Base):
    def forward(self, x):
        w, i = self.picks(x)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            sel = i == e
            rows = sel.any(-1).nonzero().squeeze(-1)
            y = y.index_add(0, rows, f(x[rows]) * (w * sel).sum(-1)[rows][:, None])
        return y


# ---- dispatch by one-hot products ----
class OneHot(Batched):         # GShard's and DeepSpeed's top-1, with a capacity that drops tokens
    picked, capacity = 1, 7

    def combine(self, x):
        p = torch.softmax(self.gate(x), -1)
        m = F.one_hot(p.argmax(-1), E).to(x.dtype)
        position = torch.cumsum(m, 0) * m - 1
        kept = m * (position < self.capacity)
        slot = F.one_hot((position * kept).sum(-1).long(), self.capacity).to(x.dtype)
        return torch.einsum("s,se,sc->sec", (p * kept).sum(-1), kept, slot)

    def bodies(self, slots):
        h = F.relu(torch.einsum("ecm,emh->ech", slots, self.w1) + self.b1[:, None])
        return torch.einsum("ech,ehm->ecm", h, self.w2) + self.b2[:, None]

    def forward(self, x):
        combine = self.combine(x)
        slots = torch.einsum("sec,sm->ecm", (combine > 0).to(x.dtype), x)
        return torch.einsum("sec,ecm->sm", combine, self.bodies(slots))

    def rows(self, x):
        counts = torch.bincount((x @ self.gate.weight.T).argmax(-1), minlength=E)
        return counts.clamp(max=self.capacity).tolist()


class OneHotMatMul(OneHot):    # slots as one axis
    def forward(self, x):
        combine = self.combine(x)
        flat = combine.reshape(-1, E * self.capacity)
        slots = torch.matmul((flat > 0).to(x.dtype).t(), x).reshape(E, self.capacity, D)
        return torch.matmul(flat, self.bodies(slots).reshape(E * self.capacity, D))


class OneHotTop2(OneHot):      # DeepSpeed's top-2: second choices come behind all first ones
    capacity = 11

    def combine(self, x):
        logits = self.gate(x)
        gates = torch.softmax(logits, -1)
        mask1 = F.one_hot(gates.argmax(-1), E)
        mask2 = F.one_hot(logits.masked_fill(mask1.bool(), float("-inf")).argmax(-1), E)
        locations1 = torch.cumsum(mask1, 0) - 1
        locations2 = torch.cumsum(mask2, 0) - 1 + torch.sum(mask1, 0, keepdim=True)
        mask1 = mask1 * torch.lt(locations1, self.capacity)
        mask2 = mask2 * torch.lt(locations2, self.capacity)
        slot1, slot2 = torch.sum(locations1 * mask1, 1), torch.sum(locations2 * mask2, 1)
        kept1, kept2 = mask1.to(x.dtype), mask2.to(x.dtype)
        gate1, gate2 = torch.einsum("se,se->s", gates, kept1), torch.einsum("se,se->s", gates, kept2)
        total = torch.clamp(gate1 + gate2, min=1e-7)
        gate1, gate2 = torch.einsum("s,se->se", gate1 / total, kept1), torch.einsum("s,se->se", gate2 / total, kept2)
        first = torch.einsum("se,sc->sec", gate1, F.one_hot(slot1, self.capacity).to(x.dtype))
        return first + torch.einsum("se,sc->sec", gate2, F.one_hot(slot2, self.capacity).to(x.dtype))

    def forward(self, x):
        combine = self.combine(x)
        slots = torch.einsum("sec,sm->ecm", combine.bool().to(x.dtype), x)
        return torch.einsum("sec,ecm->sm", combine, self.bodies(slots))

    def rows(self, x):
        top = torch.topk(x @ self.gate.weight.T, 2, -1).indices
        first, second = (torch.bincount(top[:, j], minlength=E) for j in range(2))
        return (first.clamp(max=self.capacity) + torch.minimum(second, (self.capacity - first).clamp(min=0))).tolist()


class DeepSpeed(nn.Module):    # DeepSpeed-MoE: 3 layers with 4, 4 and 8 experts, top-1 besides an always-on feed-forward module, 64 tokens; the last expert of each is empty
    experts, tokens, products = (4, 4, 8), 64, 2

    def __init__(self):
        super().__init__()
        self.gates = nn.ModuleList(nn.Linear(D, e) for e in self.experts)
        self.fixed = nn.ModuleList(Expert() for _ in self.experts)
        self.w1 = nn.ParameterList(torch.randn(e, D, H) * .2 for e in self.experts)
        self.w2 = nn.ParameterList(torch.randn(e, H, D) * .2 for e in self.experts)
        for gate in self.gates:
            gate.bias.data[-1] = -100

    def layer(self, n, x):
        p = torch.softmax(self.gates[n](x), -1)
        m = F.one_hot(p.argmax(-1), self.experts[n])
        slot = F.one_hot(torch.sum((torch.cumsum(m, 0) - 1) * m, 1), self.tokens).to(x.dtype)
        m = m.to(x.dtype)
        combine = torch.einsum("se,sc->sec", (p * m).sum(1, keepdim=True) * m, slot)
        slots = torch.einsum("sec,sm->ecm", combine.bool().to(x.dtype), x)
        h = F.gelu(torch.einsum("ecm,emh->ech", slots, self.w1[n]))
        return x + self.fixed[n](x) + torch.einsum("sec,ecm->sm", combine, torch.einsum("ech,ehm->ecm", h, self.w2[n]))

    def forward(self, x):
        for n in range(len(self.experts)):
            x = self.layer(n, x)
        return x

    def rows(self, x):
        counts = []
        for n, e in enumerate(self.experts):
            counts += torch.bincount(self.gates[n](x).argmax(-1), minlength=e).tolist()
            x = self.layer(n, x)
        return counts

    def work(self, rows):
        return self.tokens * D * sum(self.experts) + 2 * 2 * D * H * sum(rows)    # routed rows and the fixed modules: 64 a layer each

    def poison(self):
        for weights in (self.w1, self.w2):
            for w in weights:
                w.data[-1] = float("nan")


# ---- rows along two axes: batch x positions ----
class SeqSum(Base):
    sequence = True

    def forward(self, x):
        w, i = self.picks(x)
        g = torch.zeros(*x.shape[:-1], E).scatter(-1, i, w)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            y = y + g[..., e:e + 1] * f(x)
        return y


class SeqEinsum(Base):
    sequence = True

    def forward(self, x):
        w, i = self.picks(x)
        return torch.einsum("bsed,bse->bsd", torch.stack([f(x) for f in self.experts], 2), torch.zeros(*x.shape[:-1], E).scatter(-1, i, w))


class SeqMask(Base):      # boolean masks
    sequence, picked = True, 1

    def forward(self, x):
        i = torch.argmax(self.gate(x), -1)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            y = y + (i == e).unsqueeze(-1) * f(x)
        return y


class SeqWhere(Base):
    sequence = True

    def forward(self, x):
        return torch.where((self.gate(x)[..., 0] > -50).unsqueeze(-1), self.experts[0](x), self.experts[3](x))

    def rows(self, x):    # the select's false side is branch 0
        return [0, len(x)]

    def work(self, rows):
        return T * D * E + sum(rows) * 2 * D * H


# ---- a route over modules of different size (Duo-LLM), the first k of four learners (adaptive computation modules) ----
class DuoSum(Base):       # 0: nothing, 1: the small one, 2: the big one, which nobody takes
    def route(self, x):
        return torch.argmax(self.gate(x)[:, [0, 1, 3]], -1)

    def forward(self, x):
        r = self.route(x)
        return x + (r == 1).to(x.dtype).unsqueeze(-1) * self.experts[0](x) + (r == 2).to(x.dtype).unsqueeze(-1) * self.experts[3](self.experts[3](x))

    def rows(self, x):
        return [int((self.route(x) == 1).sum()), 0]

    def work(self, rows):
        return T * D * E + rows[0] * 2 * D * H


class AcmMasks(Base):     # the last learner is nobody's: k is 3 at most
    def forward(self, x):
        k = torch.argmax(self.gate(x), -1)
        y = x
        for e, f in enumerate(self.experts):
            y = y + (k >= e + 1).to(x.dtype).unsqueeze(-1) * f(x)
        return y

    def rows(self, x):
        k = torch.argmax(self.gate(x), -1)
        return [int((k >= e + 1).sum()) for e in range(E)]


class AcmGates(AcmMasks):      # gates are running sums of the one-hot, from its end
    def forward(self, x):
        k = F.one_hot(torch.argmax(self.gate(x), -1), E).to(x.dtype)
        g = torch.flip(torch.cumsum(torch.flip(k, [1]), 1), [1])
        y = x
        for e, f in enumerate(self.experts):
            y = y + g[:, e:e + 1] * f(x)
        return y

    def rows(self, x):
        k = torch.argmax(self.gate(x), -1)
        return [int((k >= e).sum()) for e in range(E)]


class AcmRunning(AcmGates):    # all prefixes, of which a one-hot takes one
    def forward(self, x):
        k = F.one_hot(torch.argmax(self.gate(x), -1), E).to(x.dtype)
        return x + (torch.cumsum(torch.stack([f(x) for f in self.experts], 1), 1) * k.unsqueeze(-1)).sum(1)


# ---- a scripted loop that asks for each expert whether it has rows: an If around each body (only the older exporter takes scripts) ----
class IfLoop(Base):
    exporters = ("legacy",)

    def forward(self, x):
        w, i = torch.topk(self.gate(x), 2, dim=-1)
        w = torch.softmax(w, -1)
        y = torch.zeros_like(x)
        for e, f in enumerate(self.experts):
            m = i == e
            if bool(m.any()):
                places = torch.nonzero(m)
                r, c = places[:, 0], places[:, 1]
                y = y.index_add(0, r, f(x[r]) * w[r, c].unsqueeze(-1))
        return y


MODELS = [OneHot, OneHotMatMul, OneHotTop2, DeepSpeed, DenseSum, DenseStack, DenseEinsum, DenseBmm, DenseOneHot, DenseThreshold, DenseEqual, DenseSoftmax, BatchedEinsum, BatchedBmm, LoopIndexAdd, LoopPut, LoopSwitch, LoopRows,
          SeqSum, SeqEinsum, SeqMask, SeqWhere, DuoSum, AcmMasks, AcmRunning, AcmGates, IfLoop]


# ---- transformers' own blocks, with weights gathered for each row ----
def hugging_face(name):
    import transformers
    if name == "mixtral":
        from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock as block
        config = transformers.MixtralConfig(hidden_size=D, intermediate_size=H, num_local_experts=E, num_experts_per_tok=K)
    else:
        from transformers.models.qwen2_moe.modeling_qwen2_moe import Qwen2MoeSparseMoeBlock as block
        config = transformers.Qwen2MoeConfig(hidden_size=D, moe_intermediate_size=H, shared_expert_intermediate_size=H, num_experts=E, num_experts_per_tok=K)
    config._experts_implementation = "batched_mm"
    model = block(config)
    for p in model.parameters():
        nn.init.normal_(p, std=.2)
    model.picked, model.products = K, 3

    def poison():
        for p in (model.experts.gate_up_proj, model.experts.down_proj):
            p.data[E - 1] = float("nan")
    model.poison = poison
    return model


def export(model, x, path, dynamo):
    dynamic = {"dynamic_shapes": ({0: torch.export.Dim("rows")},)} if dynamo else {"dynamic_axes": {"x": {0: "rows"}}, "opset_version": 17}
    if hasattr(model, "exporters"):
        model = torch.jit.script(model)
    torch.onnx.export(model, (x,), path, dynamo=dynamo, input_names=["x"], output_names=["y"], verbose=False, **({"external_data": False} if dynamo else {}), **dynamic)
    proto = onnx.load(path)
    del proto.metadata_props[:]
    for node in proto.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    for value in list(proto.graph.value_info) + list(proto.graph.input) + list(proto.graph.output) + list(proto.graph.initializer):
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    onnx.save(proto, path)


def make(name, build, cases):
    torch.manual_seed(0)
    model = build().eval()
    exporters = getattr(model, "exporters", ("dynamo", "legacy"))
    x = torch.randn(getattr(model, "tokens", T), D)
    x[:, 0] = 1
    if hasattr(model, "gate"):
        gate = model.gate.weight.data
        gate[E - 1] = 0
        gate[E - 1, 0] = -100
    with torch.no_grad():
        rows = model.rows(x) if hasattr(model, "rows") else torch.bincount(torch.topk(x @ gate.T, model.picked, -1).indices.flatten(), minlength=E).tolist()
    if name.startswith("hf_") or hasattr(model, "sequence"):
        x = x.reshape(2, T // 2, D)
    for exporter in exporters:
        path = os.path.join(FOLDER, f"{name}.{exporter}.onnx")
        export(model, x, path, exporter == "dynamo")
        y = onnxruntime.InferenceSession(path).run(None, {"x": x.numpy()})[0]
        assert np.isfinite(y).all()
        np.save(os.path.join(FOLDER, f"{name}.{exporter}.npy"), y)
    np.save(os.path.join(FOLDER, f"{name}.x.npy"), x.numpy())
    with torch.no_grad():
        model.poison()
    for exporter in exporters:
        export(model, x, os.path.join(FOLDER, f"{name}.{exporter}.onnx"), exporter == "dynamo")
    shared = T * (3 * D * H + D) if name == "hf_qwen2_moe" else 0
    cases[name] = {"rows": rows, "multiply_adds": model.work(rows) if hasattr(model, "work") else T * D * E + sum(rows) * model.products * D * H + shared}
    if name == "OneHotTop2":    # its gates are small products, too
        del cases[name]["multiply_adds"]
    cases[name]["routed"] = sum(rows) * model.products * D * H
    if hasattr(model, "exporters"):
        cases[name]["exporters"] = list(exporters)
    if hasattr(model, "capacity"):
        cases[name]["gone"] = [f" x {E} x {model.capacity} x "]
    if hasattr(model, "tokens"):
        cases[name]["gone"] = [f" x {e} x {model.tokens} x " for e in model.experts]


def main():
    os.makedirs(FOLDER, exist_ok=True)
    path = os.path.join(FOLDER, "cases.json")
    cases = json.load(open(path)) if os.path.exists(path) else {}
    builders = {m.__name__: m for m in MODELS}
    builders["hf_mixtral"] = lambda: hugging_face("mixtral")
    builders["hf_qwen2_moe"] = lambda: hugging_face("qwen2")
    for name in sys.argv[1:] or builders:
        make(name, builders[name], cases)
    with open(path, "w") as file:
        json.dump(cases, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
