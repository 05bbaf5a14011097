"""Writes Sluice's JSON graph format (docs/graph-format.md): graphs with nodes of ONNX ops, nested bodies, weights in a safetensors file."""
import json


class Graph:
    def __init__(self, name):
        self.name, self.inputs, self.outputs, self.nodes, self.inline, self.weights = name, [], [], [], {}, {}
        self.input_names, self.output_names = [], []      # of a body of Route, whose types come from outside

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

    def body(self):
        result = {}
        if self.inputs or self.input_names:
            result["inputs"] = self.inputs or [{"name": name} for name in self.input_names]
        result["outputs"] = self.outputs or self.output_names
        if self.inline:
            result["initializers"] = {name: {"type": element, "data": values} for name, (values, element) in self.inline.items()}
        result["nodes"] = []
        for name, op, inputs, outputs, attributes in self.nodes:
            node = {"op": op, "name": name, "inputs": inputs, "outputs": outputs}
            if op == "Route":
                node["domain"] = "sluice"
            if attributes:
                node["attributes"] = {key: attribute(op, value) for key, value in attributes.items()}
            result["nodes"].append(node)
        return result

    def text(self, safetensors):
        model = {"format": "sluice-graph", "version": 1, "name": self.name, "opset": 21, "safetensors": safetensors, **self.body()}
        return lay_out(model, 0) + "\n"


def attribute(op, value):
    if isinstance(value, Graph):
        return value.body()
    if op == "Route" and isinstance(value, list):
        return {"graphs": [body.body() for body in value]}
    return {"element": value} if op == "Cast" else value


def lay_out(value, indent):
    """JSON with one node a line: short things stay on one line, long ones are opened up."""
    flat = json.dumps(value)
    if len(flat) + indent <= 150:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(key)}: {lay_out(item, indent + 2)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + lay_out(item, indent + 2) for item in value) + "\n" + " " * indent + "]"
