"""The two tar files of ILSVRC-2012, read in place: one holds a tar a class, one the test images.

TFDS prepares the same files, from the first image to the last on one core, and starts anew when it
is stopped; read here, every class is a part of its own. The labels are those of TFDS.
"""

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer_jax.data import imagenet
from transfer_jax.data.image_set import TEST, TRAIN
from transfer_jax.data.originals.listing import never_read
from transfer_jax.data.originals.part import Original, Originals, OriginalsError

TRAIN_TAR, VALIDATION_TAR = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
MEMBERS_A_PART = 500


@dataclass(frozen=True)
class Member:
    """A file within a tar file: where its bytes are."""

    name: str
    offset: int
    size: int
    label: int

    def content(self, tar: Path) -> bytes:
        """Its bytes."""
        with tar.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(frozen=True)
class ClassTar:
    """The training images of one class: a tar file within the tar file."""

    tar: Path
    member: Member
    subset: int = TRAIN

    @property
    def inputs(self) -> list[Any]:
        """Which tar it is, and when its file changed."""
        return [_known(self.tar), self.member.name, self.member.offset, self.member.size]

    def read(self) -> Iterator[Original]:
        """The images, in the order of their names."""
        inner = io.BytesIO(self.member.content(self.tar))
        try:
            with tarfile.open(fileobj=inner) as archive:
                for found in sorted(_files(archive), key=lambda info: info.name):
                    content = archive.extractfile(found)
                    assert content is not None
                    yield Original(found.name, self.member.label, content.read())
        except tarfile.TarError as error:
            raise OriginalsError(
                f"{self.tar}: {self.member.name} within it is damaged: {error}"
            ) from None


@dataclass(frozen=True)
class Members:
    """Some of the validation images."""

    tar: Path
    members: tuple[Member, ...]
    subset: int = TEST

    @property
    def inputs(self) -> list[Any]:
        """Which images they are, and when their file changed."""
        return [_known(self.tar), [(m.name, m.offset, m.size) for m in self.members]]

    def read(self) -> Iterator[Original]:
        """The images, in the order of their names."""
        for member in self.members:
            yield Original(member.name, member.label, member.content(self.tar))


def imagenet_tars(folder: Path) -> Originals:
    """ILSVRC-2012 in the two tar files as they are downloaded.

    Args:
      folder: holds ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar.

    Returns:
      A part a class, and parts of 500 validation images.

    Raises:
      OriginalsError: a file is missing, cut short, or holds something else.
    """
    train, validation = folder / TRAIN_TAR, folder / VALIDATION_TAR
    if missing := [path.name for path in (train, validation) if not path.is_file()]:
        raise OriginalsError(
            f"{folder} lacks {' and '.join(missing)}; download from image-net.org and give their "
            "folder as --manual_dir"
        )
    index = {wnid: i for i, wnid in enumerate(imagenet.class_names())}
    classes = []
    for info in _members(train):
        wnid = Path(info.name).stem
        if wnid not in index:
            raise OriginalsError(f"{train} holds {info.name}, which is no class of ILSVRC-2012")
        classes.append(Member(info.name, info.offset_data, info.size, index[wnid]))
    classes.sort(key=lambda member: member.label)
    images = sorted(_members(validation), key=lambda info: info.name)
    tests = [_test_member(info) for info in images]
    return Originals(
        parts=(
            *(ClassTar(train, member) for member in classes),
            *(
                Members(validation, tuple(tests[start : start + MEMBERS_A_PART]))
                for start in range(0, len(tests), MEMBERS_A_PART)
            ),
        ),
        class_names=imagenet.class_names(),
        groups=imagenet.groups(),
        place=os.path.realpath(folder),
        fixed_classes=True,
    )


def _known(tar: Path) -> tuple[str, int, int]:
    status = tar.stat()
    return tar.name, status.st_size, status.st_mtime_ns


def _test_member(info: tarfile.TarInfo) -> Member:
    number = imagenet.validation_number(Path(info.name).name)
    label = -1 if number is None else int(imagenet.validation_labels()[number - 1])
    return Member(Path(info.name).name, info.offset_data, info.size, label)


def _members(tar: Path) -> list[tarfile.TarInfo]:
    """The files in a tar file; only their headers are read."""
    size = tar.stat().st_size
    try:
        with tarfile.open(tar) as archive:
            found = _files(archive)
    except tarfile.TarError as error:
        raise OriginalsError(f"{tar} is cut short or no tar file: {error}") from None
    if not found:
        raise OriginalsError(f"{tar} holds no files")
    last = max(found, key=lambda info: info.offset_data)
    if last.offset_data + last.size > size:
        raise OriginalsError(
            f"{tar} is cut short: it has {size:,} bytes, {last.name} ends at "
            f"{last.offset_data + last.size:,}; download it again"
        )
    return found


def _files(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    found = [info for info in archive.getmembers() if info.isfile()]
    return [info for info in found if not never_read(Path(info.name).name)]
