#!/usr/bin/env python3
"""docs/graph.schema.json against the graphs of the tree: every model that the reader takes is valid, and wrong ones are not. Knows the schema keywords that are used there."""
import copy
import json
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
schema = json.loads((root / "docs/graph.schema.json").read_text())
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {"$schema", "$id", "$ref", "$defs", "$comment", "title", "description", "type", "const", "enum", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
         "minimum", "maximum", "exclusiveMinimum", "minLength", "pattern", "oneOf", "anyOf", "allOf", "not", "minProperties", "maxProperties", "propertyNames", "unevaluatedProperties", "default", "examples"}


def is_kind(value, kind):
    if kind in ("integer", "number"):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and (kind == "number" or value == int(value))
    return isinstance(value, KINDS[kind])


def same(a, b):
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def target(rule):
    found = schema
    for key in rule["$ref"].lstrip("#/").split("/") if rule["$ref"] != "#" else []:
        found = found[key]
    return found


def evaluated(value, rule):
    """Names of the members that a rule or a part of it that fits speaks of (for unevaluatedProperties)."""
    if isinstance(rule, bool):
        return set()
    names = set(rule.get("properties", {}))
    if "additionalProperties" in rule:
        names |= set(value)
    parts = rule.get("allOf", []) + [one for word in ("anyOf", "oneOf") for one in rule.get(word, []) if problem(value, one) is None]
    for part in parts + ([target(rule)] if "$ref" in rule else []):
        names |= evaluated(value, part)
    return names


def problem(value, rule, at="#"):
    """The first violation as text, or None."""
    if isinstance(rule, bool):
        return None if rule else f"{at}: not allowed"
    unknown = set(rule) - KNOWN
    if unknown:
        sys.exit(f"check_schema.py does not know {unknown}")
    if "$ref" in rule:
        found = problem(value, target(rule), at)
        if found:
            return found
    kinds = rule.get("type")
    if kinds and not any(is_kind(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return f"{at}: is no {kinds}"
    if "const" in rule and not same(value, rule["const"]):
        return f"{at}: is not {rule['const']!r}"
    if "enum" in rule and not any(same(value, one) for one in rule["enum"]):
        return f"{at}: {value!r} is none of the known"
    for word, least in (("anyOf", 1), ("oneOf", 1)):
        if word in rule:
            fitting = [one for one in rule[word] if problem(value, one, at) is None]
            if len(fitting) < least or (word == "oneOf" and len(fitting) > 1):
                return f"{at}: fits {len(fitting)} of the {word} alternatives"
    for one in rule.get("allOf", []):
        if problem(value, one, at):
            return problem(value, one, at)
    if "not" in rule and problem(value, rule["not"], at) is None:
        return f"{at}: is what it must not be"
    if isinstance(value, dict):
        for key in rule.get("required", []):
            if key not in value:
                return f"{at}: lacks {key}"
        if not rule.get("minProperties", 0) <= len(value) <= rule.get("maxProperties", len(value)):
            return f"{at}: has {len(value)} members"
        for key, item in value.items():
            if "propertyNames" in rule and problem(key, rule["propertyNames"], f"{at}/{key}"):
                return problem(key, rule["propertyNames"], f"{at}/{key}")
            found = problem(item, rule.get("properties", {}).get(key, rule.get("additionalProperties", True)), f"{at}/{key}")
            if found:
                return found
        if rule.get("unevaluatedProperties") is False and set(value) - evaluated(value, rule):
            return f"{at}: has unknown members {sorted(set(value) - evaluated(value, rule))}"
    if isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            return f"{at}: has {len(value)} items"
        for i, item in enumerate(value):
            found = problem(item, rule.get("items", True), f"{at}/{i}")
            if found:
                return found
    if is_kind(value, "number"):
        if value < rule.get("minimum", value) or value > rule.get("maximum", value) or ("exclusiveMinimum" in rule and value <= rule["exclusiveMinimum"]):
            return f"{at}: {value} is out of range"
    if isinstance(value, str):
        if len(value) < rule.get("minLength", 0) or not re.search(rule.get("pattern", ""), value):
            return f"{at}: {value!r} has not the right form"
    return None


def main():
    wrong = []
    models = [path for folder in ("tests/data", "samples") for path in sorted((root / folder).rglob("*.json")) if '"sluice-graph"' in path.read_text()]
    for path in models:
        found = problem(json.loads(path.read_text()), schema)
        if found:
            wrong.append(f"{path.relative_to(root)}: {found}")
    good = json.loads((root / "samples/digits/mlp.json").read_text())
    for place, value in [(["format"], "other"), (["version"], "one"), (["inputs"], 7), (["nodes"], {}), (["nodes", 0, "op"], 3), (["inputs", 0, "type"], "f33"), (["inputs", 0, "shape"], [2.5]),
                         (["nodes", 0, "inputs"], "x")]:
        bad = copy.deepcopy(good)
        at = bad
        for key in place[:-1]:
            at = at[key]
        at[place[-1]] = value
        if problem(bad, schema) is None:
            wrong.append(f"the schema takes {value!r} at {'/'.join(map(str, place))}")
    print("\n".join(wrong) or f"{len(models)} models are valid, wrong ones are not")
    return 1 if wrong or len(models) < 5 else 0


if __name__ == "__main__":
    sys.exit(main())
