#!/usr/bin/env python3
"""Writes ONNX's node tests (from the onnx package) as directories: <out>/<name>/model.onnx, test_data_set_0/input_<i>.pb, output_<i>.pb, and tolerance
(rtol and atol). Usage: generate.py OUT [name part]"""
import os
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

warnings.simplefilter("ignore")


def to_proto(value, name, value_type):
    """The protobuf of a test value, by the declared type."""
    if isinstance(value, (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto)):
        return value
    kind = value_type.WhichOneof("value") if value_type is not None else "tensor_type"
    if kind == "optional_type":
        return numpy_helper.from_optional(value, name)
    if kind == "sequence_type" or isinstance(value, list):
        return numpy_helper.from_list(value, name)
    return numpy_helper.from_array(np.asarray(value), name)


def write(folder, index, kind, infos, values):
    for i, value in enumerate(values):
        info = infos[i] if i < len(infos) else None
        proto = to_proto(value, info.name if info else "", info.type if info else None)
        with open(os.path.join(folder, f"test_data_set_{index}", f"{kind}_{i}.pb"), "wb") as file:
            file.write(proto.SerializeToString())


def main():
    from onnx.backend.test.case.node import collect_testcases
    out, part = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    failed = 0
    for case in collect_testcases(None):
        if part not in case.name:
            continue
        folder = os.path.join(out, case.name)
        try:
            for index, (inputs, outputs) in enumerate(case.data_sets):
                os.makedirs(os.path.join(folder, f"test_data_set_{index}"), exist_ok=True)
                write(folder, index, "input", case.model.graph.input, inputs)
                write(folder, index, "output", case.model.graph.output, outputs)
            with open(os.path.join(folder, "model.onnx"), "wb") as file:
                file.write(case.model.SerializeToString())
            with open(os.path.join(folder, "tolerance"), "w") as file:
                file.write(f"{case.rtol} {case.atol}\n")
        except Exception as error:  # one bad case must not hide the others
            failed += 1
            print(f"{case.name}: {type(error).__name__}: {error}", file=sys.stderr)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
