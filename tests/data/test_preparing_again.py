"""Preparing again after the originals changed: brought up to date exactly, or refused by name."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.folders import png_bytes, prepare_folder, write_classes
from transfer_jax.data.decoding import ImageForm, decode
from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.originals.folders import class_folders
from transfer_jax.data.preparation import prepare
from transfer_jax.data.prepared_part import Preparation
from transfer_jax.data.records import open_records

FORM = ImageForm(8)
SETTINGS = Preparation("folder", FORM, "raw")


@pytest.fixture
def root(tmp_path) -> Path:
    return write_classes(tmp_path / "pets", ("bird", "cat", "dog"))


@pytest.fixture
def out(root, tmp_path) -> Path:
    assert prepare_folder(root, tmp_path / "out") == 0
    return tmp_path / "out"


def check_exact(out: Path, root: Path) -> ImageSet:
    """Every image of the folder is there under its class, and nothing else."""
    images = open_records(out, stream=False)
    there = sorted(
        (images.class_names[label], pixels.tobytes())
        for label, pixels in zip(images.labels, images.in_memory, strict=True)
    )
    expected = sorted(
        (path.parent.name, decode(path.read_bytes(), path.name, FORM).pixels.tobytes())
        for path in root.glob("*/*.png")
    )
    assert there == expected
    named = {name for shard in Path(out).glob("*.json") for name in [shard.stem] if "-" in name}
    files = {path.name.split(".")[0] for path in out.iterdir()}
    assert files - {"dataset", "preparation"} == named
    assert len(named) == len(json.loads((out / "dataset.json").read_text())["shards"])
    return images


def rename(root: Path) -> None:
    (root / "cat").rename(root / "lion")


def add_class(root: Path) -> None:
    write_classes(root, ("ant",))


def remove_class(root: Path) -> None:
    shutil.rmtree(root / "bird")


def swap_names(root: Path) -> None:
    (root / "cat").rename(root / "x")
    (root / "dog").rename(root / "cat")
    (root / "x").rename(root / "dog")


def add_image(root: Path) -> None:
    (root / "bird" / "new.png").write_bytes(png_bytes(12345))


def remove_image(root: Path) -> None:
    (root / "cat" / "3.png").unlink()


def replace_image(root: Path) -> None:
    (root / "dog" / "3.png").write_bytes(png_bytes(54321))


def move_image(root: Path) -> None:
    (root / "dog" / "3.png").rename(root / "cat" / "moved.png")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename, "class lion is new; class cat is gone; 10 images are new (lion/0.png, ...)"),
        (add_class, "class ant is new; 10 images are new (ant/0.png, ...)"),
        (remove_class, "class bird is gone; 10 images are gone (bird/0.png, ...)"),
        (swap_names, "20 images are changed (cat/0.png, ...)"),
        (add_image, "1 image is new (bird/new.png)"),
        (remove_image, "1 image is gone (cat/3.png)"),
        (replace_image, "1 image is changed (dog/3.png)"),
        (move_image, "1 image is new (cat/moved.png); 1 image is gone (dog/3.png)"),
    ],
)
def test_a_change_is_brought_up_to_date_exactly_and_told(change, said, root, out, capsys):
    before = check_exact(out, root)
    change(root)
    assert prepare_folder(root, out, "--check") == 1
    assert said in capsys.readouterr().err
    assert prepare_folder(root, out) == 0
    assert f"Brought up to date: {said}" in capsys.readouterr().out.replace("\n", "")
    after = check_exact(out, root)
    assert after.digest != before.digest
    assert prepare_folder(root, out, "--check") == 0
    assert prepare_folder(root, out) == 0
    assert "Brought up to date" not in capsys.readouterr().out
    assert check_exact(out, root).digest == after.digest


def test_parts_whose_originals_did_not_change_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("transfer_jax.data.originals.folders.FILES_A_PART", 10)
    root = write_classes(tmp_path / "pets", ("bird", "cat", "dog"))
    list(prepare(class_folders(root), SETTINGS, tmp_path / "out", workers=1))
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("train-*")}
    add_class(root)
    replace_image(root)
    list(prepare(class_folders(root), SETTINGS, tmp_path / "out", workers=1))
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("train-*")}
    kept = before.items() & after.items()
    # Two parts of three, with their images, sums and record; the new class has two files more.
    assert len(kept) == 6 and len(after) == 12
    check_exact(tmp_path / "out", root)


def test_a_change_that_keeps_size_and_time_is_found_by_the_check(root, out, capsys):
    path = root / "cat" / "3.png"
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert prepare_folder(root, out, "--check") == 1
    line = capsys.readouterr().err
    assert "1 image is changed (cat/3.png)" in line and "touch it first" in line
    path.touch()
    assert prepare_folder(root, out) == 0
    assert "cat/3.png" in capsys.readouterr().out
    assert prepare_folder(root, out, "--check") == 0


def test_another_time_alone_changes_nothing(root, out, capsys):
    digest = check_exact(out, root).digest
    for path in root.glob("*/*.png"):
        os.utime(path, (1, 1))
    assert prepare_folder(root, out) == 0
    assert "Brought up to date" not in capsys.readouterr().out
    assert check_exact(out, root).digest == digest


@pytest.mark.parametrize("keep_times", [True, False])
def test_originals_that_were_moved_are_the_same(keep_times, root, out, tmp_path, capsys):
    files = {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.name != "preparation.json"}
    moved = tmp_path / "moved"
    shutil.copytree(root, moved, copy_function=shutil.copy2 if keep_times else shutil.copyfile)
    shutil.rmtree(root)
    assert prepare_folder(moved, out) == 0
    shards = {name: time for name, time in files.items() if name.startswith("train")}
    assert shards.items() <= {p.name: p.stat().st_mtime_ns for p in out.iterdir()}.items()
    check_exact(out, moved)


@pytest.mark.parametrize(
    ("classes", "count", "said"),
    [
        (("bird", "cat", "dog"), 10, "30 images are changed"),
        (("bird", "cat", "dog"), 9, "3 images are gone"),
        (("apple", "pear"), 10, "class apple is new; class pear is new; class bird is gone"),
    ],
)
def test_a_second_dataset_in_the_same_folder_is_refused(
    classes, count, said, out, tmp_path, root, capsys
):
    other = write_classes(tmp_path / "other", classes, count)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert prepare_folder(other, out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and "choose another data.folder" in line and str(root) in line
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_the_same_place_with_other_classes_throughout_is_refused(root, out, capsys):
    for name in ("bird", "cat", "dog"):
        shutil.rmtree(root / name)
    write_classes(root, ("apple", "pear"))
    assert prepare_folder(root, out) == 1
    assert "none of its classes, bird to dog, is in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("form.size=12", "size is 8 there, 12 here"),
        ("form.encoding=jpeg", "encoding is raw there, jpeg here"),
        ("form.resize=crop", "resize is warp there, crop here"),
        ("source=imagenet2012", None),
    ],
)
def test_another_form_is_refused_and_the_field_named(field, said, root, out, capsys):
    assert prepare_folder(root, out, f"--config.data.{field}") == 1
    (line,) = capsys.readouterr().err.splitlines()
    if said:
        assert said in line and "choose another data.folder" in line
    check_exact(out, root)


def test_a_stopped_preparation_whose_originals_change_is_brought_up_to_date(tmp_path, monkeypatch):
    monkeypatch.setattr("transfer_jax.data.originals.folders.FILES_A_PART", 10)
    root, out = write_classes(tmp_path / "pets", ("bird", "cat", "dog")), tmp_path / "out"
    progress = prepare(class_folders(root), SETTINGS, out, workers=1)
    for done in progress:
        if done.parts == 1:
            break
    progress.close()
    assert not (out / "dataset.json").exists()
    rename(root)
    replace_image(root)
    list(prepare(class_folders(root), SETTINGS, out, workers=1))
    check_exact(out, root)


def test_a_stopped_update_leaves_the_old_dataset_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("transfer_jax.data.originals.folders.FILES_A_PART", 10)
    root, out = write_classes(tmp_path / "pets", ("bird", "cat", "dog")), tmp_path / "out"
    list(prepare(class_folders(root), SETTINGS, out, workers=1))
    before = check_exact(out, root)
    for path in root.glob("*/*.png"):
        path.write_bytes(png_bytes(hash(path.name) % 1000 + 7))
    progress = prepare(class_folders(root), SETTINGS, out, workers=1)
    for done in progress:
        if done.parts == 1:
            break
    progress.close()
    images = open_records(out, stream=False)
    assert images.digest == before.digest
    np.testing.assert_array_equal(images.in_memory, before.in_memory)
    list(prepare(class_folders(root), SETTINGS, out, workers=1))
    check_exact(out, root)


def test_an_unfinished_one_is_not_taken_by_another_dataset(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("transfer_jax.data.originals.folders.FILES_A_PART", 10)
    root, out = write_classes(tmp_path / "pets"), tmp_path / "out"
    progress = prepare(class_folders(root), SETTINGS, out, workers=1)
    for done in progress:
        if done.parts == 1:
            break
    progress.close()
    other = write_classes(tmp_path / "other")
    assert prepare_folder(other, out) == 1
    assert f"was begun with the images of {root}" in capsys.readouterr().err


@pytest.mark.parametrize("version", [None, 1, 3])
def test_records_of_another_version_are_refused(version, root, out, capsys):
    for name in ("dataset.json", "preparation.json"):
        held = json.loads((out / name).read_text())
        del held["version"]
        (out / name).write_text(
            json.dumps(held if version is None else {**held, "version": version})
        )
    assert prepare_folder(root, out) == 1
    assert f"a dataset of format {version or 1}, not 2" in capsys.readouterr().err
    with pytest.raises(ValueError, match=f"a dataset of format {version or 1}, not 2"):
        open_records(out, stream=True)


def delete_shard(out: Path) -> None:
    next(out.glob("train-*.array_record")).unlink()


def cut_shard(out: Path) -> None:
    path = next(out.glob("train-*.array_record"))
    path.write_bytes(path.read_bytes()[:-10])


def delete_sums(out: Path) -> None:
    next(out.glob("*.sums.npz")).unlink()


def damage_manifest(out: Path) -> None:
    path = out / "dataset.json"
    path.write_text(path.read_text()[:100])


@pytest.mark.parametrize("damage", [delete_shard, cut_shard, delete_sums, damage_manifest])
def test_what_is_missing_or_damaged_is_made_anew(damage, root, out, capsys):
    digest = check_exact(out, root).digest
    damage(out)
    assert prepare_folder(root, out, "--check") == 1
    assert prepare_folder(root, out) == 0
    assert "Brought up to date" not in capsys.readouterr().out
    assert check_exact(out, root).digest == digest
    assert prepare_folder(root, out, "--check") == 0


def test_a_place_within_the_originals_is_refused(root, capsys):
    assert prepare_folder(root, root / "prepared") == 1
    assert f"is within {root}, the originals" in capsys.readouterr().err
    assert not (root / "prepared").exists()


def test_the_check_says_when_the_originals_are_not_there(root, out, capsys):
    shutil.rmtree(root)
    assert prepare_folder(root, out, "--check") == 0
    assert "is not there: the originals are not compared" in capsys.readouterr().out


def test_the_record_names_every_file_with_its_size_and_checksum(root, out):
    records = [json.loads(path.read_text()) for path in out.glob("train-*.json")]
    listed = {
        name: (class_name, size, digest)
        for record in records
        for name, class_name, size, digest in record["originals"]
    }
    assert listed == {
        str(path.relative_to(root)): (
            path.parent.name,
            path.stat().st_size,
            hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest(),
        )
        for path in root.glob("*/*.png")
    }
    held = json.loads((out / "preparation.json").read_text())
    assert held["version"] == 2 and held["encoding"] == "raw" and held["place"] == str(root)
    assert held["form"] == {
        "size": 8, "resize": "warp", "channels": 3, "background": [255, 255, 255],
        "interpolation": "bilinear",
    }  # fmt: skip


def test_the_digest_is_of_what_a_run_sees_not_of_names_places_and_times(root, out, tmp_path):
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(root, copy, copy_function=shutil.copyfile)
    for path in copy.glob("*/*.png"):
        path.rename(path.with_name(f"z{path.name}"))
    (copy / "cat" / "notes.txt").write_text("no image")
    assert prepare_folder(copy, tmp_path / "again") == 0
    assert open_records(tmp_path / "again", stream=True).digest == check_exact(out, root).digest
    # Test images are another dataset.
    parts = tmp_path / "parts"
    shutil.copytree(root, parts / "train")
    shutil.copytree(root, parts / "test")
    assert prepare_folder(parts, tmp_path / "parted") == 0
    seen = {open_records(path, stream=True).digest for path in (out, tmp_path / "parted")}
    assert len(seen) == 2


def test_a_file_where_the_dataset_should_be_is_told(root, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert prepare_folder(root, tmp_path / "file") == 1
    assert "file is a file; choose another data.folder" in capsys.readouterr().err


def test_what_another_process_prepares_at_the_same_time_stays(root, tmp_path):
    """Its file has the name of a part of this very dataset, or of one that changed meanwhile."""
    out, found = tmp_path / "out", class_folders(root)
    first = prepare(found, SETTINGS, out, workers=0)
    next(first)
    next(first)
    (whole,) = sorted(out.glob("train-*.array_record"))[:1]
    theirs = out / f".{whole.stem}.77.partial"
    theirs.write_bytes(b"begun")
    killed = out / f".{whole.stem}.78.partial"
    killed.write_bytes(b"begun")
    os.utime(killed, (0, 0))
    for _ in first:
        pass
    assert theirs.exists() and not killed.exists()
    # A process that was slower, and finds all there, ends as the first one does.
    before = {path.name: path.read_bytes() for path in out.iterdir() if path != theirs}
    for _ in prepare(class_folders(root), SETTINGS, out, workers=0):
        pass
    os.utime(theirs, (0, 0))
    for _ in prepare(class_folders(root), SETTINGS, out, workers=0):
        pass
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
