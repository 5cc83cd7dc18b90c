"""The house has one direction: who may import whom, and what importing costs."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_file_is_short_enough_to_be_read_at_once():
    assert {name: lines for name, path in FILES.items() if (lines := len(path.read_text().splitlines())) > 350} == {}


def test_the_way_of_a_sample_is_short():
    """It loads no training step, no training data, and nothing that exports or trains."""
    rooms = {
        name.partition(".")[0]
        for name in reach("checkpoints.graph") | reach("checkpoints.loading") | reach("cli.samples")
    }
    assert rooms - {"zoo"} == {"backend", "checkpoints", "cli", "files", "networks", "recipe"}


def test_one_module_imports_each_engine():
    def users(**options):
        packages = {
            name: {imported.partition(".")[0] for imported in imports(path, **options)} for name, path in FILES.items()
        }
        return {
            (name, package)
            for package in ("tensorflow", "tensorflow_datasets", "jax", "torch", "onnxruntime")
            for name in FILES
            if package in packages[name]
        }

    engines = {("backend.tensorflow", "tensorflow"), ("backend.jax", "jax")}
    assert users(inside_functions=False) == engines
    assert users() == engines | {("data.sources.tfds", "tensorflow_datasets"), ("checkpoints.graph", "onnxruntime")}


def test_importing_zoo_costs_nothing():
    loaded = python("import sys, json, zoo; print(json.dumps(list(sys.modules)))")
    assert not {"keras", "tensorflow", "jax", "numpy", "PIL", "click", "safetensors"} & set(loaded)


def test_light_modules_load_no_backend():
    light = ["cli", "cli.samples", "recipe", "checkpoints.resolve", "checkpoints.run", "checkpoints.graph", "data"]
    loaded = python(
        f"import json, sys, {', '.join('zoo.' + name for name in light)}\nprint(json.dumps(list(sys.modules)))"
    )
    assert not {"keras", "tensorflow", "jax", "torch", "onnxruntime"} & set(loaded)


def imported_in_order(node) -> list[str]:
    """The names that a module imports when it is imported, in that order; of `from a import b`, a and then a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return []
    unchecked = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    inside = node.orelse if unchecked else ast.iter_child_nodes(node)
    return [name for child in inside for name in imported_in_order(child)]


def first_of_two(name: str, seen: set[str]) -> str:
    """Which of Keras and `zoo.backend` the import of a module reaches first, or neither; packages come before what is
    in them."""
    parts = name.split(".")
    for module in (".".join(parts[:depth]) for depth in range(1, len(parts) + 1)):
        if module == "backend":
            return module
        if module in seen or module not in FILES:
            continue
        seen.add(module)
        for found in imported_in_order(ast.parse(FILES[module].read_text())):
            if found.partition(".")[0] == "keras":
                return f"keras, in {module}"
            first = first_of_two(found.removeprefix("zoo."), seen) if found.startswith("zoo.") else ""
            if first:
                return first
    return ""


def test_the_backend_comes_before_keras():
    """`zoo.backend` says in one line what is wrong where Keras cannot be imported, and needs no display for it."""
    firsts = {name: first_of_two(name, set()) for name in FILES}
    assert {name: first for name, first in firsts.items() if first not in ("", "backend")} == {}
    assert firsts["step.gan"] == firsts["training.loop"] == "backend"


@pytest.mark.parametrize("name", ["GAN", "export", "push", "evaluate", "train", "finetune"])
def test_whatever_is_used_first_another_backend_is_one_line(name):
    script = f"import zoo\nhome = zoo.{name}\nimport zoo.backend"
    options = {"env": os.environ | {"KERAS_BACKEND": "nonsense"}, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", script], **options)
    assert done.stderr.splitlines()[-1].startswith("zoo.files.errors.ZooError: ganzoo runs on TensorFlow and JAX")
