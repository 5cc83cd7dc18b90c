"""How soon the page of `ganzoo demo` answers, in a real browser without a window.

    pip install ".[tensorflow,demo]" playwright         # and Chromium: apt install chromium
    python benchmarks/demo.py clothing-64 dcgan-fashion-mnist

For each checkpoint: seconds from when the server is ready until the page shows its first grid. And milliseconds from
when a seed is typed until the grid of 16 is another, median and slowest of 20. A slider that is dragged sends the same
events, and while one grid is drawn only the last of them waits. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

from playwright.sync_api import Page, sync_playwright

WIDTH = 512  # of the grid, in pixels
GRID = f"[...document.querySelectorAll('img')].find(image => image.complete && image.naturalWidth == {WIDTH})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="NAME")
    names = parser.parse_args().names
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    print("| checkpoint | first grid after | a new grid, median | slowest of 20 |\n|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in names:
            first, again = measured(name, browser.new_page())
            median, slowest = statistics.median(again), max(again)
            print(f"| `{name}` | {first:.1f} s | {1000 * median:.0f} ms | {1000 * slowest:.0f} ms |", flush=True)


def measured(name: str, page: Page) -> tuple[float, list[float]]:
    """Seconds until the first grid, and until each of 20 new ones."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "zoo.cli", "demo", name, "--port", address.rpartition(":")[2]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            ready = any(address in line for line in server.stdout)
            if not ready:
                raise SystemExit(f"the page of {name} did not open")
            start = time.perf_counter()
            page.goto(address)
            page.wait_for_function(GRID)
            first = time.perf_counter() - start
            return first, [redrawn(page, seed) for seed in range(1, 21)]
        finally:
            server.send_signal(signal.SIGINT)


def redrawn(page: Page, seed: int) -> float:
    """Seconds until another grid is there."""
    before = page.evaluate(f"{GRID}.src")
    start = time.perf_counter()
    box = page.get_by_label("number input for seed")
    box.fill(str(seed))
    box.press("Enter")
    page.wait_for_function(f"({GRID})?.src != {before!r} && ({GRID})?.src")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
