"""Runs a module as `python -m` does, but politely, and only as long as whoever started it lives.

    python -m playground.tethered <module> <arguments>

Standard input has to be a pipe from the starter. It ends when the starter does, however that came about, and the module with it.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading

NICE = 10  # so that the page's own engines come first


def main() -> None:
    if hasattr(os, "nice"):  # Windows has other priorities, which the starter sets
        os.nice(NICE)
    threading.Thread(target=_end_with_the_starter, name="tether", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_the_starter() -> None:
    while os.read(0, 1024):  # not `sys.stdin`: its lock would be held when Python ends
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
