"""Pictures become what a viewer shows, whatever their file is like, or are refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.competition import CompetitionError
from harness.data.images import read_images, suffixes

RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def saved(path: Path, image: Image.Image, **settings: object) -> Path:
    image.save(path, **settings)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_grey_of_16_bits_keeps_them_all(tmp_path, suffix, order):
    values = RAMP.astype(order if suffix == "tif" else "<u2")
    path = saved(tmp_path / f"ramp.{suffix}", Image.fromarray(values))
    (image,) = read_images([path], 256)
    assert np.allclose(image, RAMP / 65535, atol=1e-6)
    assert len(np.unique(image)) == 65536


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_numbers_of_no_known_range_are_refused(tmp_path, dtype):
    path = saved(tmp_path / "depth.tif", Image.fromarray(RAMP.astype(dtype)))
    with pytest.raises(CompetitionError, match="depth.tif: its pixels are 32-bit numbers"):
        read_images([path], 8)


def test_a_photograph_is_upright(tmp_path):
    y, x = np.mgrid[0:48, 0:48] / 48
    photo = Image.fromarray((np.dstack([y, x * 0.3, 0 * x]) * 255).astype(np.uint8))
    tag = Image.Exif()
    tag[0x0112] = 6  # as a telephone stores what it took upright
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    upright, as_stored = read_images(
        [
            saved(tmp_path / "1.jpg", photo, quality=95),
            saved(tmp_path / "2.jpg", turned, quality=95, exif=tag.tobytes()),
        ],
        16,
    )
    assert abs(upright - as_stored).mean() < 0.01


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_a_white_background(tmp_path, mode):
    black = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    black.paste((0, 0, 0, 0), (0, 0, 4, 8))
    path = saved(tmp_path / "cut.png", black.convert(mode))
    (image,) = read_images([path], 8)
    assert np.all(image[:, :, :4] == 1)
    assert np.all(image[:, :, 4:] == 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB"])
def test_every_other_mode_becomes_colour(tmp_path, mode):
    path = saved(
        tmp_path / "x.tif",
        Image.new("RGB", (9, 5), "white").convert("L").convert(mode)
        if mode != "LAB"
        else Image.new("LAB", (9, 5), (255, 128, 128)),
    )
    (image,) = read_images([path], 4)
    assert image.shape == (3, 4, 4)
    assert image.min() > 0.95


@pytest.mark.parametrize("suffix", ["avif", "bmp", "gif", "jfif", "jpe", "ppm", "webp"])
def test_what_pillow_reads_is_an_image(tmp_path, suffix):
    path = saved(tmp_path / f"red.{suffix}", Image.new("RGB", (16, 16), "red"))
    assert f".{suffix}" in suffixes()
    (image,) = read_images([path], 4)
    assert np.allclose(image, np.array([1, 0, 0])[:, None, None], atol=0.05)


def test_a_program_is_not_called_to_read_a_file(tmp_path):
    page = tmp_path / "page.png"
    page.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with Image.open(page) as image:
        assert image.format == "EPS"
    with pytest.raises(CompetitionError, match="page.png: it is not an image"):
        read_images([page], 8)


def test_a_bomb_is_refused_by_name_and_a_large_image_is_not(tmp_path, recwarn):
    large = saved(tmp_path / "map.png", Image.new("L", (10000, 9500)))
    assert read_images([large], 4).shape == (1, 3, 4, 4)
    assert not recwarn.list
    bomb = saved(tmp_path / "panorama.png", Image.new("L", (20000, 10000)))
    with pytest.raises(CompetitionError, match="panorama.png: it has more than 178,956,970 pixels"):
        read_images([bomb], 4)


def test_everything_that_is_wrong_is_listed_at_once(tmp_path):
    good = saved(tmp_path / "good.png", Image.new("L", (8, 8)))
    noise = Image.fromarray(np.random.default_rng(0).integers(256, size=(64, 64), dtype=np.uint8))
    cut, empty, text = (tmp_path / name for name in ("cut.png", "empty.jpg", "text.gif"))
    saved(cut, noise)
    cut.write_bytes(cut.read_bytes()[:900])
    empty.touch()
    text.write_text("no image")
    lost = tmp_path / "lost.png"
    lost.symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(CompetitionError) as error:
        read_images([good, cut, empty, text, lost], 8)
    first, *others = str(error.value).splitlines()
    assert first == "4 of 5 images cannot be read; replace or remove:"
    assert [line.split(":")[0].strip() for line in others] == list(
        map(str, (cut, empty, text, lost))
    )
