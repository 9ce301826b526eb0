"""The one thread on which all networks run, with the engines and judges it has loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

import engines
from engines import Engine, Reading
from playground import judges

NUM_THREADS = 2  # of torch; fixed, so that figures and pictures do not depend on the number of cores


class Machine:
    """Takes jobs from any number of visitors and does them one at a time, first come, first served.

    So every engine's clock runs alone. Engines and judges are loaded when first needed and then kept; `engine`, `judge`, `read` and
    `complete` are to be called from within a job. The arguments are where they come from.
    """

    def __init__(
        self,
        *,
        load_engine: Callable[[str], Engine] = engines.load,
        load_judge: Callable[[str], Any] = judges.load,
        read: Callable[[str, str], Reading] = engines.read,
        complete: Callable[[str, str, int], str] = engines.complete,
    ):
        self._executor = ThreadPoolExecutor(1, "machine", initializer=torch.set_num_threads, initargs=(NUM_THREADS,))
        self._load_engine, self._load_judge = load_engine, load_judge
        self.read, self.complete = read, complete
        self.pending = 0  # jobs that were submitted and are not done
        self._counting = threading.Lock()
        self._engines: dict[str, Engine] = {}
        self._judges: dict[str, Any] = {}

    def submit(self, job: Callable[..., Any], *args: Any) -> Future:
        """Queue a job; its result or error is in the future."""
        self._count(1)
        future = self._executor.submit(job, *args)
        future.add_done_callback(lambda _: self._count(-1))
        return future

    def _count(self, change: int) -> None:
        with self._counting:
            self.pending += change

    def engine(self, name: str) -> Engine:
        """Raises what `engines.load` raises; a failed load is tried again next time."""
        if name not in self._engines:
            self._engines[name] = self._load_engine(name)
        return self._engines[name]

    def judge(self, world: str) -> Any:
        """Raises what `judges.load` raises; a failed load is tried again next time."""
        if world not in self._judges:
            self._judges[world] = self._load_judge(world)
        return self._judges[world]


@contextmanager
def threads_for(engine: Engine) -> Iterator[None]:
    """Give torch no more threads than the engine gains from; the processor's other cores stay with the page and its visitors."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, engine.max_threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
