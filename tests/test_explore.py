"""Walks, uploads, repairs and the latent map, without weights and without Gradio."""

from __future__ import annotations

import base64
import io
import math
import struct
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import numpy as np
import pytest
import tiny_engines
import torch
from fakes import WORLD, make_machine
from PIL import Image, ImageDraw

import engines
from engines import Known, Request, Toward, vae, worlds
from engines.networks import linear_vae
from engines.walk import lerp, slerp
from playground import gallery
from playground.compare import Order, compare
from playground.explore import latent_map, repair, uploads, walk
from playground.gallery import Gallery
from playground.recording import record
from playground.ui.items import board as board_item
from playground.ui.items import map as map_item
from playground.ui.items import walk as walk_item
from playground.ui.panes import pack_films, view

DIGITS, FACES = worlds.load("digits"), worlds.load("faces")
WALKERS = [name for name in tiny_engines.TINY if engines.engine_type(name).between]
SHARES = (0.0, 0.3, 0.5, 1.0)


def last(engine, request: Request) -> np.ndarray:
    fields = {"num_inference_steps": 3} if hasattr(engine.params_type(), "num_inference_steps") else {}
    *_, frame = engine.generate(replace(request, params=engine.params_type(**fields)))
    return frame.images


# Walks


def test_slerp_between_axes_is_the_circle():
    first, last_ = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    shares = torch.tensor([0.0, 1 / 3, 0.5, 1.0])
    angles = shares * math.pi / 2
    assert torch.allclose(slerp(first, last_, shares), torch.stack([angles.cos(), angles.sin()], dim=1), atol=1e-6)


def test_slerp_keeps_the_norm_where_lerp_does_not():
    rng = torch.Generator().manual_seed(0)
    first, last_ = torch.randn(1, 4, 8, 8, generator=rng), torch.randn(1, 4, 8, 8, generator=rng)
    half = torch.tensor([0.5])
    assert slerp(first, last_, half).norm() == pytest.approx(first.norm().item(), rel=0.1)
    assert lerp(first, last_, half).norm() < 0.8 * first.norm()
    assert torch.allclose(lerp(first, last_, half), (first + last_) / 2)


def test_slerp_of_parallel_vectors_is_the_straight_line():
    first, half = torch.tensor([[1.0, 2.0]]), torch.tensor([0.5])
    assert torch.allclose(slerp(first, first, half), first)
    assert torch.allclose(slerp(first, 3 * first, half), 2 * first)
    assert torch.allclose(slerp(first, -first, half), torch.zeros(1, 2))


@pytest.mark.parametrize("name", WALKERS)
def test_a_walk_ends_at_the_two_pictures(name):
    engine = tiny_engines.make(name)
    near, far = tiny_engines.PROMPTS[engine.world.name]
    walked = last(engine, Request(near, 3, len(SHARES), toward=Toward(far, 11, SHARES)))
    assert walked.shape == (len(SHARES), *engine.world.image_shape)
    for image, request in ((walked[0], Request(near, 3)), (walked[-1], Request(far, 11))):
        assert np.abs(image.astype(int) - last(engine, request)[0]).max() <= 1
    assert not np.array_equal(walked[0], walked[2])
    assert not np.array_equal(walked[2], walked[-1])


def test_a_style_gan_walks_through_z_as_well():
    engine = tiny_engines.make("faces/gan")
    near, far = tiny_engines.PROMPTS["faces"]
    w, z = (last(engine, Request(near, 3, len(SHARES), toward=Toward(far, 11, SHARES, way))) for way in ("w", "z"))
    for i in (0, -1):
        assert np.abs(w[i].astype(int) - z[i]).max() <= 1
    assert not np.array_equal(w[2], z[2])
    assert set(engine.ways) == {"w", "z"}
    assert engine.between == engine.ways["w"]


def test_every_family_but_the_autoregressive_walks():
    assert {name.partition("/")[2] for name in WALKERS} == {"vae", "gan", "diffusion"}
    for name in set(tiny_engines.TINY) - set(WALKERS):
        with pytest.raises(ValueError, match="nothing lies between"):
            last(tiny_engines.make(name), Request("", 0, 2, toward=Toward("", 1, (0.0, 1.0))))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shares": (0.0, 2.0)}, "share must be a number from 0 to 1, got 2.0"),
        ({"seed": -1}, "seed must be"),
        ({"prompt": "x" * 201}, "at most 200"),
        ({"shares": ()}, "num_images"),
        ({"shares": (0.0,)}, "a share for each of the 2 images"),
        ({"through": "x"}, "through must be w or z, got 'x'"),
    ],
)
def test_wrong_walks_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Request("7", 0, 2, toward=Toward(**({"prompt": "1", "seed": 4, "shares": (0.0, 1.0)} | fields)))


WALK = {"world": WORLD, "from_prompt": "7", "to_prompt": "1", "from_seed": 2, "to_seed": 9, "steps": 5}


def test_a_walk_is_ordered_in_even_steps():
    order = walk.order(WALK)
    assert (order.prompt, order.seed, order.num_images) == ("7", 2, 5)
    assert (order.toward.prompt, order.toward.seed, order.toward.shares) == ("1", 9, (0.0, 0.25, 0.5, 0.75, 1.0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 99}, "steps must be a whole number from 3 to 16, got 99"),
        ({"steps": None}, "steps"),
        ({"from_seed": "x"}, "seed"),
        ({"to_seed": 1.5}, "seed"),
        ({"to_prompt": ["a"]}, "prompt"),
        ({"world": "mars"}, "world must be one of"),
    ],
)
def test_a_wrong_walk_is_explained(fields, message):
    with pytest.raises(ValueError, match=message):
        walk.order(WALK | fields)


def test_the_animation_goes_there_and_back():
    images = np.stack([np.full((28, 28, 1), 60 * i, np.uint8) for i in range(4)])
    file = Image.open(io.BytesIO(walk.animation(images)))
    seen = []
    for i in range(file.n_frames):
        file.seek(i)
        seen.append(int(np.asarray(file.convert("L"))[0, 0]))
    assert seen == [0, 60, 120, 180, 120, 60]
    assert file.info["loop"] == 0


# Uploads


def packed(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def seven(size: int = 200, ink: str = "black", paper: str = "white", mode: str = "RGB") -> Image.Image:
    """A 7 in the upper left of a sheet."""
    image = Image.new(mode, (size, size), paper)
    s = size / 200
    ImageDraw.Draw(image).line([(20 * s, 20 * s), (90 * s, 20 * s), (50 * s, 110 * s)], ink, round(12 * s))
    return image


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A small PNG whose header claims a size; its pixels are zeros, well packed."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1_000_000), 9)) + chunk(b"IEND", b"")


@contextmanager
def at_most(size: int):
    """More memory than this many bytes beyond what the process has cannot be had inside; gives the whole bound, in bytes."""
    resource = pytest.importorskip("resource")
    if not Path("/proc/self/statm").is_file():
        pytest.skip("nothing tells how much memory the process has")
    limits = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + size, limits[1]))
    try:
        yield taken + size
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no picture that can be read"),
        (b"%PDF-1.7 hello", "no picture that can be read"),
        (b"<svg onload=alert(1)>", "no picture that can be read"),
        (b"x" * 50_000_000, "50.0 MB; at most 8 MB"),
        (packed(Image.new("RGB", (1, 1))), "1 × 1 pixels; at least 8 × 8"),
        (bomb(20_000, 20_000), "too large"),
        (bomb(12_000, 10_000), "12,000 × 10,000 pixels; at most 16 million"),
        (bomb(4_100, 4_100), "4,100 × 4,100 pixels; at most 16 million"),
        (packed(seven())[:300], "damaged"),
        (packed(seven(), "JPEG")[:1000], "damaged"),
        (bomb(1_000, 1_000), "damaged"),
        (packed(Image.new("RGB", (50, 50), "white")), "no strokes"),
    ],
)
@pytest.mark.parametrize("world", [DIGITS, FACES], ids=["digits", "faces"])
def test_what_cannot_be_read_is_explained_within_bounded_memory(content, message, world):
    if world is FACES and message == "no strokes":
        assert (uploads.read(content, FACES)[0] == 255).all()  # a white picture is a picture
        return
    with at_most(100_000_000), pytest.raises(ValueError, match=message):
        uploads.read(content, world)


def test_a_large_photograph_stays_within_its_memory():
    content = packed(seven(4000), "JPEG")
    with at_most(150_000_000):
        uploads.read(content, DIGITS)


def test_the_bound_on_memory_can_be_passed():
    with pytest.raises(MemoryError), at_most(100_000_000) as bound:  # more than what earlier tests have freed and the process still has
        np.empty(bound, np.uint8)


def test_dark_on_light_is_turned_around_and_said():
    image, notes = uploads.read(packed(seven()), DIGITS)
    assert (image.shape, image.dtype) == ((28, 28, 1), np.uint8)
    assert np.median(image) == 0
    assert image.max() > 200
    assert any("turned into light on dark" in note for note in notes)
    light, other = uploads.read(packed(seven(ink="white", paper="black")), DIGITS)
    assert np.abs(light.astype(int) - image).max() <= 2
    assert not any("turned into" in note for note in other)


def test_strokes_are_centred_and_as_large_as_mnist_has_them():
    image, _ = uploads.read(packed(seven()), DIGITS)
    rows, _ = np.nonzero(image[..., 0] > 40)
    assert 18 <= rows.max() - rows.min() + 1 <= 21
    weights = image[..., 0] / image.sum()
    assert (weights.sum(1) * np.arange(28)).sum() == pytest.approx(13.5, abs=1)
    assert (weights.sum(0) * np.arange(28)).sum() == pytest.approx(13.5, abs=1)


def test_a_picture_of_the_worlds_own_size_is_taken_as_it_is():
    original = np.random.default_rng(0).integers(0, 90, (28, 28), np.uint8)
    image, notes = uploads.read(packed(Image.fromarray(original)), DIGITS)
    assert np.array_equal(image[..., 0], original)
    assert notes == []


@pytest.mark.parametrize(
    "content",
    [
        packed(seven().convert("CMYK"), "JPEG"),
        packed(seven().convert("L")),
        packed(seven().convert("1")),
        packed(seven().convert("P"), "GIF"),
        packed(seven(), "BMP"),
        packed(seven(), "WEBP", lossless=True),
        packed(Image.fromarray(np.asarray(seven().convert("L")).astype(np.uint16) * 257)),
        packed(seven(mode="RGBA", paper="#00000000")),
        packed(seven(mode="RGBA", ink="white", paper="#ffffff00")),
        packed(seven(mode="LA", paper=(0, 0), ink=(0, 255))),
    ],
    ids=["CMYK", "L", "1", "P", "BMP", "WEBP", "16 bit", "transparent dark", "transparent light", "LA"],
)
def test_every_kind_of_picture_is_the_same_drawing(content):
    expected, _ = uploads.read(packed(seven()), DIGITS)
    image, _ = uploads.read(content, DIGITS)
    assert np.abs(image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    "content",
    [
        packed(seven(100, "red", "yellow").convert("CMYK"), "JPEG", quality=95),
        packed(seven(100, "red", "yellow").convert("RGBA")),
        packed(seven(100, "red", "yellow").convert("P")),
        packed(seven(100, "red", "yellow"), "WEBP", lossless=True),
    ],
    ids=["CMYK", "RGBA", "P", "WEBP"],
)
def test_every_kind_of_picture_keeps_its_colours(content):
    image, _ = uploads.read(content, FACES)
    expected, _ = uploads.read(packed(seven(100, "red", "yellow")), FACES)
    assert np.abs(image.astype(int) - expected).mean() < 6
    clear, notes = uploads.read(packed(seven(100, "red", "#00000000", "RGBA")), FACES)
    assert (clear[-1, -1] == 255).all()
    assert notes == ["Transparent parts were filled with white."]


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_the_largest_pictures_stay_within_their_memory(mode):
    content = packed(Image.new(mode, (4000, 4000)))
    with at_most(400_000_000):
        assert uploads.read(content, FACES)[0].shape == FACES.image_shape


def test_a_turned_photograph_is_set_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    turned = packed(seven().rotate(90), "JPEG", exif=exif, quality=95)
    image, notes = uploads.read(turned, DIGITS)
    expected, _ = uploads.read(packed(seven()), DIGITS)
    assert np.abs(image.astype(int) - expected).mean() < 6
    assert "Turned upright, as the camera noted." in notes


def test_colour_worlds_take_the_middle_in_colour():
    picture = Image.new("RGB", (300, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    image, notes = uploads.read(packed(picture), FACES)
    assert image.shape == FACES.image_shape
    assert (image[32, 32] == (0, 0, 255)).all()
    assert notes == ["Cut to the middle."]


# Repairs


@pytest.fixture
def pictures(monkeypatch):
    """Three held-out pictures."""
    made = np.random.default_rng(1).integers(0, 255, (3, 28, 28, 1), np.uint8)
    monkeypatch.setattr(gallery, "shared", lambda world: SimpleNamespace(held_out=made))
    return made


REPAIR = {"world": WORLD, "picture": "held-out-2", "missing": "lower-half", "prompt": "7", "seed": 3, "num_images": 2}


def test_a_repair_knows_the_upper_half(pictures):
    order = repair.order(REPAIR)
    assert np.array_equal(order.known.images, pictures[2:])
    assert order.known.mask[0, :14].all()
    assert not order.known.mask[0, 14:].any()
    assert (order.prompt, order.seed, order.num_images) == ("7", 3, 2)


@pytest.mark.parametrize("world", [DIGITS, FACES], ids=["digits", "faces"])
@pytest.mark.parametrize("name", repair.MISSING)
def test_every_preset_leaves_something_known_and_something_missing(world, name):
    missing = repair.decode_missing(name, world)
    assert missing.shape == world.image_shape[:2]
    assert 0.05 < missing.mean() < 0.8
    assert np.array_equal(repair.decode_missing(repair.encode_missing(missing), world), missing)


def test_presets_are_where_their_names_say():
    y, x = np.indices((28, 28))
    assert np.array_equal(repair.decode_missing("right-half", DIGITS), x >= 14)
    hole = repair.decode_missing("hole", DIGITS)
    assert hole[13:15, 13:15].all()
    assert not hole[(y < 7) | (y > 20) | (x < 7) | (x > 20)].any()


def test_pictures_survive_a_link():
    grey = np.random.default_rng(0).integers(0, 255, (28, 28, 1), np.uint8)
    assert np.array_equal(repair.decode_picture(repair.encode_picture(grey), DIGITS), grey)
    noise = np.random.default_rng(0).integers(0, 255, FACES.image_shape, np.uint8)  # the worst case
    code = repair.encode_picture(noise)
    assert len(code) < repair.MAX_CODE
    assert len(urlencode({"picture": code})) < len(code) + 20
    assert repair.decode_picture(code, FACES).shape == FACES.image_shape
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)[..., None].repeat(3, 2)
    jpeg = base64.urlsafe_b64encode(packed(Image.fromarray(smooth), "JPEG", quality=90)).decode()  # of browsers that write no WebP
    assert np.abs(repair.decode_picture(jpeg, FACES).astype(int) - smooth).max() < 12


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"picture": "held-out-3"}, "held-out picture must be a whole number from 0 to 2, got 3"),
        ({"picture": "held-out-x"}, "held-out picture"),
        ({"picture": "held-out--1"}, "held-out picture"),
        ({"picture": "AAAA"}, "damaged"),
        ({"picture": "!"}, "damaged"),
        ({"picture": "ü"}, "damaged"),
        ({"picture": None}, "no short text"),
        ({"picture": "A" * 20_000}, "no short text"),
        ({"picture": repair.encode_picture(np.zeros((29, 28, 1), np.uint8))}, "28 × 28 pixels, got 28 × 29"),
        ({"missing": "everything"}, "one bit for each of 28 × 28"),
        ({"missing": None}, "one bit for each"),
        ({"missing": "ü"}, "one bit for each"),
        ({"missing": repair.encode_missing(np.zeros((28, 28), bool))}, "Nothing is missing"),
        ({"seed": "1"}, "seed"),
        ({"num_images": 9}, "num_images must be a whole number from 1 to 4, got 9"),
        ({"world": "mars"}, "world"),
        ({"world": None}, "world"),
    ],
)
def test_a_wrong_repair_is_explained(pictures, fields, message):
    with pytest.raises(ValueError, match=message):
        repair.order(REPAIR | fields)


@pytest.mark.parametrize("name", [name for name in tiny_engines.TINY if name.startswith("digits/")])
def test_a_repaired_picture_keeps_its_known_pixels(pictures, name):
    order = repair.order(REPAIR)
    images = last(tiny_engines.make(name), order.request())
    assert (images[:, :14] == pictures[2, :14]).all()
    assert (images[:, 14:] != pictures[2, 14:]).any()


def test_differences_are_those_at_known_pixels():
    known = Known(np.full((1, 28, 28, 1), 100, np.uint8), np.tri(28, dtype=bool)[None])
    images = np.full((2, 28, 28, 1), 100, np.uint8)
    assert repair.mean_difference(images, known) == 0
    images[1, 5, 5] = 49  # known
    images[0, 3, 9] = 0  # not known
    assert repair.mean_difference(images, known) == pytest.approx(51 / 255 / (2 * np.tri(28).sum()))
    found = repair.differences(images, known)
    assert (found.shape, found.dtype, int(found.sum()), int(found[1, 5, 5, 0])) == (images.shape, np.uint8, 51, 51)
    nothing = Known(known.images, np.zeros((1, 28, 28), bool))
    assert repair.mean_difference(images, nothing) == 0


def test_a_repair_says_and_shows_how_near_each_engine_came_by_itself(pictures):
    *_, comparison = compare(repair.order(REPAIR), make_machine())
    shown = view(comparison, linked=False)
    own = np.full((2, 28, 28, 1), 3, np.uint8)  # what every fake draws at its third step
    own[:, 0, 0] = [[3], [4]]
    share = repair.mean_difference(own, comparison.order.known)
    assert share > 0.1
    assert [pane["kept"] for pane in shown["panes"]] == [f"its own picture is {100 * share:.1f} % off at the known pixels"] * 4
    films = pack_films(comparison)
    picture = Image.open(io.BytesIO(base64.b64decode(films[comparison.panes[0].name]["difference"].partition(",")[2])))
    assert np.array_equal(np.asarray(picture)[:, :28], repair.differences(own, comparison.order.known)[0, :, :, 0])
    assert shown["link"] == ""
    assert record(comparison)["known"]["picture"].startswith("data:image/png")
    *_, plain = compare(Order(WORLD), make_machine())
    assert {pane["kept"] for pane in view(plain)["panes"]} == {""}
    assert {film["difference"] for film in pack_films(plain).values()} == {""}


def test_a_walk_is_kept_as_an_animation():
    *_, comparison = compare(walk.order(WALK), make_machine())
    assert record(comparison)["toward"]["seed"] == 9
    assert comparison.panes[0].marks.match is None  # the prompt of one end says nothing about the pictures between
    file = walk_item.pack_animation(comparison, comparison.panes[0].name)
    assert Image.open(io.BytesIO(base64.b64decode(file["uri"].partition(",")[2]))).size == (252, 252)
    assert file["name"] == "digits-vae-walk.gif"
    with pytest.raises(ValueError, match="drew no walk"):
        walk_item.pack_animation(comparison, "<b>")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "too large"), ("A" * 11_000_000, "too large"), ("A", "did not arrive whole"), ("AAAA", "no picture")],
)
def test_an_upload_that_is_no_file_is_explained(content, message):
    with pytest.raises(ValueError, match=message):
        board_item.pack_upload(content, DIGITS)


def test_an_upload_is_shown_as_its_link_has_it():
    answer = board_item.pack_upload(base64.b64encode(packed(seven())).decode(), DIGITS)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["uri"].partition(",")[2]))))
    assert np.array_equal(shown, repair.decode_picture(answer["picture"], DIGITS)[..., 0])
    assert answer["notes"]


# The latent map


@pytest.fixture(scope="module")
def plane():
    torch.manual_seed(0)
    engine = vae.VAEEngine(linear_vae.LinearVAE(latent_dim=2, width=16, text_dim=32), tiny_engines.digits_encoder())
    images = np.random.default_rng(0).integers(0, 255, (7, 28, 28, 1), np.uint8)
    labels = {"digit": np.arange(7)}
    return engine, images, latent_map.make(engine, Gallery(images, labels, images, labels, {}, 7))


def test_codes_are_the_encoders_means(plane):
    engine, images, made = plane
    assert made.codes.shape == (7, 2)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        mean, _ = engine.model.encode(x, engine.text_encoder.encode(("",) * 7))
    assert np.allclose(made.codes, mean.numpy(), atol=1e-5)
    assert made.names == tuple("0123456789")
    assert made.classes.tolist() == list(range(7))


def test_the_test_sets_codes_ship_with_the_weights_they_are_of(monkeypatch, tmp_path):
    engine = vae.VAEEngine(linear_vae.LinearVAE(latent_dim=2, width=16, text_dim=32), tiny_engines.digits_encoder())
    engine.folder = tmp_path / "digits" / "vae-map"
    engine.save_model(engine.folder)
    images = np.random.default_rng(0).integers(0, 255, (6, 28, 28, 1), np.uint8)
    labels = [DIGITS.random_label(np.random.default_rng(i), {"digit": str(i)}) for i in range(6)]
    monkeypatch.setattr(DIGITS, "load_images", lambda split: (images, labels))
    assert latent_map.load_cloud(engine, tmp_path).shape == (0, 3)
    (tmp_path / latent_map.CODES).parent.mkdir(parents=True)
    latent_map.save_cloud(engine, tmp_path)
    kept = latent_map.load_cloud(engine, tmp_path)
    assert kept[:, 2].tolist() == list(range(6))
    assert np.allclose(kept[:, :2], engine.encode(images, ("",) * 6, (0,) * 6), atol=1e-2)
    shipped = latent_map.load_cloud(engines.load(latent_map.ENGINE))
    assert len(shipped) == 10_000
    torch.nn.init.zeros_(next(engine.model.parameters()))
    engine.save_model(engine.folder)
    assert latent_map.load_cloud(engine, tmp_path).shape == (0, 3)


def test_the_grid_holds_each_point_in_its_place(plane):
    engine, _, made = plane
    side = latent_map.POINTS * 28
    assert (made.sheet.shape, made.sheet.dtype) == ((side, side, 1), np.uint8)
    end = latent_map.EXTENT
    corners = {(0, 0): (-end, end), (0, -1): (end, end), (-1, 0): (-end, -end), (-1, -1): (end, -end)}  # row, column -> z1, z2
    tiles = made.sheet.reshape(latent_map.POINTS, 28, latent_map.POINTS, 28, 1).swapaxes(1, 2)
    for (row, column), point in corners.items():
        exact = latent_map.decode(engine, np.array([point]))
        assert exact.shape == (1, 28, 28, 1)
        assert np.abs(tiles[row, column].astype(int) - exact[0]).max() <= 1
    assert not np.array_equal(tiles[0, 0], tiles[-1, -1])


def test_the_map_is_packed_as_json_data(plane):
    packed_map = map_item.pack_map(plane[2])
    assert len(packed_map["codes"]) == 7
    assert packed_map["codes"][3][2] == 3
    sheet = Image.open(io.BytesIO(base64.b64decode(packed_map["sheet"].partition(",")[2])))
    assert sheet.size == (latent_map.POINTS * 28,) * 2


@pytest.mark.parametrize("point", [(None, 0), (0, "1"), (5, 0), (0, -4.01), (float("nan"), 0), (True, 0)])
def test_a_point_off_the_map_is_refused(point):
    with pytest.raises(ValueError, match=r"z[12] must be a number from -4 to 4"):
        latent_map.check_point(*point)
