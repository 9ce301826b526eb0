"""Draw one avatar: attributes and a little chance in, a 64x64 picture out.

The parts come from the vector library `python_avatars` (MIT licence); `resvg_py` turns the vectors into pixels. Both are needed to
make training images only, so they are imported when the first picture is drawn.
"""

from __future__ import annotations

import colorsys
import io
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

PACKAGES = ("python_avatars", "resvg_py")
SIZE = 64  # pixels
CROP = (21.0, 28.0, 222.0)  # x, y and side of the square cut out of the library's 264x280 canvas

# Values of the attributes -> names of the library's parts
HAIR_STYLES = {
    "afro": "FRO",
    "bald": "NONE",
    "bob": "BOB",
    "braids": "CORNROWS",
    "curly": "CURLY",
    "dreadlocks": "DREADS",
    "messy": "MOWGLI",
    "mohawk": "MOHAWK",
    "quiff": "QUIFF",
    "short": "SHORT_FLAT",
    "spiky": "EVIL_SPIKE",
    "straight": "STRAIGHT_STRAND",
    "wavy": "LOOSE_HAIR",
}
EYES = {"closed": "CLOSED", "crossed": "X_DIZZY", "hearts": "HEART", "open": "DEFAULT", "wide": "SURPRISED", "winking": "WINK"}
EYEBROWS = {"angry": "ANGRY", "neutral": "DEFAULT", "raised": "RAISED_EXCITED", "worried": "SAD_CONCERNED"}
MOUTHS = {"neutral": "SERIOUS", "open": "SCREAM_OPEN", "sad": "SAD", "smile": "SMILE", "teeth": "GRIMACE", "tongue": "TONGUE"}
GLASSES = {"none": "NONE", "round": "ROUND", "square": "PRESCRIPTION_2", "sunglasses": "WAYFARERS"}
FACIAL_HAIR = {"beard": "BEARD_MAGESTIC", "goatee": "BEARD_LIGHT", "moustache": "MOUSTACHE_MAGNUM", "none": "NONE"}
CLOTHES = {
    "blazer": "BLAZER_SHIRT",
    "hoodie": "HOODIE",
    "overalls": "OVERALL",
    "suit": "SHIRT_WICK",
    "sweater": "COLLAR_SWEATER",
    "t-shirt": "SHIRT_CREW_NECK",
    "v-neck": "SHIRT_V_NECK",
}

HAIR_COLORS = {
    "auburn": "#8f3b1b",
    "black": "#231a17",
    "blonde": "#dcb964",
    "blue": "#3d6fd1",
    "brown": "#6d4a2f",
    "gray": "#95989c",
    "pink": "#f28ab2",
    "red": "#d94a1e",
    "white": "#f1efe9",
}
SKIN_TONES = {"brown": "#a9673c", "dark": "#6f4a37", "light": "#efc09a", "pale": "#fbe3d2", "tan": "#cf9360", "yellow": "#f8d25c"}
CLOTHES_COLORS = {
    "black": "#2a2b30",
    "blue": "#3a6fd8",
    "gray": "#9b9ea6",
    "green": "#3f9b4f",
    "pink": "#f291bd",
    "red": "#cf2f33",
    "white": "#f4f4f2",
    "yellow": "#f3cf3f",
}
BACKGROUNDS = {"blue": "#7cc0ee", "gray": "#b9bcc2", "green": "#8fd39a", "orange": "#f3b273", "pink": "#f3b6cf", "white": "#f6f6f4"}


@dataclass(frozen=True)
class Variation:
    """What differs between two avatars with the same attributes.

    shift: of the head, in canvas units, right and down. scale: of the head. tilt: degrees, clockwise. light: direction the light
    comes from, degrees. shade: how dark the far side gets, 0 ... 1. tints: per part, changes of hue, saturation and value.
    """

    shift: tuple[float, float]
    scale: float
    tilt: float
    light: float
    shade: float
    tints: dict[str, tuple[float, float, float]]


def vary(rng: np.random.Generator) -> Variation:
    """A random variation, small enough that every attribute stays visible."""
    return Variation(
        shift=tuple(rng.uniform(-7, 7, size=2)),
        scale=rng.uniform(0.93, 1.07),
        tilt=rng.uniform(-7, 7),
        light=rng.uniform(0, 360),
        shade=rng.uniform(0.1, 0.35),
        tints={part: tuple(rng.uniform(-1, 1, size=3) * (0.012, 0.08, 0.06)) for part in ("hair", "skin", "clothes", "background")},
    )


def draw(label: dict[str, str], variation: Variation) -> np.ndarray:
    """The picture of an avatar, uint8 (64, 64, 3)."""
    import resvg_py

    data = resvg_py.svg_to_bytes(svg_string=to_svg(label, variation), width=SIZE, height=SIZE)
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"))


def to_svg(label: dict[str, str], variation: Variation) -> str:
    """The avatar before a shaded background and under a soft light, as an SVG document."""
    import python_avatars as pa

    def tinted(part: str, color: str) -> str:
        return tint(color, variation.tints[part])

    hair = tinted("hair", HAIR_COLORS.get(label["hair_color"], HAIR_COLORS["brown"]))
    avatar = pa.Avatar(
        style=pa.AvatarStyle.TRANSPARENT,
        top=pa.HairType[HAIR_STYLES[label["hair_style"]]],
        hair_color=hair,
        facial_hair=pa.FacialHairType[FACIAL_HAIR[label["facial_hair"]]],
        facial_hair_color=hair,
        skin_color=tinted("skin", SKIN_TONES[label["skin_tone"]]),
        eyes=pa.EyeType[EYES.get(label["eyes"], EYES["open"])],
        eyebrows=pa.EyebrowType[EYEBROWS[label["eyebrows"]]],
        mouth=pa.MouthType[MOUTHS[label["mouth"]]],
        accessory=pa.AccessoryType[GLASSES[label["glasses"]]],
        clothing=pa.ClothingType[CLOTHES[label["clothes"]]],
        clothing_color=tinted("clothes", CLOTHES_COLORS[label["clothes_color"]]),
    ).render()
    start, end = avatar.index("<svg"), avatar.index(">", avatar.index("<svg"))
    namespaces = " ".join(re.findall(r'xmlns\S*="[^"]*"', avatar[start:end]))
    body = avatar[end + 1 : avatar.rindex("</svg>")]
    x, y, side = CROP
    box = f'x="{x}" y="{y}" width="{side}" height="{side}"'
    dx, dy = variation.shift
    pose = (
        f"translate({dx:.2f} {dy:.2f}) rotate({variation.tilt:.2f} 132 150) "
        f"translate(132 150) scale({variation.scale:.4f}) translate(-132 -150)"
    )
    light = f'gradientTransform="rotate({variation.light:.1f} 0.5 0.5)"'
    background = tinted("background", BACKGROUNDS[label["background"]])
    return f"""<svg {namespaces} viewBox="{x} {y} {side} {side}">
<defs>
<linearGradient id="light" {light}>
<stop offset="0" stop-color="#fff" stop-opacity="{variation.shade * 0.6:.3f}"/><stop offset="0.5" stop-color="#fff" stop-opacity="0"/>
<stop offset="0.5" stop-color="#000" stop-opacity="0"/><stop offset="1" stop-color="#000" stop-opacity="{variation.shade:.3f}"/>
</linearGradient>
</defs>
<rect {box} fill="{background}"/><rect {box} fill="url(#light)"/>
<g transform="{pose}">{body}</g>
<rect {box} fill="url(#light)" opacity="0.6"/>
</svg>"""


def tint(color: str, change: tuple[float, float, float]) -> str:
    """A colour "#rrggbb" moved in hue, saturation and value (each 0 ... 1)."""
    rgb = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    h, s, v = colorsys.rgb_to_hsv(*rgb)
    dh, ds, dv = change
    moved = colorsys.hsv_to_rgb((h + dh) % 1, min(max(s * (1 + ds), 0), 1), min(max(v * (1 + dv), 0), 1))
    return "#" + "".join(f"{round(255 * c):02x}" for c in moved)
