"""The whole page: header, tabs, what a link restores, and how it is served."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from gradio.route_utils import FnIndexInferError
from starlette.middleware import Middleware

from playground.background import Background
from playground.compare import Order
from playground.explore import uploads
from playground.machine import Machine
from playground.ui import again, api, charts, compare_tab, explore_tab, learn_tab, link, table_tab, temporary, tour, training_tab
from playground.ui.compare_tab import CompareTab, default_order, refused
from playground.ui.runs import Runs

TITLE = "Generative playground"
STYLES = Path(__file__).with_name("page.css")
HEAD = ("address.js", "loading.js")  # scripts of the page itself
MAX_BODY = 2 * uploads.MAX_BYTES  # bytes of a request; a file arrives in base64
MAX_THREADS = 120  # a visitor whose order waits or is shown slowly holds one, and it sleeps
TOO_LARGE = f"a request may have at most {MAX_BODY} bytes"
TABS = ("compare", "table", "explore", "training", "learn")

log = logging.getLogger(__name__)

HEADER = """
<h1>Four ways to make a picture</h1>
<p>One prompt, one seed, four families of generative models. Watch each one work, and see what it costs.</p>
"""


def build(machine: Machine, start: Order | None = None) -> gr.Blocks:
    """The page, with its own store of runs and its own folder for temporary files, Gradio's among them.

    start: what a first visit shows, by default `default_order()`.
    """
    folder = temporary.make_folder()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    background = Background(folder)
    # 1. Components
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as demo:
        gr.HTML(HEADER, elem_id="masthead", js_on_load=None)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Compare", id=TABS[0]) as compare_part:
                compared = compare_tab.build(machine, Runs(), start or default_order())
            with gr.Tab("The table", id=TABS[1]) as table_part:
                table_world, table, plots = table_tab.choose_world(compared.start.world), table_tab.build(), charts.build()
                again.build(background, folder / "measured", compared.world)
            with gr.Tab("Explore", id=TABS[2]) as explore_part:
                items = explore_tab.build(machine, compared.start.world)
            with gr.Tab("Training", id=TABS[3]) as training_part:
                training_items = training_tab.build(background, folder / "trained", compared.start.world)
            with gr.Tab("Learn", id=TABS[4]) as learn_part:
                learnt = learn_tab.build()
        tour.build()
        api.build(machine)

        # 2. Handlers
        def restore(request: gr.Request) -> dict[Any, Any]:
            query = dict(request.query_params)
            shown_first = restored(compared, query)
            chosen = {tabs: gr.Tabs(selected=query["tab"])} if query.get("tab") in TABS and compared.panes not in shown_first else {}
            for names, shown in ((explore_tab.ITEMS, items), (training_tab.ITEMS, training_items)):
                if query.get("item") in names:  # the scripts of the items read the rest of the link
                    chosen[shown] = gr.Tabs(selected=query["item"])
            return {**shown_first, **chosen}  # what is wrong with a link stands in the first tab

        def turn_to(world: str, request: gr.Request) -> dict[Any, Any]:
            return {compared.world: world, **compared.choose(world, request)}

        # 3. Wiring. A component that shows a listener's progress is read with all in it at every update of any run, so a State shows it.
        hidden: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": compared.linked, "api_visibility": "private"}
        outputs = [*compared.inputs, *compared.chosen, compared.linked, tabs, items, training_items]
        demo.load(restore, None, outputs, **hidden)
        for part, name in zip((compare_part, table_part, explore_part, training_part, learn_part), TABS, strict=True):
            part.select(None, compared.world, None, js=f"(world) => turnTo('{name}', world)", api_visibility="private")
        shows = ((table_part, table_tab.show, table), (table_part, charts.draw, plots), (learn_part, learn_tab.show, learnt))
        quick = {"queue": False, **hidden}
        for part, show, shown in shows:  # a world that a link chooses while the first is fetched must not be passed over
            triggers = [demo.load, part.select, compared.world.change]
            gr.on(triggers, show, compared.world, shown, trigger_mode="always_last", **quick)
        table_world.input(turn_to, table_world, [compared.world, *compared.chosen], **quick)
        for choice, write in ((table_world, "tableOf(world)"), (compared.world, "compareAt({ world })")):
            choice.input(None, choice, None, js=f"(world) => {write}", api_visibility="private")
        compared.world.change(lambda world: world, compared.world, table_world, **quick)
    return demo


def restored(tab: CompareTab, query: dict[str, str]) -> dict[Any, Any]:
    """Updates that put the order of a link into the page and have it drawn if it leads there; a bad link is explained.

    Without an order in the link nothing is touched: the visitor may be typing already. A link to an item of a tab holds none.
    """
    if "item" in query or not any(name in link.FIELDS or "." in name for name in query):
        return {tab.linked: 0}
    try:
        order = link.read(query, default=tab.start)
    except ValueError as error:
        return {**tab.show_order(tab.start), tab.panes: refused(tab.start.world, f"This link cannot be restored: {error}", time.time())}
    return {**tab.show_order(order), tab.linked: int(query.get("tab", TABS[0]) == TABS[0])}


def launch(demo: gr.Blocks, **options: Any) -> tuple[Any, str, str | None]:
    """Serve the page; `options` go to Gradio's `launch`. Returns its app, local address and public address."""
    demo.queue(max_size=200)
    return demo.launch(
        theme=_theme(),
        css_paths=STYLES,
        head="".join(f"<script>{STYLES.with_name(name).read_text()}</script>" for name in HEAD),
        run_history=False,
        enable_monitoring=False,
        max_threads=MAX_THREADS,
        ssr_mode=False,
        footer_links=[],
        state_session_capacity=300,
        app_kwargs={
            "exception_handlers": {FnIndexInferError: _not_found, KeyError: _not_found},
            "middleware": [Middleware(BodyLimit)],
        },
        **options,
    )


class BodyLimit:
    """Refuses requests with a larger body than any upload may have: at once if they announce it, else when that much has arrived.

    Gradio's own way to upload files, which stay on the disk until the server ends, is closed: no part of this page uses it.
    """

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope.get("path", "").rstrip("/").endswith("/upload"):
            await JSONResponse({"detail": "this page takes no files"}, status_code=404)(scope, receive, send)
            return
        refusal = JSONResponse({"detail": TOO_LARGE}, status_code=413)
        if int(dict(scope.get("headers", ())).get(b"content-length", 0)) > MAX_BODY:
            await refusal(scope, receive, send)
            return
        arrived, answered = 0, False

        async def counted() -> dict[str, Any]:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > MAX_BODY:
                raise HTTPException(413, TOO_LARGE)
            return message

        async def answer(message: dict[str, Any]) -> None:
            nonlocal answered
            if answered or arrived <= MAX_BODY:  # else it is what Gradio makes of the exception, which may be another status
                answered = True
                await send(message)

        await self.app(scope, counted, answer)
        if not answered and arrived > MAX_BODY:
            await refusal(scope, receive, send)


def _theme() -> gr.themes.Base:
    """Gradio's plain theme with fonts of the visitor's own machine; page.css does the rest."""
    return gr.themes.Base(
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
    )


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    """Calls that name no function of this page: Gradio would answer 500 and close the connection."""
    log.info("no such function: %r", error)
    return JSONResponse({"detail": "there is no such function"}, status_code=404)
