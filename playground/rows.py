"""The rows of the course's table: its words, the figure behind each cell, and the limits by which a figure earns a word of ours.

Words and limits were fixed before any engine was trained; what a row had to settle later it says in `settled`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engines import FAMILIES
from playground.figures import Figure
from playground.references import REFERENCES

Named = Mapping[str, Figure]  # figures of one engine in one row, by name


@dataclass(frozen=True)
class Row:
    """One row of the table.

    scale: the course's words, from least to most. words: the course's word per family. figure: name of the figure shown in
    the cell. compared: figures whose orderings must agree for a verdict. rising: whether a larger figure means a word
    further up the scale. ratio: whether figures are compared by ratio (else by difference). relative: whether the cell shows
    the figure divided by the smallest among the engines. rule: from the cell's number and the engine's figures to our word.
    unit: of the cell's number. faces_only: whether the row needs faces. measured_in: the one world that is measured for all, "" where
    each is. settled: what of the measurement was made precise or replaced once engines were there, a sentence each.
    """

    key: str
    title: str
    scale: tuple[str, ...]
    words: Mapping[str, str]
    figure: str
    compared: tuple[str, ...]
    rising: bool
    ratio: bool
    relative: bool
    rule: Callable[[float, Named], str]
    rule_text: str
    unit: str
    references: Mapping[str, str]
    faces_only: bool = False
    measured_in: str = ""
    settled: tuple[str, ...] = ()


def thresholds(*steps: tuple[float, str], above: str) -> Callable[[float, Named], str]:
    """The first word whose limit the number does not pass, else `above`."""
    return lambda value, _: next((word for limit, word in steps if value <= limit), above)


def stability_word(failures: float, named: Named) -> str:
    """Stable: at most one failed run, and a coefficient of variation over seeds below 0.25."""
    return "Stable" if failures <= 1 and named["variation"].value < 0.25 else "Unstable"


def speed_word(ratio: float, _: Named) -> str:
    """Fast up to 5 times the fastest, Slow from 10 times."""
    return "Fast" if ratio <= 5 else "Slow" if ratio >= 10 else "Medium"


def _words(*words: str) -> dict[str, str]:
    return dict(zip(FAMILIES, words, strict=True))


ROWS = (
    Row(
        key="quality",
        title="Quality",
        scale=("Low", "Moderate", "High", "Exceptional"),
        words=_words("Low", "Moderate", "High", "Exceptional"),
        figure="fd_ratio",
        compared=("fd_ratio_classifier", "fd_ratio_encoder"),
        rising=False,
        ratio=True,
        relative=False,
        rule=thresholds((4, "Exceptional"), (16, "High"), (64, "Moderate"), above="Low"),
        rule_text="Fréchet distance over that of as many real images, geometric mean of two judges: "
        "up to 4 Exceptional, 16 High, 64 Moderate, above Low",
        unit="× real",
        references=REFERENCES["quality"],
        settled=(
            "which of several trainings ships, and how strongly it is guided or its randomness cut, was decided in the course"
            " of the work by what the judges read, though they train and guide nothing; the project's log tells where",
            "two engines are compared over resampled prompts, the same for both, while the real pictures and the floor stay as they are",
        ),
    ),
    Row(
        key="speed",
        title="Speed",
        scale=("Slow", "Fast"),
        words=_words("Fast", "Fast", "Slow", "Slow"),
        figure="seconds",
        compared=("seconds",),
        rising=False,
        ratio=True,
        relative=True,
        rule=speed_word,
        rule_text="median seconds per image, one at a time, over the fastest engine's: up to 5 Fast, from 10 Slow, between Medium",
        unit="× fastest",
        references=REFERENCES["speed"],
        settled=(
            "an engine runs on as many threads as it gains from, one or two",
            "distances at a number of steps are those of 250 pictures, less what as many real ones show more than 5,000",
        ),
    ),
    Row(
        key="stability",
        title="Training stability",
        scale=("Unstable", "Stable"),
        words=_words("Stable", "Unstable", "Stable", "Stable"),
        figure="failures",
        compared=("failures",),
        rising=False,
        ratio=False,
        relative=False,
        rule=stability_word,
        rule_text="failures in nine short trainings: at most 1, and FD varying over seeds by less than 25 %, Stable, else Unstable",
        unit="of 9 failed",
        references=REFERENCES["stability"],
        measured_in="digits",
        settled=(
            "an eighth of the steps that the engines had which shipped then; autoregression was trained on since, to nearly twice as many",
            "1,000 pictures of each run are judged",
            "a class is missing below a tenth of its real share",
            "the interval is the binomial one of nine runs (Clopper and Pearson 1934), since runs at three learning rates are"
            " not drawn from one lot",
        ),
    ),
    Row(
        key="control",
        title="Control over generation",
        scale=("Limited", "Moderate", "Flexible"),
        words=_words("Limited", "Limited", "Flexible", "Moderate"),
        figure="controls",
        compared=("controls",),
        rising=True,
        ratio=False,
        relative=False,
        rule=thresholds((2, "Limited"), (4, "Moderate"), above="Flexible"),
        rule_text="passes of six tests of control without retraining: up to 2 Limited, 3 or 4 Moderate, 5 or 6 Flexible",
        unit="of 6 passed",
        references=REFERENCES["control"],
        settled=(
            "what a prompt leaves open must vary half as much as in real images",
            "of a hidden part those attributes are asked that the judge misreads once it is grey",
            "the step across the border of given pixels may be 1.5 times that of real images",
            "one changed attribute may change half of what another seed changes",
            "a test takes up to 500 pictures",
            "guidance is as low as full prompts are obeyed with in digits, and in faces the one nearest to real pictures among those "
            "with which prompts are obeyed",
            "the interval of the count goes from what passes at the worst ends of all figures' intervals to what passes at their best ends",
        ),
    ),
    Row(
        key="faces",
        title="Facial manipulation",
        scale=("No", "Yes"),
        words=_words("No", "Yes", "No", "No"),
        figure="edits",
        compared=("edits",),
        rising=True,
        ratio=False,
        relative=False,
        rule=thresholds((0, "No"), above="Yes"),
        rule_text="1 if moving along one fixed latent direction edits a face and passes every test, else 0",
        unit="of 1 passed",
        references=REFERENCES["faces"],
        settled=(
            "moved are the z of the VAE, which is told no text, and the w of the GAN, a style made of z and text; what the page's "
            "face editor moves with the VAE, which is what its decoder is told, stands beside",
            "a direction is the mean difference that a changed word makes to samples, and the GAN betters its own with its "
            "discriminator, a part for each layer, in 300 steps whose weights were chosen by what the judge read, "
            "mostly of other faces; what the mean difference alone does stands beside",
            "an edit goes as far as two mean differences, which was settled after figures at one and two had been seen",
            "realism compared edited faces with all real ones at first, which failed real faces that show the change; now it "
            "compares them with real ones that show what they should, over unedited faces with real ones that show what they "
            "do",
            "sharpness is taken against real faces",
            "1,000 faces an edit, since 250 left the GAN at the line",
            "the interval goes from the worst ends of all figures' intervals to the best; it is of one direction for each "
            "edit and does not tell how other samples would do",
        ),
        faces_only=True,
    ),
    Row(
        key="novelty",
        title="Novelty",
        scale=("Limited", "High"),
        words=_words("Limited", "Limited", "High", "High"),
        figure="novelty",
        compared=("novelty_classifier", "novelty_encoder"),
        rising=True,
        ratio=False,
        relative=False,
        rule=lambda value, _: "High" if value >= 0.7 else "Limited",
        rule_text="coverage × (1 − copy rate), over that of real unseen images: from 0.7 High, below Limited",
        unit="of real",
        references=REFERENCES["novelty"],
        settled=("two engines are compared over resampled real pictures and prompts, the same for both",),
    ),
    Row(
        key="resources",
        title="Resource intensity",
        scale=("Moderate", "High"),
        words=_words("Moderate", "Moderate", "High", "High"),
        figure="cost",
        compared=("cost_classifier", "cost_encoder"),
        rising=True,
        ratio=True,
        relative=True,
        rule=thresholds((10, "Moderate"), above="High"),
        rule_text="geometric mean of FLOPs to train to 110 % of its best FD and FLOPs per image, over the cheapest engine's: "
        "up to 10 Moderate, above High",
        unit="× cheapest",
        references=REFERENCES["resources"],
        settled=(
            "the best is sought among sets of pictures drawn now and then during the training, and the interval reaches down "
            "to the set before, as nothing was seen between",
            "engines trained on latents pay for the autoencoder as well",
        ),
    ),
)
