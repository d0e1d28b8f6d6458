"""Titles made from the names of files, and names that nobody chose."""

import unicodedata

import pytest

from posts.ingest.file_names import words_from_file_name

CHOSEN_NAMES = [
    *("cafe", "face", "dad", "beef", "decade", "ca phe", "facade", "bad", "deadbeef", "Ada", "bee"),
    *("Tết 2024", "tet2024", "decade 2024", "facade2024", "2 cats", "3d", "U23 Việt Nam", "F1"),
    *("photo of a cat", "Screenshot of my dog", "line", "signal", "final", "night 20240101"),
    *("猫", "🐱", "Hình ảnh Đà Nẵng", "ảnh đẹp", "Sam 2024", "photo at night", "mèo 2", "Ý"),
]
GENERATED_NAMES = [
    *("IMG_1234", "IMG_E1234", "DSC0001", "DSC_0001 (2)", "P1010001", "_MG_1234", "GOPR0123"),
    *("PXL_20240101_123456789", "PXL_20240101_123456789.NIGHT", "MVIMG_20200101_000000"),
    *("IMG_1234 edited", "IMG_1234-copy", "IMG_20240101_BURST001_COVER", "20240101_102233_HDR"),
    *("3F2504E0-4F89-11D3-9A0C-0305E82C3301", "3f2504e04f8911d39a0c0305e82c3301", "a1b2c3d4"),
    *("deadbeef12345678", "8f14e45fceea167a5a36dedd4bea2543", "GMqXKz9bYAA1r2c", "1a2b3c4d5e"),
    *("Screenshot 2024-01-01 at 10.22.33 AM", "Screenshot_20240101-102233_Chrome", "DJI_0001"),
    *("Screenshot_2024-01-01-10-22-33-12_com.zing.zalo", "pexels-photo-1234567"),
    *("Ảnh chụp màn hình 2024-01-31 lúc 10.20.30", "Screen Shot 2024-01-01 at 10.22.33"),
    *("z1234567890123_abcdef0123456789abcdef0123456789", "123456789_1234567890_n", "0", "---"),
    *("123456789_1234567890123_1234567890_o", "FB_IMG_1700000000000", "received_1234567890"),
    *("IMG-20240101-WA0001", "WhatsApp Image 2024-01-01 at 10.22.33 (1)", "Snapchat-1234567"),
    *("photo_2024-01-01_10-22-33", "Messenger_creation_1234567890", "viber_image_2024-01-01"),
    *(
        "image (3)",
        "image0",
        "mmexport1700000000000",
        "unnamed",
        "download (1)",
        "blob",
        "1080x1920",
        "１２３４",
    ),
]


@pytest.mark.parametrize("name", CHOSEN_NAMES)
def test_a_file_name_that_means_something_is_a_title(name: str) -> None:
    assert words_from_file_name(f"{name}.jpg") == name


@pytest.mark.parametrize("name", GENERATED_NAMES)
def test_a_file_name_of_a_device_is_no_title(name: str) -> None:
    assert words_from_file_name(f"{name}.jpg") == ""
    assert words_from_file_name(unicodedata.normalize("NFD", f"{name}.PNG")) == ""
