"""What `zoo` offers by name: each name is there, has hints for editors, and shows an example that fits it."""

import ast
import doctest
import inspect
import re
import typing
from pathlib import Path

import pytest

import zoo
from zoo.checkpoints import resolve
from zoo.checkpoints.generator import Generator
from zoo.checkpoints.run import Run
from zoo.evaluation.directions import Directions
from zoo.recipe import Recipe

NAMES = sorted(set(zoo.__all__) - {"__version__"})
CLASSES = [getattr(zoo, name) for name in NAMES if inspect.isclass(getattr(zoo, name))]
OF_COMMANDS = {"about", "asked", "labels_of", "latent_shapes", "rows", "sheet", "slower"}


def functions(name: str) -> dict:
    """A public function by its name; or the public methods of a class, and what makes one."""
    value = getattr(zoo, name)
    if not inspect.isclass(value):
        return {name: value}
    return {
        f"{name}.{key}": method
        for key, method in vars(value).items()
        if inspect.isfunction(method) and (key == "__init__" or not key.startswith("_"))
    }


def methods(kind: type) -> dict:
    """The public methods of a class that are written in this package, by name."""
    return {
        name: method
        for name, method in inspect.getmembers(kind, inspect.isroutine)
        if not name.startswith("_") and getattr(method, "__module__", "").startswith("zoo.")
    }


def example(documented) -> str:
    """The code of a docstring's Example, without prompts and output."""
    text = inspect.getdoc(documented) or ""
    lines = re.findall(r"^\s*(?:>>>|\.\.\.) ?(.*)$", text.partition("Example:")[2], re.MULTILINE)
    return "\n".join(lines)


def called_name(call: ast.Call) -> str | None:
    """ "train" of a call `zoo.train(...)`."""
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "zoo":
        return function.attr
    return None


def test_public_names_resolve_and_are_listed():
    assert set(zoo.__all__) <= set(dir(zoo))
    for _ in range(2):  # the second time, the modules behind the names are loaded
        for name in NAMES:
            value = getattr(zoo, name)
            assert inspect.isfunction(value) or inspect.isclass(value), f"zoo.{name} is {value!r}"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = zoo.nothing


def test_editors_see_the_names_that_run():
    """The imports under TYPE_CHECKING, which editors read, are those that `__getattr__` makes."""
    (block,) = [node for node in ast.parse(Path(zoo.__file__).read_text("utf-8")).body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: f"{home}.{zoo._NAMES_AT_HOME.get(name, name)}" for name, home in zoo._HOMES.items()}
    assert seen == homes
    assert set(seen) == set(NAMES)
    assert (Path(zoo.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("public", NAMES)
def test_public_functions_have_hints(public):
    """Of each parameter and of what comes back. A parameter is not just `Any`, which says nothing.

    `GAN` alone may say so of tensors: those of TensorFlow and of JAX have no type in common.
    """
    for name, function in functions(public).items():
        hints = typing.get_type_hints(function)
        parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
        assert {p.name for p in parameters} | {"return"} == set(hints), f"zoo.{name} lacks hints"
        named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and public != "GAN"]
        vague = [parameter for parameter in named if hints[parameter] is typing.Any]
        assert not vague, f"zoo.{name}: the hint of {', '.join(vague)} is Any"


@pytest.mark.parametrize("name", NAMES)
def test_public_names_show_an_example_that_fits(name):
    """It is Python, it uses the name, and it calls each function of `zoo` with arguments that the function takes."""
    code = example(getattr(zoo, name))
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    assert f"zoo.{name}" in code or name == "ZooError" or name == "Generator", f"zoo.{name} shows no example of itself"
    assert calls
    for call in calls:
        if used := called_name(call):
            keywords = {keyword.arg: None for keyword in call.keywords}
            inspect.signature(getattr(zoo, used)).bind(*call.args, **keywords)  # a TypeError names what does not fit


@pytest.mark.parametrize("kind", [*CLASSES, Run, Directions], ids=lambda kind: kind.__name__)
def test_public_methods_say_what_they_do(kind):
    silent = [name for name, method in methods(kind).items() if not method.__doc__]
    assert not silent


@pytest.mark.parametrize("kind", [Generator, Recipe, Directions], ids=lambda kind: kind.__name__)
def test_public_methods_are_shown_at_work(kind):
    """In an Example of the class, or of one of its methods; but for what our own commands alone need."""
    codes = [example(documented) for documented in (kind, *methods(kind).values())]
    for code in codes:
        ast.parse(code)
    shown = set(re.findall(r"\.(\w+)\(", "\n".join(codes)))
    assert set(methods(kind)) - OF_COMMANDS <= shown


@pytest.mark.parametrize("name", ["GAN", "Generator", "Recipe", "list_checkpoints", "list_recipes", "load_recipe"])
def test_examples_that_need_no_file_are_right(name):
    (test,) = doctest.DocTestFinder(recurse=False).find(getattr(zoo, name), name, globs={"zoo": zoo})
    assert test.examples
    assert not doctest.DocTestRunner(verbose=False).run(test).failed


def test_lists_name_what_can_be_loaded():
    assert {"clothing-64", "dcgan-fashion-mnist", "sngan-small-cifar10"} <= set(zoo.list_checkpoints())
    assert all(resolve.resolve(name).is_dir() for name in zoo.list_checkpoints())
    for name in zoo.list_recipes():
        assert zoo.load_recipe(name).name == name
