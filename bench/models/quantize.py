"""Quantized models for tests and benchmarks, made with onnxruntime.quantization from the files of export.py.

    python bench/models/quantize.py [--models resnet50,mobilenetv2,bert_base] [--out bench/models/out]

resnet50_qdq and mobilenetv2_qdq: static, QuantizeLinear/DequantizeLinear pairs (u8 activations, i8 weights by channel), calibrated on made-up images (min and max).
bert_base_int8: DynamicQuantizeLinear and MatMulInteger.
"""
import argparse
import pathlib

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

HERE = pathlib.Path(__file__).resolve().parent


class Images(CalibrationDataReader):
    def __init__(self, count=4):
        random = np.random.default_rng(7)
        self.samples = iter([{"image": random.standard_normal((1, 3, 224, 224), np.float32)} for _ in range(count)])

    def get_next(self):
        return next(self.samples, None)


def static(source, target):
    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(target), Images(), quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    prepared.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "out")
    parser.add_argument("--models", default="resnet50,mobilenetv2,bert_base")
    options = parser.parse_args()
    for name in options.models.split(","):
        source = options.out / f"{name}.onnx"
        if name == "bert_base":
            quantize_dynamic(str(source), str(options.out / "bert_base_int8.onnx"), weight_type=QuantType.QInt8, per_channel=False)
        else:
            static(source, options.out / f"{name}_qdq.onnx")
        print(name, flush=True)


if __name__ == "__main__":
    main()
