"""The guided walk: a few steps through the page for a lecture, in large type at the foot of the window, whatever the tab."""

from __future__ import annotations

from html import escape
from pathlib import Path

import gradio as gr

from playground import learn
from playground.learn import Step

SCRIPT = Path(__file__).with_name("tour.js")


def build() -> gr.HTML:
    """The walk, hidden until a link with `data-walk` or the address, `?tab=learn&walk=3`, opens one of its steps."""
    return gr.HTML(value=markup(), elem_id="walk", js_on_load=SCRIPT.read_text(), apply_default_css=False)


def markup() -> str:
    """All steps, of which the script shows one."""
    steps = "".join(_step(i, step) for i, step in enumerate(learn.steps(), start=1))
    return f"""
        <section aria-label="Guided walk" hidden>
          <div aria-live="polite">{steps}</div>
          <p class="keys">
            <button type="button" data-by="-1">← Back</button>
            <button type="button" data-by="1">Next →</button>
            <button type="button" data-by="">Leave</button>
            <small>Arrow keys walk, Escape leaves.</small>
          </p>
        </section>
    """


def _step(number: int, step: Step) -> str:
    return f"""
        <div class="step" hidden>
          <h2><small>{number} of {len(learn.steps())}</small> {escape(step.title)}</h2>
          <p>{escape(step.look)}</p>
          <p><a href="{escape(step.query)}&amp;walk={number}">{escape(step.link)}</a></p>
        </div>
    """
