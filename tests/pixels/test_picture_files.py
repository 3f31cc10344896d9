"""One table of endings, litter and columns for data sets and predictions."""

import subprocess
import sys

import pytest

from fer_core.pixels.picture_files import column_word, is_image, is_litter


@pytest.mark.parametrize("name", ["a.PNG", "b/a.jfif", "a.jpe", "a.x.webp", "a.TIFF", "a.gif"])
def test_images_are_known_by_their_ending(name):
    assert is_image(name) and not is_image(f"{name}.txt")


@pytest.mark.parametrize(
    "name",
    ["._a.png", ".DS_Store", "__MACOSX", "@eaDir", "Thumbs.db", "THUMBS.DB", "desktop.ini", ".git"],
)
def test_litter_is_known_by_name(name):
    assert is_litter(name) and not is_litter("a.png")


def test_columns_are_known_whatever_their_case_and_marks():
    assert column_word(" Image_Path ") == column_word("image path") == "imagepath"


def test_the_table_is_light():
    code = (
        "import sys, fer_core.pixels.picture_files; "
        "print(sorted({'numpy', 'cv2', 'pydantic', 'yaml'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
