import hashlib

import pytest

from transfer_jax.data import imagenet
from transfer_jax.data.tasks import named_split, random_halves
from transfer_jax.grid.conditions import Split

# Of the authors' own lists, yosinski/convnet_transfer at 9838c27.
MD5 = {
    "0A": "2f10009e20d77eb7007cf70674958b94",
    "0B": "cce39b383d681345c873faf2c0c28d33",
    "1A": "9ab48b6420504e32ff4498e7d8569f8b",
    "1B": "57522f5e2aa69547846089f5197c8a6b",
    "2A": "03d05b6565ab9176baccdd05d746bfd1",
    "2B": "18de8b37378e07e60dc602b6130eeeb2",
    "3A": "46086440ddde128f169f23331998499d",
    "3B": "e5f9f0895fd0d49a8ac0b804ec891282",
}
MAN_MADE, NATURAL = "f03be5732fb6bc7928ee53397b043613", "4fb63c72229ba07106a558127192cb9f"


def md5_of(split: Split, task: str) -> str:
    return hashlib.md5(imagenet.validation_list(split.task(task)).encode()).hexdigest()


@pytest.mark.parametrize("half", MD5)
def test_a_random_half_is_the_authors_to_the_bit(half):
    split = random_halves("random", 1000, int(half[0]))
    assert md5_of(split, half[1]) == MD5[half]


def test_the_man_made_and_natural_tasks_are_the_authors_to_the_bit():
    names = imagenet.class_names()
    split = named_split("s", ["man-made"], ["natural"], names, imagenet.groups())
    assert (md5_of(split, "A"), md5_of(split, "B")) == (MAN_MADE, NATURAL)


def test_classes_are_in_the_order_of_tfds():
    from importlib import resources

    folder = resources.files("tensorflow_datasets") / "datasets" / "imagenet2012"
    assert tuple((folder / "labels.txt").read_text().split()) == imagenet.class_names()


def test_labels_of_the_validation_images_are_50_a_class():
    labels = imagenet.validation_labels()
    assert len(labels) == 50_000
    assert {(labels == label).sum() for label in (0, 499, 999)} == {50}


@pytest.mark.parametrize(
    ("name", "number"), [("ILSVRC2012_val_00050001.JPEG", None), ("ILSVRC2012_val_1.JPEG", None)]
)
def test_other_names_are_no_validation_images(name, number):
    assert imagenet.validation_number(name) == number
