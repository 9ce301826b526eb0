"""Long commands beside the page: one at a time, stoppable, and what they printed."""

import os
import time

import pytest

from playground.background import NICE, Background, Busy


def finish(job, seconds=20.0):
    until = time.monotonic() + seconds
    while job.running and time.monotonic() < until:
        time.sleep(0.02)
    assert not job.running
    return job


def test_a_command_runs_to_its_end_and_leaves_what_it_printed(tmp_path):
    job = finish(Background(tmp_path).start("version", ["platform"]))
    assert not job.failed
    assert job.last_line()


def test_a_command_that_fails_says_why(tmp_path):
    job = finish(Background(tmp_path).start("nothing", ["no_such_module_here"]))
    assert job.failed
    assert "no_such_module_here" in job.last_line()


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="priorities are a matter of POSIX")
def test_one_at_a_time_and_it_can_be_stopped(tmp_path):
    background = Background(tmp_path)
    job = background.start("server", ["http.server", "0", "--bind", "127.0.0.1"])
    assert os.getpriority(os.PRIO_PROCESS, job.process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + NICE
    with pytest.raises(Busy, match="server"):
        background.start("another", ["platform"])
    background.stop()
    assert not job.running
    assert not finish(background.start("another", ["platform"])).failed
    background.stop()  # nothing runs: nothing happens
