"""Long commands beside the page: one at a time, stoppable, gone with the server, and what they printed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from playground.background import ROOT, Background, Busy
from playground.tethered import NICE

SERVE = ["http.server", "0", "--bind", "127.0.0.1"]  # a command that never ends


def wait_until(happened, seconds=60.0):
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.02)
    assert happened()


def finish(job):
    wait_until(lambda: not job.running)
    return job


def test_a_command_runs_to_its_end_and_leaves_what_it_printed(tmp_path):
    job = finish(Background(tmp_path).start("version", ["platform"]))
    assert not job.failed
    assert job.last_line()


def test_a_command_that_fails_says_why(tmp_path):
    job = finish(Background(tmp_path).start("nothing", ["no_such_module_here"]))
    assert job.failed
    assert "no_such_module_here" in job.last_line()


def test_one_at_a_time_and_it_can_be_stopped(tmp_path):
    background = Background(tmp_path)
    job = background.start("server", SERVE)
    with pytest.raises(Busy, match="server"):
        background.start("another", ["platform"])
    background.stop_all()
    assert not job.running
    assert job.stopped
    assert not finish(background.start("another", ["platform"])).failed
    background.stop_all()  # nothing runs: nothing happens


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="priorities are a matter of POSIX")
def test_the_page_comes_first(tmp_path):
    background = Background(tmp_path)
    job = background.start("server", SERVE)
    try:
        wait_until(lambda: os.getpriority(os.PRIO_PROCESS, job.process.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + NICE, 19))
    finally:
        background.stop_all()


def test_it_starts_where_there_are_no_priorities():
    program = "import os, sys; vars(os).pop('nice', None); sys.argv[1:] = ['platform']; from playground import tethered; tethered.main()"
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, text=True, **pipes) as process:
        assert process.stdout.readline(), process.stderr.read()  # the platform's name
        assert process.wait() == 0


def test_what_became_of_a_command_is_known_after_one_of_another_kind(tmp_path):
    background = Background(tmp_path)
    job = finish(background.start("training digits/vae", ["no_such_module_here"]))
    assert background.last("measuring") is None
    other = finish(background.start("measuring digits", ["platform"]))
    assert (background.last("training"), background.last("measuring"), background.job) == (job, other, other)
    assert "no_such_module_here" in job.last_line()


def test_only_its_owner_stops_it_and_nobody_owns_none(tmp_path):
    background = Background(tmp_path)
    for owner in ("anna", ""):
        job = background.start("server", SERVE, owner=owner)
        try:
            for other in ("ben", "", None):
                background.stop(other)
                assert job.running
            background.stop("anna")
            assert job.running == (owner != "anna")
        finally:
            background.stop_all()


def test_it_ends_with_the_last_page_that_watches(tmp_path):
    background = Background(tmp_path)
    job = background.start("server", SERVE)
    with background.watching(job):
        with background.watching(job):
            assert job.running
        assert job.running
    assert not job.running
    assert job.stopped
    done = finish(background.start("version", ["platform"]))
    with background.watching(done):
        pass
    assert not done.stopped  # it had ended by itself


def test_what_an_earlier_command_left_is_gone_before_the_next_begins_and_stays_for_who_joins(tmp_path):
    background, left = Background(tmp_path / "logs"), tmp_path / "out" / "figures.json"
    left.parent.mkdir()
    left.write_text("old")
    job = background.start_or_join("server", SERVE, clear=left.parent)
    try:
        assert not left.exists()
        left.parent.mkdir()
        left.write_text("new")
        assert background.start_or_join("server", SERVE, clear=left.parent) is job
        assert left.read_text() == "new"
        with pytest.raises(Busy):
            background.start_or_join("another", SERVE, clear=left.parent)
        assert left.read_text() == "new"
    finally:
        background.stop_all()


def test_the_folder_that_the_server_was_started_in_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not finish(Background(tmp_path / "logs").start("version", ["platform"])).failed


START = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from playground.background import Background
print(Background(Path(sys.argv[2])).start("server", sys.argv[3:]).process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="asks for a process by its number")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_when_the_server_does_however_that_ends(tmp_path, end):
    server = subprocess.Popen([sys.executable, "-c", START, str(ROOT), str(tmp_path), *SERVE], stdout=subprocess.PIPE, text=True)
    command = int(server.stdout.readline())
    assert lives(command)
    server.send_signal(end)
    server.wait()
    wait_until(lambda: not lives(command))


def lives(process: int) -> bool:
    """Whether a process runs; one that ended and that nobody asked about does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc").is_dir()
