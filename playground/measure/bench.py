"""What every row's measurement shares: the engines, the judge, the prompts, and how pictures are drawn and figures stamped."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engines import FAMILIES, Engine, Known, Params, Request, checkpoint
from engines.images import grid
from engines.training import cards
from engines.training.machine import device_name
from engines.worlds.captions import Caption
from engines.worlds.labels import asked
from playground import figures, gallery, metrics
from playground.figures import Figure
from playground.judges import Judge

MIN_IMAGES = 20
WORKPLACE = checkpoint.ROOT.parent / "runs"  # of what is not kept; ignored by git
DRAWN_AT_ONCE = 32  # the quickest size for one thread, or about that
QUICK_SHARES = {"digits": 0.6, "faces": 0.15}  # of a quick measurement's images: what takes longer is drawn less often
QUICK = "quick: "  # before the method of a figure of a quick measurement
REAL_SETS = 5  # of real images, over which the excess of their distance is averaged

log = logging.getLogger(__name__)


@dataclass
class Bench:
    """One measuring session on one world.

    engines: those that are measured, by name within the world, for example "vae"; others: trained as well, and only timed beside them.
    num_images: N of the rows about pictures; all reference images, or at most half of them. seed: of the first image and of the captions.
    root: folder of the checkpoints. out: folder that holds `<world>/figures.json`. cache: of pictures drawn by this commit's code, None
    to keep none. quick: fewer runs and images where a row takes more than N; every figure says so. inception: FID as well, in the row of
    quality. Raises ValueError for another N.
    """

    world: Any
    judge: Judge
    engines: dict[str, Engine]
    num_images: int
    seed: int
    root: Path = checkpoint.ROOT
    out: Path = checkpoint.ROOT
    cache: Path | None = None
    quick: bool = False
    inception: bool = False
    others: dict[str, Engine] = field(default_factory=dict)
    machine: str = field(default_factory=lambda: device_name(torch.device("cpu")))
    commit: str = field(default_factory=cards.commit)
    progress: Callable[[], object] = lambda: None  # called after each engine of a row
    drawn: dict[tuple[str, Params], np.ndarray] = field(default_factory=dict)  # rows share what they draw
    real: dict[tuple[str, bytes | None], metrics.Gaussian] = field(default_factory=dict)  # and what they know of real images
    excess: dict[tuple[str, int, int | None], float] = field(default_factory=dict)

    def __post_init__(self):
        available = self.judge.reference.figures["num_images"]
        if self.num_images != available and not MIN_IMAGES <= self.num_images <= available // 2:
            raise ValueError(f"num_images must be {available}, or from {MIN_IMAGES} to {available // 2}, got {self.num_images}")

    def few(self, most: int, quick: int) -> int:
        """N of what takes fewer images than the rows about pictures: `most`, in a quick measurement the world's share of `quick`."""
        return min(quick_images(self.world.name, quick) if self.quick else most, self.num_images)

    @cached_property
    def everyone(self) -> dict[str, Engine]:
        """All trained engines of the world, in the order of the families."""
        known = self.engines | self.others
        return {name: known[name] for name in sorted(known, key=FAMILIES.index)}

    @cached_property
    def captions(self) -> tuple[Caption, ...]:
        """One caption per reference image."""
        rng = np.random.default_rng(self.seed)
        return tuple(self.world.compose(self.label(i), rng) for i in range(self.num_images))

    def label(self, i: int) -> dict[str, str]:
        """What real image number `i` of the judge's reference shows."""
        return {key: values[self.judge.reference.labels[key][i]] for key, values in self.world.attributes.items()}

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The captions' texts."""
        return tuple(caption.text for caption in self.captions)

    @cached_property
    def asked(self) -> np.ndarray:
        """What the captions ask for, see `labels.asked`."""
        return asked(self.world, [caption.named for caption in self.captions])

    @cached_property
    def gallery(self) -> gallery.Gallery:
        """Real images that ship with the world."""
        return gallery.load(self.world.name, root=self.root)

    def reference(self, space: str) -> np.ndarray:
        """Features (N, D) of as many real held-out images as are drawn."""
        return self.judge.reference.features[space][: self.num_images]

    def floor(self, space: str) -> float:
        """Fréchet distance of as many other real images to all those that the judge's reference holds."""
        return self.judge.reference.figures["floor"][space]

    def distance(self, space: str, features: np.ndarray, rows: np.ndarray | None = None) -> float:
        """Fréchet distance of features (N, D) to all those of the judge's reference, or to its `rows`, as it would be at equal N.

        The distance grows as N falls. What as many real images show more than `floor` is taken off, down to a thousandth of `floor`.
        """
        whole = metrics.gaussian_distance(self._real(space, rows), metrics.fit_gaussian(features))
        return max(whole - self._excess(space, len(features), None if rows is None else len(rows)), 1e-3 * self.floor(space))

    def _real(self, space: str, rows: np.ndarray | None) -> metrics.Gaussian:
        """What the judge sees in its real images, or in `rows` of them."""
        key = (space, None if rows is None else rows.tobytes())
        if key not in self.real:
            known = self.judge.reference.features[space]
            self.real[key] = metrics.fit_gaussian(known if rows is None else known[rows])
        return self.real[key]

    def _excess(self, space: str, count: int, beside: int | None = None) -> float:
        """By how much the distance of `count` real images exceeds `floor`, the mean over a few sets: to `beside` others, or to all others.

        Two sets that do not fit into the reference together are made smaller alike; the excess is taken to fall as they grow.
        """
        known = self.judge.reference.features[space]
        if beside is None and count >= len(known):
            return 0.0
        if (space, count, beside) not in self.excess:
            share, pairs = 1.0, []
            if beside is None:
                starts = range(0, len(known) - count + 1, count)
                pairs = [(np.delete(known, slice(s, s + count), axis=0), known[s : s + count]) for s in starts[:REAL_SETS]]
            else:
                share, rng = min(1.0, len(known) / (count + beside)), self.rng()
                size = int(share * count)
                for _ in range(REAL_SETS):
                    mixed = known[rng.permutation(len(known))[: int(share * (count + beside))]]
                    pairs.append((mixed[size:], mixed[:size]))
            distances = [metrics.frechet_distance(*pair) for pair in pairs]
            self.excess[space, count, beside] = share * float(np.mean(distances)) - self.floor(space)
        return self.excess[space, count, beside]

    def draw(self, name: str, params: Params | None = None, *, count: int | None = None) -> np.ndarray:
        """N pictures of one engine, uint8 (N, H, W, C), one per caption, from seeds `seed` onwards; or those of the first `count`."""
        engine, count = self.everyone[name], count or self.num_images
        settings = (name, params or engine.params_type())
        if len(self.drawn.get(settings, ())) < count:
            self.drawn[settings] = draw_with(engine, self.prompts[:count], settings[1], seed=self.seed, cache=self.cache)
        return self.drawn[settings][:count]

    def rng(self) -> np.random.Generator:
        """For resampling; the same for every figure."""
        return np.random.default_rng(self.seed)

    def figure(
        self,
        value: float,
        unit: str,
        *,
        n: int,
        method: str,
        interval: tuple[float, float] = (None, None),
        resamples: np.ndarray | None = None,
        judged: bool = False,
        seeded: bool = True,
    ) -> Figure:
        """A figure stamped with this session's machine, commit and, if `judged`, judge.

        resamples: (R,), kept with it, from which the interval is taken. seeded: whether it hangs on the session's seed.
        """
        low, high = interval if resamples is None else metrics.interval(resamples)
        judge, seed = self.judge.hash if judged else "", self.seed if seeded else None
        method = f"{QUICK}{method}" if self.quick else method
        kept = () if resamples is None else tuple(resamples.tolist())
        return Figure(float(value), unit, n, method, self.machine, self.commit, low, high, seed, judge, resamples=kept)

    def write(self, row: str, engine: str, named: dict[str, Figure], *, weights: str | None = None) -> None:
        """Store the figures of one engine in one row, stamped with its weights (or `weights`), and show them."""
        if weights is None:
            weights = checkpoint.fingerprint(self.root / self.world.name / engine)
        named = {name: dataclasses.replace(figure, weights=weights) for name, figure in named.items()}
        figures.write(self.world.name, row, engine, named, root=self.out)
        for name, figure in named.items():
            interval = "" if figure.low is None else f"  [{figure.low:.4g}, {figure.high:.4g}]"
            log.info("%s  %s  %s  %.4g %s%s", row, engine, name, figure.value, figure.unit, interval)
        if engine in self.engines:
            if mark := self._mark(row, engine):
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()
            self.progress()

    def show(self, row: str, engine: str, images: np.ndarray, *, columns: int, caption: str) -> None:
        """Keep pictures, uint8 (N, H, W, C), as the evidence of one engine in one row: a sheet, and what it shows."""
        figures.write_evidence(self.world.name, row, engine, grid(images, columns=columns, gap=2), caption, root=self.out)

    def read(self, row: str) -> dict[str, dict[str, Figure]]:
        """The figures stored for a row, by engine and name."""
        return figures.read(self.world.name, root=self.out).get(row, {})

    def unfinished(self, row: str) -> Iterator[str]:
        """The engines of which a row was not measured yet by a session like this one."""
        for engine in self.engines:
            mark, stored = self._mark(row, engine), self.read(row).get(engine, {})
            if mark and mark.is_file() and any(figure.commit == self.commit for figure in stored.values()):
                log.info("%s  %s  as stored, measured by this commit", row, engine)
                self.progress()
            else:
                yield engine

    def _mark(self, row: str, engine: str) -> Path | None:
        """A file that is there once a session of these settings has measured a row of an engine; None where nothing is kept."""
        weights = checkpoint.fingerprint(self.root / self.world.name / engine)
        settings = (self.num_images, self.seed, self.inception, weights, self.judge.hash)
        digest = hashlib.sha256(repr(settings).encode()).hexdigest()
        return self.cache and self.cache / f"{self.world.name}-{row}-{engine}-{digest[:16]}.done"

    def known(self, row: str, engine: str, name: str, *, n: int) -> Figure | None:
        """A stored figure, if this session would find the same: it `fits`, and the code was the same, which only a commit can tell."""
        figure = self.read(row).get(engine, {}).get(name)
        same_code = figure and named_by(self.commit) and figure.commit == self.commit
        return figure if same_code and self.fits(figure, engine, n=n) else None

    def fits(self, figure: Figure, engine: str, *, n: int) -> bool:
        """Whether a stored figure was taken over n, of the same weights, from the same seed, by the same judge, and quick if this is."""
        weights = checkpoint.fingerprint(self.root / self.world.name / engine)
        same = (figure.n, figure.weights) == (n, weights) and figure.seed in (None, self.seed) and figure.judge in ("", self.judge.hash)
        return same and figure.method.startswith(QUICK) == self.quick


def named_by(commit: str) -> bool:
    """Whether a commit names the code that runs, so that what it found may be taken again."""
    return commit != cards.UNKNOWN and not commit.endswith("+")


def draw_with(
    engine: Engine,
    prompts: Sequence[str],
    params: Params | None = None,
    *,
    known: Known | None = None,
    seed: int,
    cache: Path | None = None,
) -> np.ndarray:
    """Pictures, uint8 (N, H, W, C), one per prompt, from seeds `seed` onwards.

    cache: folder in which they are kept as they come, so that a measurement that was killed goes on where it was. It is for one version
    of the code.
    """
    folder = cache / _name_of(engine, prompts, params, known, seed) if cache else None

    def part(where: slice) -> np.ndarray:
        kept = folder / f"{where.start}-{where.stop}.npy" if folder else None
        if kept and kept.is_file():
            return np.load(kept)
        some = tuple(prompts[where])
        stays = known and Known(known.images[where], known.mask[where])
        images = engine.draw(Request(some, seed=seed + where.start, num_images=len(some), params=params, known=stays)).images
        if kept:
            folder.mkdir(parents=True, exist_ok=True)
            np.save(kept.with_suffix(".partial.npy"), images)
            kept.with_suffix(".partial.npy").replace(kept)
        return images

    return in_parts(part, len(prompts), what=engine.family)


def in_parts(part: Callable[[slice], np.ndarray], count: int, *, what: str) -> np.ndarray:
    """What `part` makes of every `DRAWN_AT_ONCE` of `count` things, or of fewer where there would be none for some threads, joined.

    As many parts are made side by side as torch has threads, each by one: a third faster than all threads together on large parts.
    """
    threads = torch.get_num_threads()
    size = min(DRAWN_AT_ONCE, -(-count // threads))
    parts = [slice(start, start + size) for start in range(0, count, size)]
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            made = tqdm(pool.map(part, parts), total=len(parts), desc=what, unit="part", leave=False, disable=None)
            return np.concatenate(list(made))
    finally:
        torch.set_num_threads(threads)  # some of torch's libraries were told of the workers' one as well


def quick_images(world_name: str, count: int) -> int:
    """How many images of a world stand for `count` in a quick measurement."""
    return round(QUICK_SHARES[world_name] * count)


def _name_of(engine: Engine, prompts: Sequence[str], params: Params | None, known: Known | None, seed: int) -> str:
    """A name that tells apart whatever would be drawn differently: by other weights, prompts, settings, pixels, numbers."""
    weights = [checkpoint.fingerprint(folder) for folder in (engine.folder, engine.folder.parent / "text")] if engine.folder else []
    digest = hashlib.sha256(repr((engine.world.name, engine.family, weights, tuple(prompts), params, seed)).encode())
    for array in (known.images, known.mask) if known else ():
        digest.update(array.tobytes())
    return f"{engine.world.name}-{engine.family}-{digest.hexdigest()[:16]}"
