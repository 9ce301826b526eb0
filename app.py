"""The generative playground: `python app.py` opens the page; a Hugging Face Space runs this file too."""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # every weight is in this repository

from playground.compare import warm_up
from playground.machine import Machine
from playground.ui import page

machine = Machine()
demo = page.build(machine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=None, help="address to listen on; 0.0.0.0 lets a class in (default: this machine only)")
    parser.add_argument("--port", type=int, default=None, help="default: the first free one from 7860")
    parser.add_argument("--share", action="store_true", help="also open a public address through gradio.live")
    options = parser.parse_args()
    page.launch(demo, server_name=options.host, server_port=options.port, share=options.share, prevent_thread_lock=True)
    warm_up(machine)
    demo.block_thread()


if __name__ == "__main__":
    main()
