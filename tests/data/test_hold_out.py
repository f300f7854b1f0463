"""Images held out of training: a share of each class, the same ones everywhere."""

from dataclasses import replace

import numpy as np
import pytest

from tests.data.folders import prepare_folder, write_classes
from transfer_jax.data.assembly import assembled
from transfer_jax.data.decoding import ImageForm
from transfer_jax.data.hold_out import with_held_out
from transfer_jax.data.image_set import TEST, TRAIN, VALIDATION, ImageSet
from transfer_jax.data.order import normalisation
from transfer_jax.data.originals.part import Original, Originals
from transfer_jax.data.prepared_part import Preparation, prepare_part
from transfer_jax.data.records import open_records
from transfer_jax.data.sources import load_images
from transfer_jax.data.tasks import first_examples
from transfer_jax.grid.conditions import Task


def image_set(counts: dict[str, int], subset: int = TRAIN) -> ImageSet:
    labels = np.repeat(np.arange(len(counts)), list(counts.values())).astype(np.int32)
    labels = np.random.default_rng(0).permutation(labels)
    images = np.zeros((len(labels), 1, 1, 1), np.uint8)
    return ImageSet(images, labels, np.full(len(labels), subset, np.int8), tuple(counts))


def counts_of(images: ImageSet, subset: int) -> list[int]:
    own = images.labels[images.subset == subset]
    return np.bincount(own, minlength=len(images.class_names)).tolist()


def test_a_share_of_each_class_at_least_one_and_never_the_last():
    images = image_set({"a": 100, "b": 10, "c": 3, "d": 2, "e": 1})
    held = with_held_out(images, validation_share=0.1, test_share=0.2)
    assert counts_of(held, TEST) == [20, 2, 1, 1, 0]
    assert counts_of(held, VALIDATION) == [8, 1, 1, 0, 0]
    assert counts_of(held, TRAIN) == [72, 7, 1, 1, 1]
    np.testing.assert_array_equal(images.subset, TRAIN)


def test_another_class_beside_it_changes_nothing_and_another_seed_does():
    def drawn(counts: dict[str, int], name: str, **options: int) -> list[int]:
        images = with_held_out(image_set(counts), validation_share=0.1, test_share=0.2, **options)
        own = images.labels == images.class_names.index(name)
        return images.subset[own].tolist()

    alone = drawn({"b": 50}, "b")
    assert alone == drawn({"a": 7, "b": 50, "c": 1000}, "b")
    assert alone != drawn({"b": 50}, "b", seed=1)
    assert alone != drawn({"c": 50}, "c")


def test_the_draw_is_the_same_on_every_machine():
    """Written down once: NumPy keeps its legacy generator, JAX its threefry keys."""
    labels, subset = np.repeat([0, 1], [20, 20]).astype(np.int32), np.zeros(40, np.int8)
    images = ImageSet(np.zeros((40, 1, 1, 1), np.uint8), labels, subset, ("a", "b"))
    found = with_held_out(images, validation_share=0.1, test_share=0.2)
    assert np.flatnonzero(found.is_test).tolist() == [1, 2, 12, 17, 28, 35, 37, 39]
    assert np.flatnonzero(found.is_validation).tolist() == [11, 14, 25, 30]


def test_parts_that_are_there_stay():
    images = image_set({"a": 20, "b": 20})
    subset = images.subset.copy()
    subset[:10], subset[10:15] = TEST, VALIDATION
    whole = replace(images, subset=subset)
    same = with_held_out(whole, validation_share=0.5, test_share=0.5)
    np.testing.assert_array_equal(same.subset, subset)
    none = with_held_out(images, validation_share=0, test_share=0)
    np.testing.assert_array_equal(none.subset, TRAIN)


@pytest.mark.parametrize("share", [-0.1, 1.0, 20, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=r"test_share is .*; allowed: from 0 to below 1"):
        with_held_out(image_set({"a": 20, "b": 20}), validation_share=0.1, test_share=share)


def test_the_embedded_images_are_900_100_and_1000_a_class():
    images = load_images("fashion_mnist")
    for subset, count in ((TRAIN, 900), (VALIDATION, 100), (TEST, 1000)):
        assert counts_of(images, subset) == [count] * 10
    all_of_it = load_images("fashion_mnist", validation_share=0)
    assert counts_of(all_of_it, TRAIN) == [1000] * 10
    assert images.digest == all_of_it.digest != ""


def test_ilsvrc_2012_is_planned_with_a_validation_part_before_it_is_there():
    images = load_images("imagenet2012", "nowhere")
    assert [(images.subset == s).sum() for s in (TRAIN, VALIDATION, TEST)] == [
        1_170_000,
        130_000,
        50_000,
    ]


def test_a_folder_that_is_named_from_home_is_found_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    root = write_classes(tmp_path / "pets")
    assert prepare_folder(root, "~/out") == 0  # pyright: ignore
    assert len(load_images("folder", "~/out").labels) == 20


class Noise:
    """Images of two classes, one dark and one bright."""

    inputs = ()

    def __init__(self, subset: int, count: int, seed: int) -> None:
        self.subset, self.count, self.seed = subset, count, seed

    def read(self):
        generator = np.random.default_rng(self.seed)
        for i in range(self.count):
            pixels = generator.integers(0, 120 * (1 + i % 2), (16, 16, 3), dtype=np.uint8)
            yield Original(f"{self.seed}.{i}", i % 2, pixels)


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
@pytest.mark.parametrize("test_share", [0.0, 0.2, 0.7])
@pytest.mark.parametrize("per_class", [None, 3, 20])
def test_the_mean_image_is_that_of_the_images_trained_on(encoding, test_share, per_class, tmp_path):
    settings = Preparation("noise", ImageForm(16), encoding)
    parts = tuple(Noise(TRAIN, count, count) for count in (31, 32, 7))
    originals = Originals(parts, ("dark", "bright"), {})
    made = [
        prepare_part(replace_inputs(part), settings, tmp_path, originals.class_names)
        for part in parts
    ]
    manifest = assembled(originals, settings, tmp_path, made)
    (tmp_path / "dataset.json").write_text(manifest.to_json())
    shares = {"validation_share": 0.1, "test_share": test_share}
    stored = with_held_out(open_records(tmp_path, stream=True), **shares)
    memory = with_held_out(open_records(tmp_path, stream=False), **shares)
    np.testing.assert_array_equal(stored.subset, memory.subset)
    for classes in ((0,), (1,), (0, 1)):
        task = Task("A", classes)
        seen = first_examples(stored.labels, stored.is_train, task, per_class, at_most=True)
        mean, deviation = stored.images.statistics(seen)  # pyright: ignore
        exact = memory.in_memory[seen].astype(np.float64)
        np.testing.assert_allclose(mean, exact.mean(0), rtol=0, atol=1e-9)
        assert deviation == pytest.approx((exact - exact.mean(0)).std(), rel=1e-9)
        single, scale = normalisation(memory.in_memory[seen])
        np.testing.assert_allclose(mean, single, atol=1e-4)
        assert 1 / scale == pytest.approx(deviation, rel=1e-5)


def replace_inputs(part: Noise) -> Noise:
    part.inputs = (part.seed,)
    return part


def test_sums_that_changed_are_refused(tmp_path):
    root = write_classes(tmp_path / "pets")
    assert prepare_folder(root, tmp_path / "out") == 0
    images = load_images("folder", str(tmp_path / "out"), stream=True)
    (sums,) = (tmp_path / "out").glob("*.sums.npz")
    content = bytearray(sums.read_bytes())
    content[-300] ^= 1
    sums.write_bytes(content)
    with pytest.raises(ValueError, match=r"sums.npz changed since it was written"):
        images.images.statistics(np.flatnonzero(images.is_train))  # pyright: ignore
    assert prepare_folder(root, tmp_path / "out", "--check") == 1


def test_a_jpeg_as_long_as_its_pixels_is_still_a_jpeg():
    from transfer_jax.data.records import pack, unpack

    noise, shape = np.random.default_rng(0), (32, 32, 1)
    tried = (noise.integers(0, 20 + i % 200, shape, dtype=np.uint8) for i in range(5000))
    pixels = next(found for found in tried if len(pack(found, "jpeg")) == found.size)
    found = unpack(pack(pixels, "jpeg"), shape, "jpeg").astype(int)
    assert np.abs(found - pixels).mean() < 10
