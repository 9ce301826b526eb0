"""The served page as programs see it: the public call, its messages for wrong input, what is not to be found."""

from __future__ import annotations

import base64
import http.client
import io
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
import pytest
from fakes import NAMES, WORLD, Fake, make_machine
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

import engines
from engines import checkpoint
from playground.ui import page
from playground.ui.compare_tab import default_order

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def address():
    demo = page.build(make_machine())
    _, local, _ = page.launch(demo, prevent_thread_lock=True, quiet=True)
    yield local
    demo.close()
    gr.close_all()


@pytest.fixture(scope="module")
def client(address):
    return Client(address, download_files=False, verbose=False)


def test_draw_is_the_one_public_call(client):
    api = client.view_api(return_format="dict")
    assert list(api["named_endpoints"]) == ["/draw"]
    assert not api["unnamed_endpoints"]
    names = [parameter["parameter_name"] for parameter in api["named_endpoints"]["/draw"]["parameters"]]
    assert names == ["world", "prompt", "seed", "num_images", "settings"]


def test_draw_answers_with_pictures_and_figures(client):
    answer = client.predict(WORLD, "a bold 7", 3, 2, {"diffusion": {"guidance_scale": 2.0}}, api_name="/draw")
    assert list(answer["engines"]) == NAMES
    assert answer["reading"]["attributes"] == {"digit": "7", "thickness": "bold"}
    for engine in answer["engines"].values():
        assert engine["state"] == "done"
        assert engine["network_calls"] == 3
        assert len(engine["pictures"]) == 2
        content = base64.b64decode(engine["pictures"][0].partition(",")[2])
        assert Image.open(io.BytesIO(content)).size == (28, 28)
    assert answer["engines"][NAMES[3]]["settings"]["guidance_scale"] == 2.0


def test_no_prompt_asks_for_anything(client):
    assert client.predict(WORLD, None, 0, 1, {}, api_name="/draw")["prompt"] == ""


def test_draw_has_defaults(client):
    answer = client.predict(world=WORLD, api_name="/draw")
    assert (answer["prompt"], answer["seed"], answer["num_images"]) == ("", 0, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((WORLD, "x" * 500, 0, 1, {}), ("prompt", "200", "500")),
        ((WORLD, "7", -1, 1, {}), ("seed", "-1", "2147483647")),
        ((WORLD, "7", 2**31, 1, {}), ("seed", "2147483648")),
        ((WORLD, "7", 0, 0, {}), ("num_images", "0", "16")),
        ((WORLD, "7", 0, 1000, {}), ("num_images", "1000", "16")),
        (("mars", "7", 0, 1, {}), ("world", "mars", WORLD)),
        ((WORLD, "42", 0, 1, {}), ("one digit", "42")),
        ((WORLD, [], 0, 1, {}), ("prompt", "[]")),
        ((WORLD, 0, 0, 1, {}), ("prompt", "0")),
        ((WORLD, "7", 0, 1, {"mars": {}}), ("settings", "mars")),
        ((WORLD, "7", 0, 1, {"vae": [1]}), ("settings", "[1]")),
    ],
)
def test_wrong_input_gets_a_clear_message(client, arguments, words):
    with pytest.raises(AppError) as caught:
        client.predict(*arguments, api_name="/draw")
    message = str(caught.value)
    assert all(word in message for word in words)
    assert "Traceback" not in message


def test_a_setting_out_of_range_fails_one_engine(client):
    answer = client.predict(WORLD, "7", 0, 1, {"diffusion": {"num_inference_steps": 1000}}, api_name="/draw")
    states = {name: engine["state"] for name, engine in answer["engines"].items()}
    assert states == {name: "failed" if name == NAMES[3] else "done" for name in NAMES}
    error = answer["engines"][NAMES[3]]["error"]
    assert all(word in error for word in ("num_inference_steps", "1000", "100"))


def test_who_hangs_up_frees_the_engine():
    begun = threading.Event()

    def slow(step):
        begun.set()
        time.sleep(0.02)

    engine = Fake(NAMES[0], num_steps=100_000, before_frame=slow)
    demo = page.build(make_machine(lambda name: engine))
    try:
        _, local, _ = page.launch(demo, prevent_thread_lock=True, quiet=True)
        job = Client(local, download_files=False, verbose=False).submit(WORLD, "7", 0, 1, {}, api_name="/draw")
        assert begun.wait(10)
        assert not engine.closed.wait(0.3)
        job.cancel()
        assert engine.closed.wait(5)
    finally:
        demo.close()


@pytest.mark.parametrize("path", ["gradio_api/call/nonsense", "gradio_api/run/nonsense", "gradio_api/api/nonsense"])
def test_an_unknown_call_is_not_found(address, path):
    request = urllib.request.Request(address + path, data=b'{"data": []}', headers={"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 404


def test_a_body_larger_than_any_upload_is_refused(address):
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    connection.putrequest("POST", "/gradio_api/component_server")
    connection.putheader("Content-Length", "20000000")
    connection.endheaders()  # the answer comes before any of the body was sent
    assert connection.getresponse().status == 413
    connection.close()


def test_files_are_left_nowhere(address):
    """Gradio would keep what is sent there until the server ends."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    content = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nx\r\n--x--\r\n'
    for path in ("/gradio_api/upload", "/gradio_api/upload/", "/upload"):
        connection.request("POST", path, content, {"Content-Type": "multipart/form-data; boundary=x"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (404, b'{"detail":"this page takes no files"}')
    connection.close()


def test_a_body_that_grows_too_large_without_saying_so_is_refused(address):
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    connection.putrequest("POST", "/gradio_api/component_server")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.putheader("Content-Type", "application/json")
    connection.endheaders()
    part = b'"'
    for size in (*(1_000_000 for _ in range(page.MAX_BODY // 1_000_000)), page.MAX_BODY % 1_000_000 + 1):
        content = part + b"x" * (size - len(part))
        connection.send(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        part = b""
    answer = connection.getresponse()  # though the body is not at its end
    assert answer.status == 413
    assert str(page.MAX_BODY) in answer.read().decode()
    connection.close()


def test_monitoring_is_closed(address):
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(address + "monitoring")


def test_a_world_is_offered_when_its_last_engine_is_trained_and_then_comes_first(tmp_path, monkeypatch):
    def train(name: str) -> None:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "README.md").write_text("card")

    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    assert engines.world_names() == ("digits",)
    for family in engines.FAMILIES:
        train(f"digits/{family}")
        assert engines.world_names() == ("digits",)
    for family in engines.FAMILIES:
        assert default_order().world == "digits"
        train(f"faces/{family}")
    assert engines.world_names() == ("digits", "faces")
    assert default_order().world == "faces"


def test_app_starts_from_the_command_line():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert _answers(f"http://127.0.0.1:{port}/"), process.stdout.read1().decode()
        answer = Client(f"http://127.0.0.1:{port}/", download_files=False, verbose=False).predict(
            "digits", "a bold 7", 3, 1, {}, api_name="/draw"
        )
        assert [engine["state"] for engine in answer["engines"].values()] == ["done"] * 4
        assert all(engine["marks"]["match"] is not None for engine in answer["engines"].values())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    """Whether a server answers within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return urllib.request.urlopen(url).status == 200
        except OSError:
            time.sleep(0.2)
    return False
