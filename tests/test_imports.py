"""The house has one direction: who may import whom, and what importing costs."""

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import zoo

# Module -> the modules of this package that it may import, at the top or inside a function. A module stands
# below all that it names.
MAY_IMPORT = {
    "zoo": set(),  # its public names are strings, imported on first use
    "files": set(),
    "recipe": set(),
    "card.wording": set(),
    "card.header": set(),
    "card.failures": {"card.wording"},
    "machine": set(),
    "losses": set(),
    "augment": set(),
    "data": set(),
    "metrics": set(),
    "metrics.checks": set(),
    "metrics.classes": set(),
    **{f"metrics.{name}": {"metrics.checks"} for name in (
        "clusters", "distances", "frechet", "inception_score", "kernel", "ms_ssim", "pixels", "spectrum")},
    "metrics.bins": {"metrics.checks", "metrics.clusters"},
    "metrics.birthday": {"metrics.checks", "metrics.distances"},
    "metrics.copying": {"metrics.checks", "metrics.clusters", "metrics.distances"},
    "metrics.neighbours": {"metrics.checks", "metrics.distances"},
    "metrics.scores": {"metrics.frechet", "metrics.inception_score", "metrics.kernel", "metrics.neighbours"},
    "metrics.extractors.classifier": {"files"},
    "backend.tensorflow": set(),
    "backend.jax": set(),
    "backend": {"backend.jax", "backend.tensorflow"},
    "layers": {"backend"},
    "schedule": {"recipe"},
    "noise": {"recipe", "augment"},
    "penalties": {"backend"},
    "networks.resnet": {"backend", "layers", "recipe"},
    "networks.dcgan": {"backend", "layers", "recipe"},
    "networks.wgan_gp": {"layers", "networks.resnet", "recipe"},
    "networks.sngan": {"layers", "networks.resnet", "recipe"},
    "networks.stylegan_lite": {"layers", "recipe"},
    "networks": {"networks.dcgan", "networks.wgan_gp", "networks.sngan", "networks.stylegan_lite", "recipe"},
    "pictures": {"files"},
    "card.pictures": {"pictures"},
    "output": {"files", "pictures"},
    "checkpoint": {"files", "recipe"},
    "run": {"checkpoint", "files", "pictures", "recipe"},
    "history": {"run"},
    "card": {"card.failures", "card.header", "card.wording", "checkpoint", "recipe"},
    "huggingface": {"zoo", "checkpoint"},
    "metrics.extractors.resize": set(),
    "metrics.extractors.extractor": {"backend", "metrics.checks", "metrics.extractors.resize"},
    "metrics.extractors.efficientnet_lite0": {"checkpoint", "metrics.extractors.extractor",
                                              "metrics.extractors.resize"},
    "metrics.extractors.inception_weights": {"huggingface"},
    "metrics.extractors.inception": {"checkpoint", "metrics.extractors.extractor",
                                     "metrics.extractors.inception_weights", "metrics.extractors.resize"},
    "metrics.extractors": {"metrics.extractors.classifier", "metrics.extractors.efficientnet_lite0",
                           "metrics.extractors.inception", "recipe"},
    "hub": {"checkpoint", "files", "huggingface", "recipe", "run"},
    "generator": {"backend", "checkpoint", "hub", "networks", "recipe"},
    "estimate": {"machine", "networks", "recipe"},
    "export": {"checkpoint", "files", "generator", "history", "hub", "layers", "networks", "pictures", "run"},
    "push": {"card", "checkpoint", "export", "generator", "hub", "huggingface"},
    "gan": {"augment", "backend", "checkpoint", "layers", "losses", "machine", "networks", "penalties", "recipe",
            "schedule"},
    "watch": set(),
    "watch.looks": {"metrics.ms_ssim", "metrics.spectrum"},
    "watch.history": {"recipe"},
    "watch.findings": {"recipe", "watch.history"},
    "watch.rules": {"recipe", "watch.findings", "watch.history"},
    "watch.remedies": {"recipe", "watch.findings"},
    "watch.diagnosis": {"checkpoint", "recipe", "run", "watch.findings", "watch.history", "watch.remedies",
                        "watch.rules"},
    "watch.report": {"watch.diagnosis", "watch.findings", "watch.remedies"},
    "watch.probe": {"augment", "backend", "data", "gan", "networks", "noise", "watch.looks"},
    "watch.watcher": {"data", "gan", "watch.findings", "watch.history", "watch.probe", "watch.rules"},
    "features": {"files"},
    "quality": {"data", "features", "generator", "metrics.extractors", "metrics.kernel", "metrics.neighbours"},
    "evaluation": {"zoo", "data", "features", "generator", "metrics.extractors", "metrics.ms_ssim", "metrics.scores"},
    "defects": {"card.pictures", "data", "evaluation", "features", "generator", "metrics.bins", "metrics.birthday",
                "metrics.classes", "metrics.copying", "metrics.distances", "metrics.extractors", "metrics.neighbours",
                "metrics.pixels", "metrics.spectrum"},
    "evidence": {"card.pictures", "checkpoint", "data", "defects", "evaluation", "files", "generator", "history", "hub",
                 "metrics.extractors", "recipe", "run"},
    "finite": {"gan"},
    "recorder": {"backend", "checkpoint", "data", "estimate", "finite", "gan", "generator", "machine", "pictures",
                 "quality", "recipe", "run", "watch.watcher"},
    "training": {"backend", "checkpoint", "data", "finite", "gan", "hub", "machine", "noise", "recipe", "recorder",
                 "run", "schedule", "watch.watcher"},
    "finetuning": {"augment", "backend", "checkpoint", "data", "hub", "networks", "recipe", "run", "training"},
    "cli.terminal": set(),
    "cli.draw": {"zoo", "checkpoint", "cli.terminal", "files", "hub", "output", "pictures", "recipe"},
    "cli.train": {"zoo", "cli.terminal", "estimate", "hub", "machine", "recipe", "run"},
    "cli.doctor": {"cli.terminal", "files", "watch.diagnosis", "watch.report"},
    "cli.evaluate": {"zoo", "card.wording", "cli.terminal", "files", "metrics.scores", "pictures"},
    "cli.card": {"card", "cli.terminal", "evidence", "files", "hub"},
    "cli.publish": {"cli.terminal", "export", "hub", "push"},
    "cli": {"zoo", "cli.card", "cli.doctor", "cli.draw", "cli.evaluate", "cli.publish", "cli.terminal", "cli.train"},
    "cli.__main__": {"cli"},
}

ROOT = Path(zoo.__file__).parent


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "zoo"


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path: Path, inside_functions: bool = True) -> set[str]:
    """Full names of what a file imports; `from a import b` gives a.b, if that is a module of ours, or a."""
    names, nodes = set(), [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute here"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name.removeprefix("zoo.") in FILES else node.module for name in full}
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


def test_the_table_names_every_module_and_has_one_direction():
    assert set(MAY_IMPORT) == set(FILES)
    above = set()
    for name, allowed in MAY_IMPORT.items():
        assert allowed <= above, f"{name} stands above what it may import"
        above.add(name)


@pytest.mark.parametrize("name", FILES)
def test_a_module_imports_what_lies_before_it(name):
    assert own(FILES[name]) <= MAY_IMPORT.get(name, set())


@pytest.mark.parametrize("name", ["hub", "generator", "checkpoint", "networks", "layers", "recipe", "files",
                                  "output"])
def test_the_way_of_a_sample_is_short(name):
    assert not reach(name) & {"gan", "training", "data", "noise", "augment", "losses", "penalties",
                              "schedule", "export", "estimate", "cli"}


def test_one_module_imports_each_engine():
    def users(**options):
        packages = {name: {imported.partition(".")[0] for imported in imports(path, **options)}
                    for name, path in FILES.items()}
        return {(name, package) for package in ("tensorflow", "tensorflow_datasets", "jax", "torch")
                for name in FILES if package in packages[name]}

    engines = {("backend.tensorflow", "tensorflow"), ("backend.jax", "jax")}
    assert users(inside_functions=False) == engines
    assert users() == engines | {("data", "tensorflow_datasets")}


def test_importing_zoo_costs_nothing():
    loaded = python("import sys, json, zoo; print(json.dumps(list(sys.modules)))")
    assert not {"keras", "tensorflow", "jax", "numpy", "PIL", "click", "safetensors"} & set(loaded)


def test_light_modules_load_no_backend():
    light = ["cli", "recipe", "hub", "checkpoint", "run", "files", "pictures", "output", "generator", "data"]
    loaded = python(f"import json, sys, {', '.join('zoo.' + name for name in light)}\n"
                    "print(json.dumps(list(sys.modules)))")
    assert not {"keras", "tensorflow", "jax", "torch"} & set(loaded)


def test_public_names_resolve_and_are_listed():
    assert set(zoo.__all__) <= set(dir(zoo))
    for _ in range(2):  # the second time, the modules behind the names are loaded
        for name in set(zoo.__all__) - {"__version__"}:
            value = getattr(zoo, name)
            assert inspect.isfunction(value) or inspect.isclass(value), f"zoo.{name} is {value!r}"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = zoo.nothing


def test_the_line_that_installs_for_jax_names_every_requirement():
    """All that pip would install but TensorFlow, and JAX."""
    root = Path(__file__).parent.parent
    required = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    neutral = {line for line in required if not re.match("tensorflow|importlib-resources", line)}
    line, = re.findall(r"^pip install --no-deps \. && pip install (.+)$", (root / "README.md").read_text(), re.M)
    assert {name.strip('"') for name in line.split()} == neutral | {"jax>=0.5"}
