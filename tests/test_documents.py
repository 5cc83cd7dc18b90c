"""The documents are true: links lead somewhere, commands and Python code fit, numbers are those of the evidence."""

import ast
import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import zoo
from zoo.checkpoints import resolve
from zoo.cli import main
from zoo.publish import card

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): re.sub(r"<!--.*?-->", "", path.read_text("utf-8"), flags=re.DOTALL)
    for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), ROOT / "benchmarks" / "README.md")
}
README = PAGES["README.md"]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands() -> list[tuple[str, str]]:
    """(page, command line) of every `ganzoo ...` in a block of shell commands."""
    return [
        (page, part.strip())
        for page, text in PAGES.items()
        for block in blocks(text, "sh")
        for line in block.splitlines()
        for part in re.split(r"&&|\||;", line.partition("  #")[0])
        if part.strip().startswith("ganzoo ")
    ]


def test_the_readme_is_short():
    words = re.findall(r"\S+", README)
    assert 500 < len(words) < 1_100


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), f"{page}: {link}"


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_are_understood(page, line):
    """Each option is there and takes such a value; each name of a recipe or a checkpoint is one of ours."""
    name, *arguments = shlex.split(line)[1:]
    command = main.commands[name]
    values, rest, _ = command.make_parser(click.Context(command)).parse_args(arguments)
    assert not rest
    for parameter in command.params:
        given = values.get(parameter.name)
        for value in given if isinstance(given, list) else [given]:
            if isinstance(parameter.type, click.Choice) and value is not None:
                assert value in parameter.type.choices
    subject = values.get("name") or values.get("recipe")
    if isinstance(subject, str) and re.fullmatch(r"[a-z0-9-]+", subject):
        known = zoo.list_recipes() if name in ("train", "search", "show") else zoo.list_checkpoints()
        assert subject in known


@pytest.mark.parametrize(
    ("page", "code"), [(page, code) for page, text in PAGES.items() for code in blocks(text, "python")]
)
def test_python_code_fits(page, code):
    """It is Python, and each function of `zoo` takes the arguments that it is called with."""
    for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
        if re.fullmatch(r"zoo\.\w+", ast.unparse(call.func)):
            function = getattr(zoo, call.func.attr)
            inspect.signature(function).bind(*call.args, **{keyword.arg: keyword.value for keyword in call.keywords})


@pytest.mark.parametrize("name", resolve.shipped())
def test_rows_of_a_shipped_checkpoint_are_its_evidence(name):
    facts = card.read(resolve.resolve(name))
    part = facts.evaluation.evaluations[0]
    info, scores, least = facts.info, part.by_name, facts.evidence.classes.lacking
    frechet, kernel = (scores[f"{score}-{part.scores[0].name.partition('-')[2]}"] for score in ("FD", "KID"))
    counts = info.parameters.generator, info.parameters.discriminator
    assert row(PAGES["docs/benchmarks.md"], name)[1:] == [
        f"{info.images / 1e6:.1f} M, {info.training.hours:.1f} h",
        ", ".join(f"{count / 1e6:.2f} M" for count in counts),
        f"{frechet.mean:.1f} ± {frechet.spread:.1f}",
        f"{kernel.mean:.4f}",
        *(f"{scores[score].mean:.3f}" for score in ("precision", "recall", "density", "coverage")),
        f"{least.name} {100 * least.generated:.1f} %",
    ]
    assert frechet.name in header(PAGES["docs/benchmarks.md"], name)
    other = "" if frechet.name in header(README, name) else f"{frechet.name} "
    shown = [f"{info.training.hours:.1f} hours", f"{other}{frechet.mean:.1f}", f"{frechet.floor:.1f}"]
    assert row(README, name)[3:] == shown


@pytest.mark.parametrize("name", [name for name in resolve.shipped() if "-cond-" in name])
def test_a_shipped_checkpoint_draws_the_class_that_is_asked_for(name):
    """By a classifier, beside what it says of real images; docs/classes.md names the kinds that are confused."""
    evaluation = card.read(resolve.resolve(name)).evaluation
    drawn, real = evaluation.by_class.accuracies
    text = PAGES["docs/classes.md"]
    assert re.search(rf"`{name}` \|.*\| {100 * drawn:.1f} %, {100 * real:.1f} % \|$", text, re.MULTILINE)
    if evaluation.evaluations[0].real.source == "tfds:cifar10":
        assert drawn > 0.85 * real
        return
    assert evaluation.evaluations[0].real.source == "tfds:fashion_mnist"
    assert drawn > 0.95 * real
    percent = {of.name: round(100 * of.accuracy) for of in evaluation.by_class.classes}
    assert {kind for kind, right in percent.items() if right < 90} == {"Pullover", "Coat", "Shirt"}
    shirts, others = re.search(r"Shirts have (\d+ to \d+) %, pullovers and coats (\d+ to \d+) %", text).groups()
    for kind, said in {"Shirt": shirts, "Pullover": others, "Coat": others}.items():
        least, most = map(int, said.split(" to "))
        assert least <= percent[kind] <= most
    assert all(round(100 * (of.held_out_accuracy - of.accuracy)) <= 2 for of in evaluation.by_class.classes)


def row(text: str, name: str) -> list[str]:
    """The cells of a checkpoint's row in a table."""
    line = re.search(rf"^\| \[?`{name}`.*\|$", text, re.MULTILINE).group()
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def header(text: str, name: str) -> str:
    """The first line of the table that has a checkpoint's row."""
    table = re.search(rf"^\|[^\n]*(?:\n\|[^\n]*)*\n\| \[?`{name}`", text, re.MULTILINE).group()
    return table.splitlines()[0]


def test_every_checkpoint_that_ships_has_its_rows():
    for page in ("README.md", "docs/benchmarks.md"):
        assert set(re.findall(r"^\| \[?`([\w-]+)`", PAGES[page], re.MULTILINE)) == set(resolve.shipped())
    for column in ("first grid after", "over 30 dB"):  # of the page in the browser, and of projection
        (rows,) = re.findall(rf"^\| checkpoint \| {column} .*\n((?:\|.*\n)+)", PAGES[page], re.MULTILINE)
        assert sorted(re.findall(r"^\| `([\w-]+)`", rows, re.MULTILINE)) == resolve.shipped()


def test_the_version_is_the_same_everywhere():
    assert f"\nversion: {zoo.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(rf"^## {re.escape(zoo.__version__)}\b", PAGES["CHANGELOG.md"], re.MULTILINE)
