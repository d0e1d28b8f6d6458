"""Small files of all accepted formats, and files made to cost much."""

import io
import struct
import warnings
import zlib
from functools import cache

from PIL import Image
from pillow_heif import from_pillow

SIZE = (60, 40)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF", "BMP", "TIFF")


def scene(size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a smooth picture with different corners."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", [across, down, Image.new("L", size, 120)])


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    if image_format == "HEIF":
        from_pillow(image).save(file, **{"quality": 80, **options})
    else:
        image.save(file, image_format, **options)
    return file.getvalue()


@cache
def sample(image_format: str) -> bytes:
    """Return a file of the scene. image_format: a name of Pillow."""
    return encoded(scene(), image_format)


@cache
def turned_heic() -> bytes:
    """Return a HEIC as phones write it: a grid of tiles, upright by its orientation."""
    image = scene((256, 128))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, "HEIF", exif=exif.tobytes(), tile_size=64)


def empty_scans(number: int, side: int = 7000) -> bytes:
    """Return a progressive JPEG with scans that hold nothing and cost time for each block.

    Each refines no coefficient: all blocks are one run of "end of band".
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    table = bytes([0xFF, 0xC4, 0, 20, 0x10, 1, *[0] * 15, 0xE0])  # one code: a run of 2**14 blocks
    blocks = (-(-side // 8)) ** 2
    runs = -(-blocks // 2**14)
    bits = "".join("0" + f"{2**14 - 1:014b}" for _ in range(runs))
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    scan = bytes([0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 0x00]) + coded
    start = data.index(b"\xff\xda")
    return data[:start] + table + scan * number + b"\xff\xd9"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, color_type: int = 0, interlace: int = 0) -> bytes:
    """Return a PNG of zeros with 8 bits per channel; the chunks stand before the pixels."""
    channels = {0: 1, 2: 3, 6: 4}[color_type]
    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels)
    body = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, interlace)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *chunks,
            png_chunk(b"IDAT", body),
            png_chunk(b"IEND", b""),
        ]
    )


def gif_frames(number: int, width: int = 1, height: int = 1) -> bytes:
    """Return a GIF whose frames have one pixel each on a canvas of the given size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return head + frame * number + b"\x3b"


def apng_frames(number: int) -> bytes:
    """Return an animated PNG of one pixel."""
    pixel = zlib.compress(b"\0\0")
    control = struct.pack(">IIIIHHBB", 1, 1, 0, 0, 1, 10, 0, 0)
    chunks = [png_chunk(b"acTL", struct.pack(">II", number, 0))]
    sequence = 0
    for n in range(number):
        chunks.append(png_chunk(b"fcTL", struct.pack(">I", sequence) + control))
        sequence += 1
        if n == 0:
            chunks.append(png_chunk(b"IDAT", pixel))
        else:
            chunks.append(png_chunk(b"fdAT", struct.pack(">I", sequence) + pixel))
            sequence += 1
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def webp_frames(number: int) -> bytes:
    """Return an animated WebP of one pixel: the chunk of its second frame is repeated."""
    black, white = Image.new("RGB", (1, 1)), Image.new("RGB", (1, 1), "white")
    data = encoded(black, "WEBP", save_all=True, append_images=[white], duration=10)
    at = data.index(b"ANMF")
    length = 8 + struct.unpack_from("<I", data, at + 4)[0]
    body = data[8:at] + data[at : at + length] * number
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_strips(number: int) -> bytes:
    """Return a TIFF that claims to have so many strips, all of the same bytes."""
    entries = [
        (256, 4, 1, 16),
        (257, 4, 1, 16),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, number, 200),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, number, 200),
    ]
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + struct.pack("<I", 0)
    return head.ljust(200, b"\0") + struct.pack("<I", 200) * number


def bmp_runs(pixels: int) -> bytes:
    """Return a BMP of 256 colors, in which each pixel is a run of its own."""
    side = int(pixels**0.5)
    palette = bytes(1024)
    row = b"\1\0" * side + b"\0\0"
    body = row * side + b"\0\1"
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + info + palette + body
