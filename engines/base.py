"""What every engine shares: the request it takes, the frames it yields, the settings a visitor may move.

An engine is a function from a request to a stream of frames; the last frame is the picture.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from engines import checkpoint
from engines.images import blurred, to_float, to_uint8

FAMILIES = ("vae", "gan", "autoregressive", "diffusion")
MAX_IMAGES = 256
MAX_PROMPT_LENGTH = 200
MAX_SEED = 2**31 - 1
FADING_ROUNDS = 16  # of averaging over 3x3 pixels, see `join`


class PromptError(ValueError):
    """The prompt asks for something that the world cannot show; the message says what and what it can."""


def slider(
    default: float, minimum: float, maximum: float, step: float, *, label: str, hint: str, dial: tuple[float, float, float] | None = None
) -> Any:
    """A number that a visitor may move. An `int` default makes an integer setting.

    dial: three values of the setting that decides how strictly a prompt is followed, the loosest first.
    """
    limits = {"minimum": minimum, "maximum": maximum, "step": step}
    return field(default=default, metadata={**limits, "label": label, "hint": hint, "dial": dial})


def guidance_slider(default: float, maximum: float) -> Any:
    """How strongly the text steers, for engines that compare what they would draw with and without it."""
    hint = "How hard the text pulls: 0 ignores it, 1 is plain conditional, high is exaggerated."
    return slider(default, 0.0, maximum, 0.25, label="Guidance", hint=hint, dial=(1.0, 2.0, 4.0))


def choice(default: str, options: tuple[str, ...], *, label: str, hint: str) -> Any:
    """One of several named options."""
    return field(default=default, metadata={"options": options, "label": label, "hint": hint})


@dataclass(frozen=True)
class Params:
    """Base of an engine's settings: every field is a `slider` or a `choice`, checked on creation.

    Raises ValueError naming the field, the value and what is allowed.
    """

    def __post_init__(self):
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if "options" in f.metadata:
                if value not in f.metadata["options"]:
                    raise ValueError(f"{f.name} must be one of {', '.join(f.metadata['options'])}, got {value!r}")
            else:
                check_number(f.name, value, f.metadata["minimum"], f.metadata["maximum"], integer=isinstance(f.default, int))


def check_number(name: str, value: Any, minimum: float, maximum: float, *, integer: bool) -> None:
    """Raise ValueError unless `value` is a finite number (a whole one if `integer`) in [minimum, maximum]."""
    kind = "a whole number" if integer else "a number"
    allowed = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, allowed) or not minimum <= value <= maximum:
        raise ValueError(f"{name} must be {kind} from {minimum:g} to {maximum:.10g}, got {value!r}")


@dataclass(frozen=True, eq=False)
class Known:
    """Pictures of which a part must stay; the engine draws the rest.

    images: uint8 (N, H, W, C). mask: bool (N, H, W), True where a pixel must stay. N may be 1 for all images of a request.
    Raises ValueError for other types or shapes.
    """

    images: np.ndarray
    mask: np.ndarray

    def __post_init__(self):
        if not isinstance(self.images, np.ndarray) or self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(f"known images must be uint8 (N, H, W, C), got {_kind(self.images)}")
        if not isinstance(self.mask, np.ndarray) or self.mask.dtype != bool or self.mask.shape != self.images.shape[:3]:
            raise ValueError(f"the mask must be bool {self.images.shape[:3]}, got {_kind(self.mask)}")


@dataclass(frozen=True, eq=False)
class Toward:
    """The far end of a walk: image i lies `shares[i]` of the way from the request's own prompt and seed to these.

    prompt: text, or None or "" for anything. seed: 0 ... 2**31 - 1. shares: one number in [0, 1] per image. through: "w" or "z", what an
    engine that has both is to walk through; "" for its own choice, and others have none.
    Raises ValueError naming the field, the value and what is allowed.
    """

    prompt: str | None
    seed: int
    shares: tuple[float, ...]
    through: str = ""

    def __post_init__(self):
        if isinstance(self.prompt, tuple):
            raise ValueError(f"a walk ends at one prompt, got {self.prompt!r}")
        if self.through not in ("", "w", "z"):
            raise ValueError(f"through must be w or z, got {self.through!r}")
        Request(self.prompt, self.seed, len(self.shares))
        for share in self.shares:
            check_number("share", share, 0, 1, integer=False)


def _kind(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


@dataclass(frozen=True)
class Request:
    """What a visitor asks for.

    prompt: text, one text per image (a tuple), or None or "" for any picture of the world. At most 200 characters.
    seed: 0 ... 2**31 - 1. Image i depends on seed + i alone.
    num_images: 1 ... 256.
    params: an instance of the engine's `params_type`, or None for its defaults.
    known: pictures of which a part must stay, or None.
    toward: the far end of a walk that starts from one prompt and seed, or None. Then all images share that seed. An engine whose
    `between` is None refuses it.
    previews: whether frames before the last are wanted too.

    Raises ValueError naming the field, the value and the range.
    """

    prompt: str | tuple[str, ...] | None = None
    seed: int = 0
    num_images: int = 1
    params: Params | None = None
    known: Known | None = field(default=None, compare=False)
    toward: Toward | None = field(default=None, compare=False)
    previews: bool = field(default=True, compare=False)

    def __post_init__(self):
        check_number("num_images", self.num_images, 1, MAX_IMAGES, integer=True)
        check_number("seed", self.seed, 0, MAX_SEED, integer=True)
        if not isinstance(self.prompt, str | tuple | None):
            raise ValueError(f"prompt must be text, got {self.prompt!r}")
        if isinstance(self.prompt, tuple) and len(self.prompt) != self.num_images:
            raise ValueError(f"prompt must be one text or one per image ({self.num_images}), got {len(self.prompt)}")
        if self.known is not None and len(self.known.mask) not in (1, self.num_images):
            raise ValueError(f"known must hold 1 or {self.num_images} images, got {len(self.known.mask)}")
        if self.toward is not None and (isinstance(self.prompt, tuple) or len(self.toward.shares) != self.num_images):
            raise ValueError(f"a walk takes one prompt and a share for each of the {self.num_images} images")
        for prompt in self.prompts:
            if not isinstance(prompt, str):
                raise ValueError(f"prompt must be text, got {prompt!r}")
            if len(prompt) > MAX_PROMPT_LENGTH:
                raise ValueError(f"prompt must have at most {MAX_PROMPT_LENGTH} characters, got {len(prompt)}")

    @property
    def prompts(self) -> tuple[str, ...]:
        """One prompt per image; "" where nothing is asked."""
        return self.prompt if isinstance(self.prompt, tuple) else (self.prompt or "",) * self.num_images

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed per image, wrapped at the end of the range; the same for all images of a walk."""
        if self.toward:
            return (self.seed,) * self.num_images
        return tuple((self.seed + i) % (MAX_SEED + 1) for i in range(self.num_images))


@dataclass(frozen=True)
class Frame:
    """One moment of an engine's work; the last one holds the picture.

    images: uint8 (N, H, W, C), the current best picture.
    step, num_steps: 1 ... num_steps; rises from frame to frame.
    nfe: network evaluations so far (a guided step counts both of its evaluations).
    seconds: engine time so far: network work only, no preview, no encoding, no waiting.
    extra: the family's own arrays, for example x_t or the distribution over the next pixel; in the last frame of a request with known
    pixels also "own", the pictures as the engine drew them, before those pixels were put back (see `join`).
    """

    images: np.ndarray
    step: int
    num_steps: int
    nfe: int
    seconds: float
    extra: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """Pictures squeezed to a code and put together again from it.

    images: uint8 (N, H, W, C). bits: float (N,), size of each picture's code. code: what it consists of, in words.
    """

    images: np.ndarray
    bits: np.ndarray
    code: str


@dataclass(frozen=True, eq=False)
class Inspection:
    """How an engine that says one piece after another came to one of them, teacher-forced, before guidance and temperature.

    candidates: what the likeliest pieces look like, uint8 (M, h, w, C), the likeliest first; probabilities: theirs, (M,).
    said: index among the candidates of the piece that is there, -1 when it is none of them, and said_probability.
    attention: share of its attention on the places before it, float (rows, columns) of the grid of pieces; words: on the text.
    """

    candidates: np.ndarray
    probabilities: np.ndarray
    said: int
    said_probability: float
    attention: np.ndarray
    words: tuple[tuple[str, float], ...]


class Stopwatch:
    """Adds up the seconds spent inside its `with` blocks."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds = 0.0

    @contextmanager
    def __call__(self):
        start = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - start


class Engine:
    """One family trained on one world. Subclasses implement `generate`, and what else they can do.

    max_threads: of torch on a CPU; with more of them drawing a few pictures becomes no faster.
    latent: the entry of `frame.extra` with the vectors that pictures are drawn from, which may be moved and given to `redraw`: (N, D), or
        (N, 1, D) where each layer may have its own.
    between: what a walk between two pictures interpolates, in words; None for engines of separate choices, between which nothing lies.
    ways: the same for each `Toward.through`, of engines that leave a choice.
    movable: what `moving_parts` are, in words; None where there are none.
    encodes, rebuilds, inspects, scores: whether `encode`, `rebuild`, `inspect` and `score` work.
    """

    family: ClassVar[str]
    params_type: ClassVar[type[Params]]
    max_threads: ClassVar[int] = 64
    latent: ClassVar[str | None] = None
    movable: ClassVar[str | None] = None
    between: ClassVar[str | None] = None
    ways: ClassVar[dict[str, str]] = {}
    rebuilds: ClassVar[bool] = False
    encodes: ClassVar[bool] = False
    inspects: ClassVar[bool] = False
    scores: ClassVar[bool] = False

    def __init__(self, model: torch.nn.Module, text_encoder: Any, *, card: str = "", folder: Path | None = None):
        self.folder = folder
        self.model = model.eval()
        self.text_encoder = text_encoder.eval()
        self.world = text_encoder.world
        self.card = card

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def generate(self, request: Request) -> Iterator[Frame]:
        """Yield the frames of one request, oldest first; the last one holds the picture, and is the only one without `previews`."""
        raise NotImplementedError

    def draw(self, request: Request) -> Frame:
        """The last frame of a request, without the work for the others."""
        (last,) = self.generate(dataclasses.replace(request, previews=False))
        return last

    def redraw(self, latents: np.ndarray, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> np.ndarray:
        """Pictures, uint8 (N, H, W, C), of latents, as `latent` says, float32, with the prompts and seeds they came with."""
        raise NotImplementedError(f"{self.world.name}/{self.family} has no latent vector to draw from")

    def encode(self, images: np.ndarray, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> np.ndarray:
        """Latents, float32 (N, D), that stand for pictures, uint8 (N, H, W, C), beside their prompts and seeds."""
        raise NotImplementedError(f"{self.world.name}/{self.family} has no encoder for its latents")

    def refine_direction(
        self, direction: np.ndarray, before: np.ndarray, after: np.ndarray, key: str, value: str, *, steps: int
    ) -> np.ndarray:
        """A direction in latents that is to turn `key` into `value`, bettered in so many steps by what the engine itself knows.

        before, after: latents of N pictures each, drawn from the same random numbers by prompts that differ in that alone. direction:
        (D,) in latents (N, D), left as it is by an engine that knows nothing of it; or (1, D) in (N, 1, D), from which one for each
        layer, (layers, D), may come.
        """
        return direction

    def moving_parts(self, frame: Frame) -> np.ndarray:
        """All that the last network drew a frame's pictures from, the text included, float32: what may be moved and drawn again."""
        raise NotImplementedError(f"{self.world.name}/{self.family} draws from nothing that could be moved")

    def draw_moved(self, parts: np.ndarray) -> np.ndarray:
        """Pictures, uint8 (N, H, W, C), of what `moving_parts` gave, moved."""
        raise NotImplementedError(f"{self.world.name}/{self.family} draws from nothing that could be moved")

    def rebuild(self, images: np.ndarray, prompts: tuple[str, ...]) -> Rebuilt:
        """Squeeze pictures, uint8 (N, H, W, C), to codes and put them together again; the prompts say what is in them."""
        raise NotImplementedError(f"{self.world.name}/{self.family} has no encoder")

    def pieces(self) -> tuple[int, int]:
        """Rows and columns of the grid of pieces that `inspect` knows."""
        raise NotImplementedError(f"{self.world.name}/{self.family} does not draw piece by piece")

    def inspect(self, frame: Frame, prompt: str, place: int) -> Inspection:
        """How it came to piece `place` of a last frame's first picture, counted row by row. Raises ValueError for a place off the grid."""
        raise NotImplementedError(f"{self.world.name}/{self.family} does not draw piece by piece")

    def score(self, images: np.ndarray, prompts: tuple[str, ...]) -> np.ndarray:
        """How real pictures, uint8 (N, H, W, C), look to its discriminator beside their prompts: float32 (N,), higher for more real."""
        raise NotImplementedError(f"{self.world.name}/{self.family} holds no discriminator")

    def check_place(self, place: int) -> None:
        """Raise ValueError when a place is not on the grid of pieces."""
        rows, columns = self.pieces()
        check_number("place", place, 0, rows * columns - 1, integer=True)

    def save_model(self, folder: Path) -> None:
        """Write the weights in half precision, with their config."""
        checkpoint.save(self.model, folder)

    def params(self, request: Request) -> Params:
        """The request's settings, or the defaults. Raises ValueError when they belong to another engine."""
        params = self.params_type() if request.params is None else request.params
        if not isinstance(params, self.params_type):
            raise ValueError(f"params must be {self.params_type.__name__}, got {type(params).__name__}")
        return params

    def told(self, request: Request) -> tuple[str, ...]:
        """The prompts that pictures are drawn from: what each leaves open is decided by its picture's seed (`TextEncoder.complete`).

        Where pixels must stay these decide, so prompts are left as they are. Raises PromptError when a prompt cannot be drawn.
        """
        return request.prompts if request.known else self.text_encoder.complete(request.prompts, request.seeds)

    def refuse_walk(self, request: Request) -> None:
        """Raise ValueError when the request is a walk, for engines that have nothing to walk through."""
        if request.toward:
            raise ValueError("This engine draws by separate choices, one after another: nothing lies between two of its pictures")

    def known(self, request: Request) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Pictures (N, C, H, W) in [-1, 1] and mask (N, 1, H, W), 1 where a pixel must stay; None where nothing must.

        Raises ValueError when the pictures are not of the world's size.
        """
        if request.known is None:
            return None
        images, mask = request.known.images, request.known.mask
        if images.shape[1:] != self.world.image_shape:
            raise ValueError(f"known images must be {self.world.image_shape} (H, W, C), got {images.shape[1:]}")
        n = request.num_images // len(images)
        x, kept = to_float(images), torch.from_numpy(mask[:, None]).float()
        return x.repeat(n, 1, 1, 1).to(self.device), kept.repeat(n, 1, 1, 1).to(self.device)


def paste(images: np.ndarray, request: Request) -> np.ndarray:
    """Pictures, uint8 (N, H, W, C), with the pixels that must stay put back exactly."""
    return images if request.known is None else np.where(request.known.mask[..., None], request.known.images, images)


def join(images: np.ndarray, request: Request) -> np.ndarray:
    """`paste` for a last frame: what an engine drew otherwise in those pixels also fades into its own beside them, for less of a seam.

    The difference is averaged outwards from the known pixels for a few rounds; a full solution would carry it further
    (seamless cloning, Pérez et al. 2003, doi:10.1145/882262.882269).
    """
    if request.known is None:
        return images
    mask = torch.from_numpy(np.broadcast_to(request.known.mask, images.shape[:3]).copy())[:, None]  # (N, 1, H, W)
    off = torch.where(mask, to_float(np.broadcast_to(request.known.images, images.shape)) - to_float(images), 0.0)  # (N, C, H, W)
    carried = off
    for _ in range(FADING_ROUNDS):
        carried = torch.where(mask, off, blurred(carried))
    return paste(to_uint8(to_float(images) + carried), request)


def own_pictures(images: np.ndarray, request: Request) -> dict[str, np.ndarray]:
    """For the `extra` of a last frame: "own", the pictures before `paste` or `join`, where pixels must stay; else nothing."""
    return {} if request.known is None else {"own": images}


def generators(request: Request) -> list[torch.Generator]:
    """One CPU generator per image, seeded with seed + i."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds]


def randn(shape: tuple[int, ...], rngs: list[torch.Generator]) -> torch.Tensor:
    """Standard normal noise (N, *shape) on the CPU, image i from generator i alone."""
    return torch.stack([torch.randn(shape, generator=rng) for rng in rngs])
