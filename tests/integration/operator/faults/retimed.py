"""Runs the operator with other constants of its modules than it ships with: `retimed.py '{"module:NAME": value}'`.

What takes the operator half a minute in earnest, such as giving up on an answer, would take as long in a test, a few
hundred times over. A constant that is no more is refused. Modules come in the order in which they import one another.
"""

import importlib.util
import json
import re
import runpy
import sys
from pathlib import Path


def retime(module: str, name: str, value: float) -> None:
    """Loads a module with one of its constants changed in its source: functions may have it as a default."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or spec.loader is None:
        sys.exit(f"there is no {module}: name what it is called now")
    loaded = sys.modules.get(module)
    source = getattr(loaded, "retimed_source", None) or Path(spec.origin).read_text()
    if loaded is not None and not hasattr(loaded, "retimed_source"):
        sys.exit(f"{module} is imported by one that comes before it: name it first")
    source, found = re.subn(rf"(?m)^({name}(?:: \w+)?) = .*$", rf"\1 = {value}", source)
    if not found:
        sys.exit(f"{module} has no {name}: name what it is called now")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    exec(compile(source, spec.origin, "exec"), vars(loaded))  # noqa: S102 - our own module
    vars(loaded)["retimed_source"] = source


if __name__ == "__main__":
    for each, number in json.loads(sys.argv[1]).items():
        constant = each.partition(":")
        retime(constant[0], constant[2], number)
    runpy.run_module("pointcloud_operator", run_name="__main__")
