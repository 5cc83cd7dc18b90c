"""The house has one direction: who may import whom, and what importing costs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import zoo

ROOT = Path(zoo.__file__).parent


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "zoo"


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path: Path, inside_functions: bool = True) -> set[str]:
    """Full names of what a file imports when it runs; `from a import b` gives a.b for a module of ours, else a."""
    names, nodes = set(), [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute here"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name.removeprefix("zoo.") in FILES else node.module for name in full}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
        elif inside_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            nodes += ast.iter_child_nodes(node)
    return names


def own(path: Path, **options) -> set[str]:
    return {name.removeprefix("zoo.") for name in imports(path, **options) if name.partition(".")[0] == "zoo"}


def reach(name: str) -> set[str]:
    """All modules that a module imports, and those import in turn."""
    reached, coming = set(), {name}
    while coming:
        reached |= coming
        coming = set().union(*(own(FILES[module]) for module in coming)) - reached
    return reached


def python(script: str):
    command = [sys.executable, "-W", "error", "-c", script]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def test_the_way_of_a_sample_is_short():
    """It loads no training step, no training data, and nothing that exports or trains."""
    rooms = {name.partition(".")[0] for name in reach("checkpoints.generator") | reach("cli.samples")}
    assert rooms - {"zoo"} == {"backend", "checkpoints", "cli", "files", "networks", "recipe"}


def test_one_module_imports_each_engine():
    def users(**options):
        packages = {
            name: {imported.partition(".")[0] for imported in imports(path, **options)} for name, path in FILES.items()
        }
        return {
            (name, package)
            for package in ("tensorflow", "tensorflow_datasets", "jax", "torch")
            for name in FILES
            if package in packages[name]
        }

    engines = {("backend.tensorflow", "tensorflow"), ("backend.jax", "jax")}
    assert users(inside_functions=False) == engines
    assert users() == engines | {("data.sources.tfds", "tensorflow_datasets")}


def test_importing_zoo_costs_nothing():
    loaded = python("import sys, json, zoo; print(json.dumps(list(sys.modules)))")
    assert not {"keras", "tensorflow", "jax", "numpy", "PIL", "click", "safetensors"} & set(loaded)


def test_light_modules_load_no_backend():
    light = ["cli", "cli.samples", "recipe", "checkpoints.resolve", "checkpoints.run", "checkpoints.generator", "data"]
    loaded = python(
        f"import json, sys, {', '.join('zoo.' + name for name in light)}\nprint(json.dumps(list(sys.modules)))"
    )
    assert not {"keras", "tensorflow", "jax", "torch"} & set(loaded)
