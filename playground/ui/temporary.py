"""A folder of its own for each page's temporary files: it goes with the process, or, if that was killed, when another one starts."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "generative-playground-"


def make_folder() -> Path:
    """A new empty folder, which nobody else uses."""
    _remove_left_over()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _remove_left_over() -> None:
    """Remove the folders of processes that were killed. Other users' stay: nobody but they may remove them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        process = folder.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdecimal() and not _may_live(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _may_live(process: int) -> bool:
    """Whether a process may be running, where that can be asked without harm; on Windows the question would end it."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
