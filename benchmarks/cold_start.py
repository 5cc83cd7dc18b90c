"""How long the command takes to start: whole processes, wall seconds, in alternation.

    python benchmarks/cold_start.py dcgan-fashion-mnist clothing-64

`ganzoo sample` is compared with two imports. Without TensorFlow and Keras, no Keras program draws an image on
TensorFlow. Without NumPy and ONNX Runtime, nothing draws from the graphs that ship: that is the floor. `--help`, `list`
and `show` are to be instant, so they import none of these.
Needs `pip install ".[tensorflow]"` alone.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE_GOAL_SECONDS = 1.0
INSTANT_GOAL_SECONDS = 0.3
BACKENDS = {"tensorflow", "keras", "jax", "torch", "onnxruntime"}
IMPORTS = ("import tensorflow, keras", "import numpy, onnxruntime")


def main() -> None:
    parser = argparse.ArgumentParser(description="Wall seconds of whole processes of the command ganzoo.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="a shipped checkpoint, a checkpoint folder or a run")
    parser.add_argument("--rounds", type=int, default=7, help="timed runs of each command (default: 7)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1. Received: {options.rounds}")

    with tempfile.TemporaryDirectory() as folder:
        instant = {"ganzoo --help": ["--help"], "ganzoo list": ["list"], "ganzoo show": ["show", options.names[0]]}
        samples = {f"ganzoo sample {name}": ["sample", name, "-o", f"{folder}/samples.png"] for name in options.names}
        commands = {
            **{label: [sys.executable, "-c", label] for label in IMPORTS},
            **{label: ganzoo(words) for label, words in samples.items()},
            **{label: ganzoo(words) for label, words in instant.items()},
        }
        rounds = [{label: seconds(command) for label, command in commands.items()} for _ in range(1 + options.rounds)][
            1:
        ]  # the first warms up
    median = {label: statistics.median(times[label] for times in rounds) for label in commands}

    for label, value in median.items():
        print(f"{label:44}{value:6.2f} s")
    for label in samples:
        ratio = median[label] / median[IMPORTS[0]]
        print(f"{label}: {median[label]:.2f} s (goal: at most {SAMPLE_GOAL_SECONDS}), {ratio:.2f} of {IMPORTS[0]}")
    for label, words in instant.items():
        loaded = backends(words)
        print(
            f"{label}: {median[label]:.2f} s (goal: under {INSTANT_GOAL_SECONDS}), "
            f"imports {', '.join(sorted(loaded)) or 'no backend'}"
        )


def ganzoo(arguments: list[str], *flags: str) -> list[str]:
    """The command line of the installed `ganzoo`, run by this interpreter with the given flags."""
    script = Path(sys.executable).with_name("ganzoo")
    return [sys.executable, *flags, *([str(script)] if script.exists() else ["-m", "zoo.cli"]), *arguments]


def seconds(command: list[str]) -> float:
    """Wall seconds of a process."""
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def backends(arguments: list[str]) -> set[str]:
    """Which of BACKENDS a command imports."""
    report = run(ganzoo(arguments, "-X", "importtime")).stderr  # lines "import time: self | cumulative | module"
    return BACKENDS & {line.rpartition("|")[2].strip() for line in report.splitlines()}


def run(command: list[str]) -> subprocess.CompletedProcess:
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{result.stderr}\n{' '.join(command)} failed with status {result.returncode}")
    return result


if __name__ == "__main__":
    main()
