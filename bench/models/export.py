#!/usr/bin/env python3
"""Exports the models of the benchmark suite `models` with fixed random weights, as PyTorch's exporter writes them.

    python bench/models/export.py [--out DIR] [--batch N] [NAME ...]        (needs torch, torchvision, transformers, onnx)

Weights are random (seed 0): speed and agreement with other engines do not depend on training. Each model is written as DIR/NAME.onnx. Some have a symbolic batch; those with a
fixed one are written for batch 1, and for another batch as DIR/NAME_batchN.onnx by --batch N (which leaves the others out).
"""
import argparse
import pathlib

import torch
import torch.nn.functional as F

OPSET = 17


def export(out, name, model, inputs, input_names, output_names, dynamic=None):
    model.eval()
    path = out / f"{name}.onnx"
    with torch.no_grad():
        torch.onnx.export(model, inputs, str(path), input_names=input_names, output_names=output_names, dynamic_axes=dynamic, opset_version=OPSET,
                          do_constant_folding=True, dynamo=False)
    print(f"{name}: {path.stat().st_size / 2**20:.1f} MiB")


def normalise_batch_norms(model):
    """Random but sane statistics: fresh batch norms are the identity, which would let a compiler drop them."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
    return model


def resnet50(out):
    import torchvision
    export(out, "resnet50", normalise_batch_norms(torchvision.models.resnet50()), torch.randn(1, 3, 224, 224), ["image"], ["logits"], {"image": {0: "batch"}, "logits": {0: "batch"}})


def mobilenetv2(out):
    import torchvision
    export(out, "mobilenetv2", normalise_batch_norms(torchvision.models.mobilenet_v2()), torch.randn(1, 3, 224, 224), ["image"], ["logits"], {"image": {0: "batch"}, "logits": {0: "batch"}})


def suffix(batch):
    return f"_batch{batch}" if batch != 1 else ""


def vit_b16(out, batch=1):
    import torchvision
    model = torchvision.models.vit_b_16()
    torch.nn.init.normal_(model.heads.head.weight, std=0.02)   # the library starts it at zero, which would hide every error
    export(out, f"vit_b16{suffix(batch)}", model, torch.randn(batch, 3, 224, 224), ["image"], ["logits"])


class Bert(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from transformers import BertConfig, BertModel
        self.bert = BertModel(BertConfig(), add_pooling_layer=True)
        self.bert.config._attn_implementation = "eager"

    def forward(self, input_ids, attention_mask, token_type_ids):
        result = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return result.last_hidden_state, result.pooler_output


def bert(out, batch=1):
    names, outputs = ["input_ids", "attention_mask", "token_type_ids"], ["last_hidden_state", "pooler_output"]
    model = Bert()
    inputs = (torch.randint(0, 30000, (batch, 128)), torch.ones(batch, 128, dtype=torch.int64), torch.zeros(batch, 128, dtype=torch.int64))
    export(out, f"bert_base{suffix(batch)}", model, inputs, names, outputs)
    if batch != 1:
        return
    axes = {name: {0: "batch", 1: "sequence"} for name in names + outputs[:1]} | {outputs[1]: {0: "batch"}}
    export(out, "bert_base_dynamic", model, inputs, names, outputs, axes)


class Gpt2(torch.nn.Module):
    """GPT-2 small written out in plain operations (Radford et al. 2019), with past keys and values as inputs and outputs."""

    def __init__(self, layers=12, heads=12, width=768, vocabulary=50257, positions=1024):
        super().__init__()
        self.heads = heads
        self.token = torch.nn.Embedding(vocabulary, width)
        self.position = torch.nn.Embedding(positions, width)
        self.blocks = torch.nn.ModuleList(torch.nn.ModuleDict(dict(
            norm1=torch.nn.LayerNorm(width), qkv=torch.nn.Linear(width, 3 * width), out=torch.nn.Linear(width, width), norm2=torch.nn.LayerNorm(width),
            up=torch.nn.Linear(width, 4 * width), down=torch.nn.Linear(4 * width, width))) for _ in range(layers))
        self.norm = torch.nn.LayerNorm(width)
        self.head = torch.nn.Linear(width, vocabulary, bias=False)
        torch.nn.init.normal_(self.token.weight, std=0.02)
        torch.nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, input_ids, *past):
        batch, length = input_ids.shape
        before = past[0].shape[2] if past else 0
        positions = torch.arange(before, before + length, device=input_ids.device)
        x = self.token(input_ids) + self.position(positions)
        key_positions = torch.arange(0, before + length, device=input_ids.device)
        hidden = key_positions[None, :] > positions[:, None]
        present = []
        for i, block in enumerate(self.blocks):
            q, k, v = block["qkv"](block["norm1"](x)).split(x.shape[-1], dim=2)
            q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in (q, k, v))
            if past:
                k, v = torch.cat([past[2 * i], k], 2), torch.cat([past[2 * i + 1], v], 2)
            present += [k, v]
            scores = torch.matmul(q, k.transpose(2, 3)) * (q.shape[-1] ** -0.5)
            scores = scores.masked_fill(hidden, -1e9)
            mixed = torch.matmul(F.softmax(scores, -1), v).transpose(1, 2).reshape(batch, length, -1)
            x = x + block["out"](mixed)
            x = x + block["down"](F.gelu(block["up"](block["norm2"](x)), approximate="tanh"))
        return (self.head(self.norm(x)), *present)


def gpt2(out):
    model = Gpt2()
    present = [f"present_{kind}_{i}" for i in range(12) for kind in ("key", "value")]
    past = [f"past_{kind}_{i}" for i in range(12) for kind in ("key", "value")]
    axes = {"input_ids": {0: "batch", 1: "sequence"}, "logits": {0: "batch", 1: "sequence"}}
    export(out, "gpt2_prefill", model, (torch.randint(0, 50000, (1, 64)),), ["input_ids"], ["logits"] + present, axes | {n: {0: "batch", 2: "sequence"} for n in present})
    caches = tuple(torch.randn(1, 12, 64, 64) for _ in past)
    export(out, "gpt2_decode", model, (torch.randint(0, 50000, (1, 1)), *caches), ["input_ids"] + past, ["logits"] + present,
           {"input_ids": {0: "batch"}, "logits": {0: "batch"}} | {n: {0: "batch", 2: "past"} for n in past} | {n: {0: "batch", 2: "total"} for n in present})


class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(10000, 128)
        self.lstm = torch.nn.LSTM(128, 256, num_layers=2, bidirectional=True, batch_first=True)
        self.out = torch.nn.Linear(512, 32)

    def forward(self, tokens):
        return self.out(self.lstm(self.embed(tokens))[0])


def lstm_tagger(out, batch=1):
    export(out, f"lstm_tagger{suffix(batch)}", Tagger(), (torch.randint(0, 10000, (batch, 64)),), ["tokens"], ["tags"])


class UNet(torch.nn.Module):
    """A small U-Net (Ronneberger et al. 2015): three levels, transposed convolutions up, skip concatenations."""

    def __init__(self, width=32):
        super().__init__()

        def block(a, b):
            return torch.nn.Sequential(torch.nn.Conv2d(a, b, 3, padding=1), torch.nn.BatchNorm2d(b), torch.nn.ReLU(),
                                       torch.nn.Conv2d(b, b, 3, padding=1), torch.nn.BatchNorm2d(b), torch.nn.ReLU())
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.down = torch.nn.ModuleList(block(a, b) for a, b in zip([3] + widths, widths))
        self.up = torch.nn.ModuleList(torch.nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in zip(widths, widths[1:]))
        self.merge = torch.nn.ModuleList(block(2 * a, a) for a in widths[:-1])
        self.out = torch.nn.Conv2d(width, 4, 1)

    def forward(self, x):
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for i in reversed(range(3)):
            x = self.merge[i](torch.cat([self.up[i](x), skips[i]], 1))
        return self.out(x)


def unet(out, batch=1):
    export(out, f"unet{suffix(batch)}", normalise_batch_norms(UNet()), torch.randn(batch, 3, 128, 128), ["image"], ["mask"])


MODELS = {f.__name__: f for f in (resnet50, mobilenetv2, bert, vit_b16, gpt2, lstm_tagger, unet)}
FIXED = {"bert": bert, "vit_b16": vit_b16, "lstm_tagger": lstm_tagger, "unet": unet}


def main():
    torch.backends.mha.set_fastpath_enabled(False)   # the fused inference kernel has no ONNX form
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "out")
    parser.add_argument("--batch", type=int, default=1, help="of the models with a fixed one")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(MODELS)}; all when left out")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or (MODELS if arguments.batch == 1 else FIXED):
        torch.manual_seed(0)
        if arguments.batch == 1:
            MODELS[name](arguments.out)
        else:
            FIXED[name](arguments.out, arguments.batch)


if __name__ == "__main__":
    main()
