"""Limits on what a server may do to us: the time it takes, the bytes it sends, and the names in its answers.

The client, huggingface_hub, waits as long as it is told to, compares sizes when everything is on the disk, and makes
names of files in its cache from answers. While `guarded` lasts, each request and each answer of its HTTP client passes
through here.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from zoo.files.progress import moves
from zoo.files.text import parse_json, printable

SILENCE = 10.0  # seconds without a byte, or for a connection
LONGEST_WAIT = 10  # seconds that a busy server may tell us to wait before the next try
PATIENCE = 60.0  # seconds that everything together may be behind SLOWEST
SLOWEST = 5_000  # bytes a second
LARGEST_ANSWER = 10**7  # bytes of all answers to questions together, and beside the files of a transfer

COMMIT, DIGEST = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
ETAG = re.compile('(W/)?"?[A-Za-z0-9_-]{1,128}"?')  # becomes the name of a file

_one_at_a_time = threading.RLock()  # the client is one for the whole process


class Slow(Exception):
    """The server does not answer in a reasonable time: it counts as one that cannot be reached."""


class Unfit(Exception):
    """The server's answer is nothing that the Hub would send."""


@contextlib.contextmanager
def guarded(receive: int = 0, send: int = 0, silence: float | None = None) -> Iterator[None]:
    """While it lasts, requests of huggingface_hub end in a reasonable time, or raise Slow or Unfit.

    Args:
        receive: bytes of the files that are to be fetched, as advertised. The server may send twice as much, since a
            transfer that broke off may begin anew.
        send: bytes of the files that are to be sent.
        silence: seconds without a byte; None for SILENCE.
    """
    from huggingface_hub import close_session, constants, set_client_factory
    from huggingface_hub.utils import _http as client
    from huggingface_hub.utils import logging as talk

    with _one_at_a_time, _bars():
        made_before, xet, verbosity = client._GLOBAL_CLIENT_FACTORY, constants.HF_HUB_DISABLE_XET, talk.get_verbosity()
        guard = _Guard(PATIENCE + send / SLOWEST, silence or SILENCE, LARGEST_ANSWER + 2 * receive)

        def factory() -> Any:
            made = made_before()
            hooks = made.event_hooks
            made.event_hooks = {
                "request": [*hooks["request"], guard.before],
                "response": [guard.after, *hooks["response"]],
            }
            return made

        set_client_factory(factory)
        talk.set_verbosity_error()  # what it says of each try, in words of the server
        constants.HF_HUB_DISABLE_XET = True  # another client, which knows none of these limits
        watch = threading.Thread(target=guard.watch, args=(close_session,), daemon=True)
        watch.start()
        try:
            yield
        except Exception as error:
            if guard.seconds_left() <= 0 and not isinstance(error, Unfit):
                raise Slow(guard.too_slow()) from error
            raise
        finally:
            guard.over.set()
            watch.join()
            constants.HF_HUB_DISABLE_XET = xet
            talk.set_verbosity(verbosity)
            set_client_factory(made_before)


@contextlib.contextmanager
def _bars() -> Iterator[None]:
    """While it lasts, huggingface_hub shows bars only where a line can move: elsewhere each would be a heap of text."""
    from huggingface_hub import utils

    hidden = not (moves() or utils.are_progress_bars_disabled())
    if hidden:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        if hidden:
            utils.enable_progress_bars()


class _Guard:
    def __init__(self, patience: float, silence: float, budget: int) -> None:
        self.patience, self.silence = patience, silence
        self.start = time.monotonic()
        self.end = self.start + patience
        self.budget = budget  # bytes that may come
        self.received = 0
        self.over = threading.Event()
        self._lock = threading.Lock()

    def seconds_left(self) -> float:
        return self.end - time.monotonic()

    def watch(self, close: Callable[[], None]) -> None:
        """Closes the connections when the time is up, which ends the reading of a byte now and then."""
        while not self.over.wait(max(0.0, self.seconds_left())):
            if self.seconds_left() <= 0:
                close()
                break

    def before(self, request: Any) -> None:
        self.require_time()
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), self.silence)
        request.headers["Accept-Encoding"] = "identity"  # packed bytes would pass the budget

    def after(self, response: Any) -> None:
        self.require_time()
        headers = response.headers
        if response.status_code == 429:
            self._require_short_wait(headers)
        encoding = headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise Unfit(f"an answer is encoded as {printable(encoding, 40)}, which was not asked for")
        _require_name(headers, "X-Repo-Commit", COMMIT)
        _require_name(headers, "X-Xet-Hash", DIGEST)
        if response.request.method == "HEAD":  # what files in the cache are called by
            _require_name(headers, "X-Linked-ETag", ETAG)
            _require_name(headers, "ETag", ETAG)
        response.stream = _counted(self, response)
        if response.is_success and response.request.method == "GET" and "json" in headers.get("Content-Type", ""):
            response.read()
            _require_digests(response.content)

    def take(self, size: int) -> None:
        """Notes that so many bytes came."""
        self.require_time()
        with self._lock:
            self.received += size
            self.end = min(time.monotonic() + self.patience, self.end + size / SLOWEST)
        if self.received > self.budget:
            raise Unfit("it sends more than it announced")

    def require_time(self) -> None:
        if self.seconds_left() <= 0:
            raise Slow(self.too_slow())

    def too_slow(self) -> str:
        return f"it sent {self.received:,} bytes in {time.monotonic() - self.start:,.0f} seconds"

    @staticmethod
    def _require_short_wait(headers: Any) -> None:
        told = headers.get("Retry-After", ""), *re.findall(r"\bt\s*=\s*(\d+)", headers.get("RateLimit", ""))
        longest = max((int(text) for text in told if re.fullmatch("[0-9]{1,12}", text)), default=0)
        if longest > LONGEST_WAIT:
            raise Slow(f"status 429, it asks to wait {longest:,} seconds")


def _counted(guard: _Guard, response: Any) -> Any:
    """The body of an answer as it comes, counted, and given up when it comes too slowly."""
    stream, start, received = response.stream, time.monotonic(), 0
    http = sys.modules[type(response).__module__.partition(".")[0]]  # httpx, or httpx2 of huggingface_hub 2

    class Counted(http.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal received
            for chunk in stream:
                received += len(chunk)
                guard.take(len(chunk))
                spent = time.monotonic() - start
                if spent > SILENCE and received < spent * SLOWEST / 5:
                    raise Slow(f"it sends {received / spent:,.0f} bytes a second")
                yield chunk

        def close(self) -> None:
            stream.close()

    return Counted()


def _require_name(headers: Any, header: str, form: re.Pattern) -> None:
    if header in headers and not form.fullmatch(headers[header]):
        raise Unfit(f"its {header} is no name of a file: {printable(headers[header], 60)}")


def _require_digests(content: bytes) -> None:
    """Raises Unfit if an answer is no JSON, or one of the values that become names of files is no digest."""
    try:
        answer = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"its answer cannot be read ({type(error).__name__})") from None
    for entry in answer if isinstance(answer, list) else [answer]:
        for named in (entry, entry.get("lfs")) if isinstance(entry, dict) else ():
            for key in ("sha", "oid", "sha256", "xetHash") if isinstance(named, dict) else ():
                if named.get(key) and not DIGEST.fullmatch(str(named[key])):
                    raise Unfit(f"its {key} is no digest: {printable(named[key], 60)}")
