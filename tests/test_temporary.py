"""Temporary folders: one for each page, and what processes that were killed left behind."""

import os
import subprocess
import sys

import pytest

from playground.ui import temporary


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_second_page_leaves_the_first_ones_folder_alone(place):
    first = temporary.make_folder()
    (first / "training.jsonl").write_text("{}")
    second = temporary.make_folder()
    assert first != second
    assert {first.parent, second.parent} == {place}
    assert (first / "training.jsonl").is_file()


@pytest.mark.skipif(os.name != "posix", reason="nothing tells which processes live")
def test_folders_of_processes_that_are_gone_are_removed_and_no_others(place):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = place / f"{temporary.PREFIX}{gone.pid}-abc"
    others = [place / f"{temporary.PREFIX}{os.getppid()}-abc", place / f"{temporary.PREFIX}mine-abc", place / "generative-playground"]
    for folder in (left, *others):
        folder.mkdir()
        (folder / "file").write_text("")
    temporary.make_folder()
    assert not left.exists()
    assert all((folder / "file").is_file() for folder in others)
