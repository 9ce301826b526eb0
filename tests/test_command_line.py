"""python -m engines: draws with the shipped weights, and answers wrong input in one line."""

import pytest
from PIL import Image

from engines.__main__ import main


def test_draws_a_grid(tmp_path, capsys):
    out = tmp_path / "new" / "grid.png"
    assert (
        main(
            [
                "digits/diffusion",
                "--prompt",
                "a bold purple 7",
                "--seed",
                "3",
                "--num-images",
                "4",
                "--num-inference-steps",
                "3",
                "-o",
                str(out),
            ]
        )
        == 0
    )
    assert Image.open(out).size == (4 * (2 * 28 + 1),) * 2
    shown = capsys.readouterr().out
    assert "understood: digit 7, thickness bold; ignored: purple" in shown
    assert "4 picture(s)" in shown


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--prompt", "42"], "digits draws one digit, 0 to 9; the prompt asks for 42"),
        (["--seed", "-1"], "seed must be a whole number from 0 to 2147483647, got -1"),
        (["--num-images", "1000"], "num_images must be a whole number from 1 to 256, got 1000"),
        (["--temperature", "9"], "temperature must be a number from 0 to 1.5, got 9.0"),
        (["--prompt", "x" * 201], "at most 200 characters"),
        (["--device", "abacus"], "device must be one that torch finds here, such as cpu, got 'abacus'"),
    ],
)
def test_wrong_input_gets_one_clear_line(arguments, answer, capsys, tmp_path):
    assert main(["digits/vae", *arguments, "-o", str(tmp_path / "grid.png")]) == 2
    error = capsys.readouterr().err.strip()
    assert answer in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--help"], "digits/vae, digits/gan"),
        (["digits/vae", "--help"], "--temperature"),
        (["digits/diffusion", "-h"], "--num-inference-steps"),
    ],
)
def test_help_names_engines_and_an_engines_settings(arguments, told, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["digits/flow"],
        ["digits/vae", "--num-inference-steps", "3"],
        ["digits/vae", "--enlarge", "0"],
    ],
)
def test_unknown_engines_and_options_are_usage_errors(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
