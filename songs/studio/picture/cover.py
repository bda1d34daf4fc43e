"""Cover: a square picture whose shapes follow the genre and whose colours follow the feeling.

The picture is drawn at twice its size and reduced, so that every edge is smooth. It has only flat
colours and gradients, so that a PNG of 1024 x 1024 stays far below 400 kB. The song's random
generator places the shapes.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from songs.studio.picture.palettes import Palette, blend, palette
from songs.studio.words.brief import Brief

SIDE = 1024
BIG = SIDE * 2
Dice = np.random.Generator
Scene = Callable[[Image.Image, Palette, float, Dice], None]


def paint(brief: Brief) -> bytes:
    """The cover as PNG bytes."""
    dice = brief.rng("cover")
    colours = palette(brief, dice)
    image = _gradient(
        colours[0], colours[1] if brief.energy > 0.15 else blend(colours[0], colours[1], 0.6)
    )
    _SCENES[_scene_name(brief, dice)](image, colours, brief.energy, dice)
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    target = io.BytesIO()
    small.quantize(160, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        target, "PNG", optimize=True
    )
    return target.getvalue()


def _scene_name(brief: Brief, dice: Dice) -> str:
    names = _SCENES_OF.get(brief.style.name, ("arcs", "ridges", "ribbons"))
    return str(dice.choice(names))


def _gradient(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Image.Image:
    share = np.linspace(0, 1, BIG)[:, None] ** 1.3
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    column = Image.fromarray(rows.round().astype(np.uint8)[:, None, :], "RGB")
    return column.resize((BIG, BIG), Image.Resampling.NEAREST)


def _wave(dice: Dice, count: int, octaves: int = 5, roughness: float = 0.55) -> np.ndarray:
    """A smooth random line of `count` points, about -1 to 1."""
    x = np.linspace(0, 1, count)
    line = np.zeros(count)
    for octave in range(octaves):
        pace = 1.3 * 1.9**octave
        line += roughness**octave * np.sin(2 * np.pi * (pace * x + dice.random()))
    return line / 1.8


def _horizon(image: Image.Image, colours: Palette, energy: float, dice: Dice) -> None:
    """A low sun, its stripes, and ranges of hills that darken towards us."""
    draw = ImageDraw.Draw(image)
    level = BIG * dice.uniform(0.52, 0.7)
    radius, centre = BIG * dice.uniform(0.15, 0.29), BIG * dice.uniform(0.26, 0.74)
    top = level - radius * dice.uniform(1.1, 1.9)
    is_day = sum(colours[0]) > 380
    sun, rim = (colours[2], colours[1]) if is_day else (colours[4], colours[3])
    halo = (255, 252, 244) if is_day else colours[3]
    for step in range(60):
        glow = radius * (2.1 - step / 55)
        if glow > radius:
            sky = image.getpixel((2, int(top + radius)))
            _disc(draw, centre, top + radius, glow, blend(sky, halo, 0.009 * step))  # type: ignore[arg-type]
    for row in range(int(2 * radius)):
        half = np.sqrt(max(0.0, radius**2 - (row - radius) ** 2))
        share = row / (2 * radius)
        gap = share > 0.5 and (row / radius * 7) % 1 < (share - 0.45) * 1.1
        if energy > 0.4 and gap:
            continue
        draw.line(
            [(centre - half, top + row), (centre + half, top + row)], fill=blend(sun, rim, share)
        )
    front = (colours[3], *colours[3:]) if is_day else (colours[2], colours[0])
    _hills(draw, front, level, 4 + round(2 * energy), energy, dice)


def _hills(
    draw: ImageDraw.ImageDraw, colours: Palette, level: float, count: int, energy: float, dice: Dice
) -> None:
    x = np.linspace(0, BIG, 300)
    night = min(colours, key=sum)
    for index in range(count):
        depth = index / max(1, count - 1)
        height = level + (BIG - level) * (0.02 + 0.8 * depth**1.15)
        line = height + _wave(dice, 300, 3 + round(3 * energy), 0.45) * BIG * (
            0.035 + 0.03 * energy
        )
        colour = blend(colours[0], blend(night, (0, 0, 0), 0.25), 0.12 + 0.88 * depth)
        draw.polygon([*zip(x, line, strict=True), (BIG, BIG), (0, BIG)], fill=colour)


def _ridges(image: Image.Image, colours: Palette, energy: float, dice: Dice) -> None:
    """Lines of a waveform, one behind another, that rise where the song is loud."""
    draw = ImageDraw.Draw(image)
    x = np.linspace(0, BIG, 500)
    envelope = np.exp(-(((x / BIG - dice.uniform(0.4, 0.6)) / dice.uniform(0.14, 0.22)) ** 2))
    count = 26 + round(14 * energy)
    for index in range(count):
        share = index / (count - 1)
        base = BIG * (0.2 + 0.66 * share)
        swell = (
            np.abs(_wave(dice, 500, 4 + round(3 * energy), 0.5 + 0.25 * energy))
            * envelope
            * BIG
            * (0.12 + 0.07 * energy)
        )
        line = base - swell - 6 * _wave(dice, 500, 3)
        points = list(zip(x, line, strict=True))
        ground = blend(colours[0], colours[1], (base / BIG) ** 1.3)
        draw.polygon([*points, (BIG, base + BIG * 0.05), (0, base + BIG * 0.05)], fill=ground)
        ink = blend(colours[3], colours[4], abs(2 * share - 1))
        draw.line(points, fill=ink, width=round(11 - 4 * energy), joint="curve")


def _arcs(image: Image.Image, colours: Palette, energy: float, dice: Dice) -> None:
    """Quarter circles, discs and bars on a grid, as a modernist would set them."""
    draw = ImageDraw.Draw(image)
    cells = int(dice.choice([3, 4, 4, 5]))
    margin = BIG * 0.085
    size = (BIG - 2 * margin) / cells
    for row in range(cells):
        for column in range(cells):
            x, y = margin + column * size, margin + row * size
            inks = [colours[i] for i in dice.permutation([1, 2, 3, 4])]
            _tile(draw, x, y, size, inks, int(dice.integers(7)), int(dice.integers(4)))


def _tile(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    size: float,
    inks: list[tuple[int, int, int]],
    kind: int,
    turn: int,
) -> None:
    box = (x, y, x + size - 1, y + size - 1)
    corner_x, corner_y = x + (size if turn in (1, 2) else 0), y + (size if turn >= 2 else 0)
    start = {0: 0, 1: 90, 2: 180, 3: 270}[turn]
    if kind != 6:
        draw.rectangle(box, fill=inks[0])
    if kind in (0, 1, 2):
        for ring, ink in zip((1.0, 0.66, 0.33)[: kind + 1], inks[1:], strict=False):
            r = size * ring
            draw.pieslice(
                (corner_x - r, corner_y - r, corner_x + r, corner_y + r),
                start,
                start + 90,
                fill=ink,
            )
    elif kind == 3:
        _disc(draw, x + size / 2, y + size / 2, size * 0.42, inks[1])
        _disc(draw, x + size / 2, y + size / 2, size * 0.2, inks[2])
    elif kind == 4:
        for bar in range(4):
            top = y + size * (bar + 0.25) / 4
            draw.rectangle((x, top, x + size, top + size / 8), fill=inks[1])
    elif kind == 5:
        draw.polygon(
            [(x, y + size), (x + size, y + size), (x + (size if turn % 2 else 0), y)], fill=inks[1]
        )
    else:
        _disc(draw, x + size / 2, y + size / 2, size * 0.12, inks[1])


def _rings(image: Image.Image, colours: Palette, energy: float, dice: Dice) -> None:
    """Broken concentric rings around a still centre: a record, or a pulse."""
    draw = ImageDraw.Draw(image)
    x, y = BIG * dice.uniform(0.42, 0.58), BIG * dice.uniform(0.42, 0.58)
    count = 11 + round(9 * energy)
    outer, inner = BIG * dice.uniform(0.42, 0.47), BIG * 0.1
    for index in range(count):
        share = index / (count - 1)
        radius = outer + (inner - outer) * share
        ink = blend(colours[2], colours[3], share) if index % 3 else colours[4]
        width = round(BIG * (0.005 + 0.013 * dice.random()))
        for start in np.sort(dice.uniform(0, 360, int(dice.integers(1, 3 + round(3 * energy))))):
            sweep = dice.uniform(40, 250)
            box = (x - radius, y - radius, x + radius, y + radius)
            draw.arc(box, start, start + sweep, fill=ink, width=width)
            for end in (start, start + sweep):
                angle = np.radians(end)
                middle = radius - width / 2
                _disc(draw, x + middle * np.cos(angle), y + middle * np.sin(angle), width / 2, ink)
    _disc(draw, x, y, inner * 0.62, colours[4])
    _disc(draw, x, y, inner * 0.16, colours[0])


def _shards(image: Image.Image, colours: Palette, energy: float, dice: Dice) -> None:
    """Facets that burst from one point."""
    draw = ImageDraw.Draw(image)
    x, y = BIG * dice.uniform(0.35, 0.65), BIG * dice.uniform(0.4, 0.7)
    angles = np.sort(dice.uniform(0, 2 * np.pi, 24 + round(30 * energy)))
    for index, angle in enumerate(angles):
        following = angles[(index + 1) % len(angles)]
        if dice.random() < 0.3:
            continue
        near, far = BIG * dice.uniform(0.03, 0.16), BIG * dice.uniform(0.3, 1.0)
        lit = 0.5 + 0.5 * np.cos(angle + np.pi / 3)
        ink = blend(colours[2], colours[4 if dice.random() < 0.2 else 3], lit)
        corners = [
            (angle, near),
            (angle, far),
            (following - 0.015, far * dice.uniform(0.55, 1)),
            (following - 0.015, near * 1.2),
        ]
        draw.polygon(
            [(x + r * np.cos(a), y + r * np.sin(a)) for a, r in corners],
            fill=blend(ink, colours[0], 0.55 * (1 - lit)),
        )
    _disc(draw, x, y, BIG * 0.028, colours[4])


def _ribbons(image: Image.Image, colours: Palette, energy: float, dice: Dice) -> None:
    """Strings in motion: bundles of curves that cross and part."""
    draw = ImageDraw.Draw(image)
    t = np.linspace(-0.05, 1.05, 260)
    for bundle in range(3):
        start, end, bend = (_wave(dice, 260, 2, 0.4) for _ in range(3))
        offset = dice.uniform(0.3, 0.7)
        strands = 16 + round(12 * energy)
        for strand in range(strands):
            share = strand / (strands - 1)
            spread = 0.16 + 0.14 * energy
            y = (
                offset
                + 0.3 * start * (1 - share)
                + 0.3 * end * share
                + spread * (share - 0.5) * (0.35 + np.abs(bend))
            )
            ink = blend(colours[2 + bundle], colours[0], 0.55 * abs(2 * share - 1))
            draw.line(
                list(zip(t * BIG, y * BIG, strict=True)),
                fill=ink,
                width=5 + round(3 * share),
                joint="curve",
            )
    _disc(
        draw,
        BIG * dice.uniform(0.2, 0.8),
        BIG * dice.uniform(0.14, 0.24),
        BIG * dice.uniform(0.05, 0.09),
        colours[4],
    )


def _pixels(image: Image.Image, colours: Palette, energy: float, dice: Dice) -> None:
    """A creature from an arcade, mirrored down the middle, and its stars."""
    draw = ImageDraw.Draw(image)
    unit = BIG / 16
    for star in dice.uniform(0, 16, (26, 2)):
        x, y = np.floor(star) * unit
        draw.rectangle(
            (x + unit * 0.4, y + unit * 0.4, x + unit * 0.6, y + unit * 0.6),
            fill=blend(colours[1], colours[4], 0.5),
        )
    for row in range(10):
        for column in range(5):
            middle = 1 - abs(row - 4.5) / 9 - column / 14
            if dice.random() > middle:
                continue
            ink = colours[2 + (row // 3 + int(dice.random() < 0.25)) % 3]
            for x in (7 - column, 8 + column):
                draw.rectangle(
                    (x * unit, (row + 3) * unit, (x + 1) * unit - 1, (row + 4) * unit - 1), fill=ink
                )
    for x in (6, 9):
        draw.rectangle((x * unit, 6 * unit, (x + 1) * unit - 1, 7 * unit - 1), fill=colours[4])
        draw.rectangle(
            ((x + 0.3) * unit, 6.3 * unit, (x + 0.7) * unit, 6.7 * unit), fill=colours[0]
        )


def _disc(
    draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: tuple[int, int, int]
) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


_SCENES: dict[str, Scene] = {"horizon": _horizon, "ridges": _ridges, "arcs": _arcs, "rings": _rings,
                             "shards": _shards, "ribbons": _ribbons, "pixels": _pixels}  # fmt: skip
_SCENES_OF: dict[str, tuple[str, ...]] = {
    "synthwave": ("horizon",), "trance": ("horizon", "rings"), "cinematic": ("horizon",),
    "ambient": ("horizon", "ridges"), "piano ballad": ("ridges", "horizon", "ribbons"),
    "folk": ("horizon", "ridges"), "acoustic": ("horizon", "arcs"), "country": ("horizon",),
    "jazz": ("arcs", "rings"), "bossa nova": ("arcs", "horizon"), "latin": ("arcs", "rings"),
    "pop": ("arcs", "rings", "horizon"), "funk": ("arcs", "rings"), "soul": ("rings", "arcs"),
    "disco": ("rings", "arcs"), "lo-fi": ("arcs", "horizon", "rings"), "hip hop": ("rings", "arcs"),
    "techno": ("rings", "ridges"), "house": ("rings", "arcs"), "drum and bass": ("rings", "shards"),
    "trap": ("shards", "rings"), "rock": ("shards", "rings"), "metal": ("shards",),
    "blues": ("ridges", "arcs"), "reggae": ("horizon", "arcs"), "chiptune": ("pixels",),
    "classical": ("ribbons",), "waltz": ("ribbons",), "hymn": ("ribbons", "horizon"),
    "march": ("arcs", "shards"), "lullaby": ("horizon", "ribbons"),
}  # fmt: skip
