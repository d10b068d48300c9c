"""What Grafana dashboards (JSON) and Prometheus's rules (YAML) ask, a JSON object a line.

Usage: expressions.py FILE...

Dashboards inside other YAML, as Kubernetes wraps them, are found as well. A variable's `label_values(selector, label)`
is told as the expression that gives the same values.
"""
import json
import re
import sys

import yaml

LABEL_VALUES = re.compile(r"\s*label_values\(\s*(.+?)\s*,\s*(\w+)\s*\)\s*$", re.DOTALL)


def variables(templating):
    for variable in templating.get("list", []):
        query = variable.get("query")
        query = query.get("query") if isinstance(query, dict) else query
        found = LABEL_VALUES.match(query) if isinstance(query, str) else None
        if found:
            yield variable.get("name", ""), f"count by ({found[2]}) ({found[1]})"


def walk(part, title):
    if isinstance(part, dict):
        title = part.get("alert") or part.get("record") or part.get("title") or title
        if isinstance(part.get("templating"), dict):
            yield from variables(part["templating"])
        for key, value in part.items():
            if key == "expr" and isinstance(value, str):
                yield title, value
            elif isinstance(value, str) and value.startswith("{") and '"panels"' in value:
                yield from walk(json.loads(value), key)
            else:
                yield from walk(value, title)
    elif isinstance(part, list):
        for value in part:
            yield from walk(value, title)


for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        documents = [json.load(file)] if path.endswith(".json") else list(yaml.load_all(file, yaml.CSafeLoader))
    for title, expression in walk(documents, ""):
        print(json.dumps({"file": path, "title": str(title), "expression": expression}))
