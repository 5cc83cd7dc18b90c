"""What the commands share: errors in one line, a quiet import of the backend, progress bars, durations, psi."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator

import click

from zoo.files.text import printable, printable_lines

UNUSED = ("matplotlib", "pandas")  # Keras imports them where they are: a fifth of the processor time to a first image
with_truncation = click.option(
    "--truncation",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Psi, of a network that has truncation.",
)


class Group(click.Group):
    """Turns user errors into one line and exit status 1, and keeps the order in which commands are defined."""

    def invoke(self, context: click.Context):
        from zoo.files.errors import ZooError

        logger = logging.getLogger("ganzoo")
        logger.setLevel(logging.INFO)
        logger.handlers, logger.propagate = [Said()], False  # TensorFlow gives the root logger a handler
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise  # `ganzoo list | head`: click ends without a word
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise click.exceptions.Exit(128 + signal.SIGINT) from None
        except (ZooError, OSError) as error:
            if context.params["debug"]:
                raise
            text = " ".join(str(error).split()) or type(error).__name__
            raise click.ClickException(printable(text, 5_000)) from None

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


class Said(logging.Handler):
    """Prints what the package has to say on stderr, clear of progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        tqdm.write(printable_lines(record.getMessage()), file=sys.stderr)


class Duration(click.ParamType):
    """A time such as 30m, 2h, 90s or 1h30m, in seconds."""

    name = "duration"

    def convert(self, value, parameter, context) -> float:
        match = re.fullmatch(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", value.strip().lower())
        hours, minutes, seconds = (int(number or 0) for number in match.groups()) if match else (0, 0, 0)
        total = 3600 * hours + 60 * minutes + seconds
        if not total:
            self.fail(f"{value!r} is no duration; write 30m, 2h, 90s or 1h30m.", parameter, context)
        return float(total)


class Seeds(click.ParamType):
    """Numbers and ranges such as 0-15,42, as a tuple in the order given, each once."""

    name = "seeds"
    MOST = 10_000

    def convert(self, value, parameter, context) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for part in value.split(","):
            match = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
            if last < first:
                self.fail(f"{value!r} are no seeds; write 7, 0-15 or 0-15,42.", parameter, context)
            if len(found) + last - first >= self.MOST:
                self.fail(f"{value!r} are more than {self.MOST:,} seeds; take -n and --seed.", parameter, context)
            found |= dict.fromkeys(range(first, last + 1))
        return tuple(found)


def load_backend() -> None:
    """Imports the engine without what TensorFlow's C++ prints before one can set its log level.

    Raises:
        ZooError: KERAS_BACKEND names none of ours, or none is installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            with _hidden(UNUSED):
                importlib.import_module("zoo.backend")
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """While it lasts, these packages cannot be imported, unless they are already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def progress(batches, count: int):
    """The same batches of images, while it is shown how many there were."""
    from zoo.files.progress import progress as shown

    with shown(count, "drawing") as advance:
        for batch in batches:
            yield batch
            advance(len(batch))


def say(line: str) -> None:
    click.echo(line, err=True)
