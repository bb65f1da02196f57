"""Reads image files of any format, mode and size into one array."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from harness.competition import CompetitionError

# Pillow's names of the formats that are read, whatever a file's suffix says. Formats that call
# other programs, such as EPS, are left out, and so are documents, films and measurements.
Image.init()
FORMATS = tuple(
    name
    for name in (
        *("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG"),
        *("PPM", "QOI", "TGA", "TIFF", "WEBP"),
    )
    if name in Image.OPEN
)
BACKGROUND = "white"  # behind what is transparent


class _Unclear(Exception):
    """Pixels that do not say how bright they are."""


def suffixes() -> frozenset[str]:
    """The suffixes of such files, in lower case, with the dot."""
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, name in known.items() if name in FORMATS)


def read_images(paths: Sequence[Path], size: int) -> np.ndarray:
    """The images in RGB, upright, resized to a square.

    As in a viewer, images that a camera turned are turned back, and transparent parts are white.
    Grey of 16 bits is scaled by its range, not cut to 8. Only the first of several frames or pages
    counts.

    Returns
    -------
    ndarray [n, 3, size, size], float32
        In [0, 1].

    Raises
    ------
    CompetitionError
        If files are not images, are cut short, are too large to be safe, or hold numbers of
        unknown range; it names all of them.
    """
    with ThreadPoolExecutor() as threads, warnings.catch_warnings():
        # Pillow warns at half the size that it refuses; what it reads is all right.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        found = list(threads.map(lambda path: _read(path, size), paths))
    odd = [f"{path}: {f}" for path, f in zip(paths, found, strict=True) if isinstance(f, str)]
    if odd:
        listed = f" {odd[0]}" if len(odd) == 1 else "\n  ".join(["", *odd])
        raise CompetitionError(
            f"{len(odd)} of {len(paths)} images cannot be read; replace or remove:{listed}"
        )
    return np.stack(found).transpose(0, 3, 1, 2)


def _read(path: Path, size: int) -> np.ndarray | str:
    """An image [size, size, 3], or what is wrong with it."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            upright = ImageOps.exif_transpose(image)
            small = _colour(upright, image.format).resize((size, size), Image.Resampling.BILINEAR)
    except Image.DecompressionBombError:
        return f"it has more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels"  # type: ignore[operator]
    except _Unclear as error:
        return str(error)
    except Exception as error:  # a damaged file makes Pillow's readers raise anything
        return f"it is not an image, or damaged ({error})"
    pixels = np.asarray(small, np.float32) / np.float32(255)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def _colour(image: Image.Image, kind: str | None) -> Image.Image:
    """In colour, or in grey of mode "F" where 8 bits would lose some of it; 255 is white."""
    # Pillow scales a PGM of more than 8 bits to 16, in a mode that could hold more.
    if image.mode.startswith("I;16") or (image.mode, kind) == ("I", "PPM"):
        return Image.fromarray(np.asarray(image, np.float32) / np.float32(257))
    if image.mode in ("I", "F"):
        raise _Unclear(
            "its pixels are 32-bit numbers that do not say which one is white; save it "
            "with 8 or 16 bits"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
    return image.convert("RGB")
