"""Writes Sluice's JSON graph format (docs/graph-format.md): graphs with nodes of ONNX ops, nested bodies, weights in a safetensors file."""
import json


class Graph:
    def __init__(self, name):
        self.name, self.inputs, self.outputs, self.nodes, self.inline, self.weights = name, [], [], [], {}, {}

    def input(self, name, element, shape):
        self.inputs.append({"name": name, "type": element, "shape": shape})
        return name

    def output(self, name, element, shape):
        self.outputs.append({"name": name, "type": element, "shape": shape})

    def weight(self, name, array):
        """A tensor of the safetensors file."""
        self.weights[name] = array

    def weight_inline(self, name, values, element):
        self.inline[name] = (values, element)

    def node(self, op, inputs, outputs, name=None, **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append((name or outputs[0], op, inputs, outputs, attributes))
        return outputs[0]
