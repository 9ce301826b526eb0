"""The runs that this server knows: the one in flight of each visitor, and the finished ones that can still be scrubbed and downloaded."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict

from playground.compare import Comparison

MAX_BYTES = 192_000_000  # of kept frames, over all visitors; four faces of every engine take 4,000,000
LEAST_BYTES = 50_000  # that a run is counted with


class Runs:
    """At most one run in flight per session; finished ones up to a number of bytes, the oldest forgotten first."""

    def __init__(self, *, max_bytes: int = MAX_BYTES):
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._in_flight: dict[str, threading.Event] = {}
        self._finished: OrderedDict[str, Comparison] = OrderedDict()
        self._sizes: dict[str, int] = {}  # bytes of each of them, at least `LEAST_BYTES`
        self._bytes = 0  # of all

    def begin(self, session: str) -> threading.Event:
        """The stop signal of a new run; an earlier run of the same session is stopped."""
        stop = threading.Event()
        with self._lock:
            if earlier := self._in_flight.get(session):
                earlier.set()
            self._in_flight[session] = stop
        return stop

    def end(self, session: str, stop: threading.Event) -> None:
        """Forget a run in flight, unless a newer one took its place."""
        with self._lock:
            if self._in_flight.get(session) is stop:
                del self._in_flight[session]

    def is_current(self, session: str, stop: threading.Event) -> bool:
        """Whether no newer run of the session took this one's place."""
        with self._lock:
            return self._in_flight.get(session) is stop

    def stop(self, session: str) -> None:
        """Stop the session's run in flight, if there is one."""
        with self._lock:
            if running := self._in_flight.get(session):
                running.set()

    def keep(self, comparison: Comparison) -> str:
        """Keep a finished run; returns the name, hard to guess, under which `find` finds it."""
        name, size = secrets.token_urlsafe(12), max(comparison.nbytes, LEAST_BYTES)
        with self._lock:
            self._finished[name], self._sizes[name] = comparison, size
            self._bytes += size
            while self._bytes > self._max_bytes and len(self._finished) > 1:
                oldest, _ = self._finished.popitem(last=False)
                self._bytes -= self._sizes.pop(oldest)
        return name

    def find(self, name: str) -> Comparison:
        """A finished run. Raises ValueError when it is unknown or forgotten."""
        with self._lock:
            if name not in self._finished:
                raise ValueError("this run is no longer kept on the server; draw it again")
            return self._finished[name]
