"""What is known of a network or a loss stands in its own file. Other modules ask for a trait, never for the name.

Read from the code: outside those files, no string is the name of a network or of a loss, in a comparison or elsewhere.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import zoo

ROOT = Path(zoo.__file__).parent
HOMES = {"recipe/losses.py", "step/losses.py"}  # and all of networks/


def code(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text("utf-8"))


def names() -> set[str]:
    """Of the networks, from their files; of the losses, from the keys of the table in step/losses.py."""
    networks = {path.stem.replace("_", "-") for path in (ROOT / "networks").glob("[!_]*.py")}
    (table,) = [
        node.value
        for node in code("step/losses.py").body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and ast.unparse(node).startswith(("LOSSES =", "LOSSES:"))
    ]
    return networks | {ast.literal_eval(key) for key in table.keys}


def mentions(tree: ast.AST, known: set[str]) -> Iterator[tuple[int, str]]:
    """(line, name) of each string that is a name, and nothing but a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in known:
            yield node.lineno, node.value


def test_the_names_are_found():
    assert {"dcgan", "wgan-gp", "sngan", "stylegan-lite", "hinge", "wasserstein", "relativistic"} <= names()
    for line in ('loss == "hinge"', 'x = {"dcgan": 1}', 'network in ("sngan", other)', 'Literal["wgan-gp"]'):
        assert list(mentions(ast.parse(line), names())), line
    for line in ('"""About dcgan."""', '"dcgan-64"', "hinge = 1"):
        assert not list(mentions(ast.parse(line), names())), line


def test_no_other_module_names_a_network_or_a_loss():
    known = names()
    files = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.rglob("*.py"))]
    found = [
        f"zoo/{file}:{line}: {name!r}"
        for file in files
        if file not in HOMES and not file.startswith("networks/")
        for line, name in mentions(code(file), known)
    ]
    assert not found, "ask for a trait instead of a name:\n" + "\n".join(found)
