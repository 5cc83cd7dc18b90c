"""What is known of a network or a loss stands in its own file. Other modules ask for a trait, never for the name.

Read from the code: outside those files, no string is the name of a network or of a loss, in a comparison or elsewhere.
No text has the title of a network either, in a docstring or in the help of an option.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import zoo
from zoo import networks

ROOT = Path(zoo.__file__).parent
HOMES = {"recipe/losses.py", "step/losses.py"}  # and all of networks/


def code(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text("utf-8"))


def names() -> set[str]:
    """Of the networks, from their files; of the losses, from the keys of the table in step/losses.py."""
    files = {path.stem.replace("_", "-") for path in (ROOT / "networks").glob("[!_]*.py")}
    (table,) = [
        node.value
        for node in code("step/losses.py").body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and ast.unparse(node).startswith(("LOSSES =", "LOSSES:"))
    ]
    return files | {ast.literal_eval(key) for key in table.keys}


def mentions(tree: ast.AST, known: set[str]) -> Iterator[tuple[int, str]]:
    """(line, name) of each string that is a name, and nothing but a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in known:
            yield node.lineno, node.value


def titles(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, title) of each string that has the title of a network in it."""
    known = [config.facts.title for config in networks.configs().values()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, title) for title in known if title in node.value)


def others() -> list[str]:
    """The files of zoo that may not know what a network or a loss is called."""
    files = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.rglob("*.py"))]
    return [file for file in files if file not in HOMES and not file.startswith("networks/")]


def test_the_names_are_found():
    assert {"dcgan", "wgan-gp", "sngan", "stylegan-lite", "hinge", "wasserstein", "relativistic"} <= names()
    for line in ('loss == "hinge"', 'x = {"dcgan": 1}', 'network in ("sngan", other)', 'Literal["wgan-gp"]'):
        assert list(mentions(ast.parse(line), names())), line
    for line in ('"""About dcgan."""', '"dcgan-64"', "hinge = 1"):
        assert not list(mentions(ast.parse(line), names())), line


def test_the_titles_are_found():
    for line in ('help="StyleGAN-lite\'s psi."', '"""SNGAN alone has it."""', 'f"{x}, as in R3GAN"', '"Projected GAN"'):
        assert list(titles(ast.parse(line))), line
    for line in ('"as the StyleGAN tools write it"', '"runs/dcgan"', "DCGAN = 1"):
        assert not list(titles(ast.parse(line))), line


def test_no_other_module_names_a_network_or_a_loss():
    known = names()
    found = [f"zoo/{file}:{line}: {name!r}" for file in others() for line, name in mentions(code(file), known)]
    assert not found, "ask for a trait instead of a name:\n" + "\n".join(found)


def test_no_other_module_has_the_title_of_a_network():
    found = [f"zoo/{file}:{line}: {title}" for file in others() for line, title in titles(code(file))]
    assert not found, "name a trait instead of the network that has it:\n" + "\n".join(found)
