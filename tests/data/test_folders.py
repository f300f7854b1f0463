"""Folders as people have them: what is for training, what for the test, what is never read."""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.data.folders import png_bytes, prepare_folder, write_classes
from transfer_jax.data.image_set import SUBSETS
from transfer_jax.data.originals.folders import FILES_A_PART, class_folders
from transfer_jax.data.originals.part import OriginalsError
from transfer_jax.data.sources import load_images


def names(folder: Path) -> dict[str, list[str]]:
    """Subset to the names of its images."""
    found: dict[str, list[str]] = {}
    for part in class_folders(folder).parts:
        found.setdefault(SUBSETS[part.subset], []).extend(o.name for o in part.read())
    return found


@pytest.mark.parametrize(
    ("folders", "subsets"),
    [
        (("train", "valid"), ("train", "test")),
        (("training", "validation"), ("train", "test")),
        (("Train", "Test"), ("train", "test")),
        (("TRAIN", "VAL"), ("train", "test")),
        (("train", "testing"), ("train", "test")),
        (("train", "dev"), ("train", "test")),
        (("train", "eval"), ("train", "test")),
        (("train", "val", "test"), ("train", "validation", "test")),
        (("Training", "dev", "eval"), ("train", "validation", "test")),
        (("train",), ("train",)),
    ],
)
def test_the_usual_names_in_any_case(folders, subsets, tmp_path):
    for count, name in enumerate(folders, start=1):
        write_classes(tmp_path / "d" / name, count=count)
    found = names(tmp_path / "d")
    assert {subset: len(own) for subset, own in found.items()} == {
        subset: 2 * count for count, subset in enumerate(subsets, start=1)
    }
    assert class_folders(tmp_path / "d").class_names == ("cat", "dog")


def test_class_folders_alone_are_all_for_training(tmp_path):
    write_classes(tmp_path / "d", ("train", "bus", "car"))
    assert class_folders(tmp_path / "d").class_names == ("bus", "car", "train")
    assert {subset: len(own) for subset, own in names(tmp_path / "d").items()} == {"train": 30}


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("fold1", "fold2"), "each with folders cat, dog; what they are for cannot be told"),
        (("a", "b", "c"), "call them train, validation and test"),
        (("one", "two", "three", "four", "five"), "put them into a folder called train"),
        (("train", "holdout"), "holds holdout beside train; what it is for cannot be told"),
        (("train", "test", "extra"), "holds extra beside train"),
        (("train", "Train"), "train, both for train"),
        (("test", "testing", "train"), "test and testing, both for test"),
        (("val", "test"), "no folder called train"),
        (("test",), "no folder called train"),
    ],
)
def test_what_cannot_be_told_is_asked(folders, words, tmp_path, capsys):
    for name in folders:
        write_classes(tmp_path / "d" / name, count=1)
    assert prepare_folder(tmp_path / "d", tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()


def test_the_answer_that_the_question_names_works(tmp_path):
    for name in ("fold1", "fold2"):
        write_classes(tmp_path / "d" / name, count=1)
    (tmp_path / "links" / "train").mkdir(parents=True)
    for name in ("fold1", "fold2"):
        (tmp_path / "links" / "train" / name).symlink_to(tmp_path / "d" / name)
    assert class_folders(tmp_path / "links").class_names == ("fold1", "fold2")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "train").symlink_to(tmp_path / "d" / "fold1")
    (tmp_path / "parts" / "test").symlink_to(tmp_path / "d" / "fold2")
    assert names(tmp_path / "parts").keys() == {"train", "test"}


def test_parts_without_class_folders_are_no_classes(tmp_path):
    for name in ("train", "test"):
        (tmp_path / "d" / name).mkdir(parents=True)
        (tmp_path / "d" / name / "1.png").write_bytes(png_bytes(0))
    with pytest.raises(OriginalsError, match="holds test and train, without a folder a class"):
        class_folders(tmp_path / "d")


def test_a_test_folder_without_labels_is_left_out_by_name(tmp_path):
    write_classes(tmp_path / "d" / "train")
    write_classes(tmp_path / "d" / "val", count=2)
    (tmp_path / "d" / "test").mkdir()
    (tmp_path / "d" / "test" / "1.png").write_bytes(png_bytes(0))
    (tmp_path / "d" / "models").mkdir()
    found = class_folders(tmp_path / "d")
    assert {SUBSETS[part.subset] for part in found.parts} == {"train", "test"}
    assert "folder test: without class folders, so without labels" in found.left_out
    assert "folder models: no part by its name" in found.left_out


def test_a_folder_within_a_folder_is_named(tmp_path):
    write_classes(tmp_path / "d" / "pets")
    with pytest.raises(OriginalsError, match=f"holds pets; .*; or give {tmp_path}/d/pets"):
        class_folders(tmp_path / "d")


def test_what_is_hidden_or_made_by_a_system_is_never_read(tmp_path):
    write_classes(tmp_path / "d", count=2)
    junk = [".ipynb_checkpoints/1-checkpoint.png", "._1.png", "Thumbs.db", "desktop.ini",
            "@eaDir/1.png", "deep/.hidden/1.png", "deep/__MACOSX/1.png"]  # fmt: skip
    for name in junk:
        path = tmp_path / "d" / "cat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(0))
    for name in ("__MACOSX", ".git", "@eaDir"):
        write_classes(tmp_path / "d" / name, count=1)
    found = class_folders(tmp_path / "d")
    assert found.class_names == ("cat", "dog")
    read = [original.name for part in found.parts for original in part.read()]
    assert read == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png"]
    assert found.left_out == {"hidden": 4, "made by a system": 6}


def test_links_are_followed_and_circles_are_counted(tmp_path):
    root = write_classes(tmp_path / "d", count=1)
    elsewhere = write_classes(tmp_path / "elsewhere", ("more", "bird"), count=1)
    (root / "cat" / "more").symlink_to(elsewhere / "more")
    (root / "bird").symlink_to(elsewhere / "bird")
    (root / "dog" / "linked.png").symlink_to(elsewhere / "bird" / "0.png")
    (root / "dog" / "again").symlink_to(elsewhere / "more")
    (elsewhere / "more" / "up").symlink_to(elsewhere)
    (root / "cat" / "top").symlink_to(root)
    (root / "loop").symlink_to(root)
    (root / "itself").symlink_to(root / "itself")
    (root / "cat" / "nothing.png").symlink_to(root / "gone.png")
    (root / "cat" / "itself").symlink_to(root / "cat" / "itself")
    (root / "cat" / "twice").symlink_to(elsewhere / "more")
    os.mkfifo(root / "cat" / "pipe.png")
    found = class_folders(root)
    read = [original.name for part in found.parts for original in part.read()]
    assert read == ["bird/0.png", "cat/0.png", "cat/more/0.png", "dog/0.png", "dog/again/0.png",
                    "dog/linked.png"]  # fmt: skip
    assert found.left_out["neither file nor folder"] == 1
    assert found.left_out["a link to a folder that is read already"] == 1
    assert found.left_out["a link in a circle, or to nothing"] == 7


def test_one_folder_under_two_names_is_refused(tmp_path):
    root = write_classes(tmp_path / "d", count=1)
    (root / "feline").symlink_to(root / "cat")
    with pytest.raises(OriginalsError, match="cat and feline are one class"):
        class_folders(root)


def test_names_that_are_not_utf_8_are_brought_in(tmp_path, capsys):
    root = write_classes(tmp_path / "d", count=5)
    odd = os.fsencode(root) + b"/caf\xe9"
    os.mkdir(odd)  # noqa: PTH102
    for i in range(5):
        Path(os.fsdecode(odd + b"/%d\xff.png" % i)).write_bytes(png_bytes(i))
    Path(os.fsdecode(odd + b"/\xe9.txt")).write_bytes(b"no image")
    assert prepare_folder(root, tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert r"caf\xe9/\xe9.txt" in out
    images = load_images("folder", str(tmp_path / "out"))
    assert images.class_names == (r"caf\xe9", "cat", "dog")
    assert Counter(images.labels.tolist()) == {0: 5, 1: 5, 2: 5}
    assert prepare_folder(root, tmp_path / "out", "--check") == 0


def test_a_line_break_in_a_name_stays_on_its_line(tmp_path, capsys):
    root = write_classes(tmp_path / "d", count=3)
    (root / "cat" / "a\nb.txt").write_bytes(b"no image")
    assert prepare_folder(root, tmp_path / "out") == 0
    assert r"cat/a\nb.txt" in capsys.readouterr().out


def test_what_is_left_out_skipped_or_too_small_is_named_when_it_is_prepared(tmp_path, capsys):
    root = write_classes(tmp_path / "d", ("bird", "cat", "dog"))
    (root / "empty").mkdir()
    write_classes(root, ("one",), count=1)
    (root / "broken").mkdir()
    for i in range(2):
        (root / "broken" / f"{i}.png").write_bytes(b"x")
    for i in range(5):
        (root / "cat" / f"notes{i}.csv").write_text("a,b")
    (root / "README.txt").write_text("about")
    assert prepare_folder(root, tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "7 images skipped" in out
    assert "7 images: no image that can be read: cannot identify image file (broken/0.png" in out
    for line in ("  1 beside the class folders", "  1 class empty: no file in its folder",
                 "  1 class broken: no image that can be used",
                 "class of one image, so not to be tested; add images: one"):  # fmt: skip
        assert line in out
    table = [line.split() for line in out.splitlines()]
    assert ["bird", "7", "1", "2"] in table and ["one", "1", "0", "0"] in table
    assert ["all", "4", "classes", "22", "3", "6"] in table
    assert load_images("folder", str(tmp_path / "out")).class_names == ("bird", "cat", "dog", "one")


def test_a_class_without_training_images_is_refused_by_name(tmp_path, capsys):
    write_classes(tmp_path / "d" / "train")
    write_classes(tmp_path / "d" / "test", ("cat", "dog", "bird"), count=1)
    assert prepare_folder(tmp_path / "d", tmp_path / "out") == 1
    assert "holds bird, which has no training images" in capsys.readouterr().err
    write_classes(tmp_path / "d" / "train", ("bird",), count=1)
    (tmp_path / "d" / "train" / "bird" / "0.png").write_bytes(b"x")
    assert prepare_folder(tmp_path / "d", tmp_path / "out") == 1
    assert "class bird has no training image that can be used" in capsys.readouterr().err


def test_a_class_without_test_images_is_named(tmp_path, capsys):
    write_classes(tmp_path / "d" / "train", ("bird", "cat", "dog"))
    write_classes(tmp_path / "d" / "test", count=2)
    assert prepare_folder(tmp_path / "d", tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert "class without test images; add some, or take it out: bird\n" in out


def test_a_part_holds_whole_classes_or_a_share_of_one(tmp_path):
    root = tmp_path / "d"
    for name, count in (("a", 3), ("b", FILES_A_PART + 2), ("c", 4)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            (root / name / f"{i:05d}.png").touch()
    labels = [Counter(label for _, label in part.files) for part in class_folders(root).parts]
    assert labels == [{0: 3}, {1: FILES_A_PART}, {1: 2, 2: 4}]


@pytest.mark.parametrize("classes", [40, 41, 1000])
def test_the_table_fits_80_columns_and_cuts_no_number(classes):
    import numpy as np
    from rich.cells import cell_len

    from transfer_jax.data.image_set import ImageSet
    from transfer_jax.data.summary import class_lines

    words = [f"クラス{'長' * 40}{i}" if i % 2 else f"class {'x' * 90} {i}" for i in range(classes)]
    labels = np.repeat(np.arange(classes), 3)
    labels = np.append(labels, [classes - 1] * 1_234_567)
    subset = np.zeros(len(labels), np.int8)
    subset[np.arange(0, 3 * classes, 3)], subset[np.arange(1, 3 * classes, 3)] = 1, 2
    images = ImageSet(np.zeros((1, 1, 1, 1), np.uint8), labels, subset, tuple(words))
    lines = class_lines(images)
    assert len(lines) == (classes + 2 if classes <= 40 else 4)
    assert all(cell_len(line) <= 80 for line in lines)
    assert "1,234,568" in lines[-2] and lines[-1].split()[:3] == ["all", f"{classes:,}", "classes"]
