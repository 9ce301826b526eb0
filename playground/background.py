"""One long command at a time beside the page: in a process of its own, polite, and gone when the server goes."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # of the repository
SECONDS_TO_STOP = 5.0  # before a command that was asked to end is killed


@dataclass
class Job:
    """A command that runs or has run. log: file of what it prints. owner: whose it is. started: seconds of `time.time`."""

    name: str
    process: subprocess.Popen
    log: Path
    owner: str = ""
    started: float = field(default_factory=time.time)
    stopped: bool = False  # before it had ended by itself
    watchers: int = 0  # see `Background.watching`

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def failed(self) -> bool:
        return self.process.poll() not in (None, 0)

    def last_line(self) -> str:
        """The last thing it printed, for a message when it failed."""
        lines = self.log.read_text(errors="replace").split("\n") if self.log.is_file() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Background:
    """The server's one place for long commands. Raises nothing of its own but `Busy`."""

    def __init__(self, folder: Path):
        """folder: for logs."""
        self._folder, self._lock = folder, threading.RLock()
        self.job: Job | None = None  # the last one
        self._last: dict[str, Job] = {}  # of each kind, by the first word of its name
        atexit.register(self.stop_all)

    def start(self, name: str, arguments: list[str], *, owner: str = "", clear: Path | None = None) -> Job:
        """Run `python -m <arguments>` in the repository's folder. clear: a folder that is emptied before. Raises Busy if another runs."""
        with self._lock:
            if self.job and self.job.running:
                minutes = (time.time() - self.job.started) / 60
                raise Busy(f"The server is busy with “{self.job.name}”, begun {minutes:.0f} minutes ago. It takes one such task at a time.")
            if clear:
                shutil.rmtree(clear, ignore_errors=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            kind = name.split()[0]
            log = self._folder / f"{kind}.log"
            with log.open("w") as file:
                process = subprocess.Popen(
                    [sys.executable, "-m", "playground.tethered", *arguments],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,  # nothing is written to it: the command ends when it does
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),  # on Windows
                )
            self.job = self._last[kind] = Job(name, process, log, owner)
            return self.job

    def last(self, kind: str) -> Job | None:
        """The last command whose name begins with a word, running or not."""
        return self._last.get(kind)

    def start_or_join(self, name: str, arguments: list[str], *, owner: str = "", clear: Path) -> Job:
        """Like `start`, unless the command is running already."""
        with self._lock:
            running = self.job and self.job.running and self.job.name == name
            return self.job if running else self.start(name, arguments, owner=owner, clear=clear)

    @contextmanager
    def watching(self, job: Job) -> Iterator[None]:
        """Watch a command from a page. It ends with the last page that does, when that is closed before."""
        with self._lock:
            job.watchers += 1
        try:
            yield
        finally:
            with self._lock:
                job.watchers -= 1
                if not job.watchers:
                    _end(job)

    def stop(self, owner: str | None) -> None:
        """End the command, if one runs and is the owner's. Nobody, "" or None, owns none."""
        with self._lock:
            if owner and self.job and self.job.owner == owner:
                _end(self.job)

    def stop_all(self) -> None:
        """End the command, whoever owns it, if one runs."""
        with self._lock:
            if self.job:
                _end(self.job)


def _end(job: Job) -> None:
    if job.running:
        job.stopped = True
        job.process.terminate()
        try:
            job.process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()


class Busy(RuntimeError):
    """Another command is running."""
