"""A dataset with the features of CIFAR-100, built by TFDS itself, prepared and trained."""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.tars import CLASSES, write_tars
from transfer_jax.cli import main
from transfer_jax.data.sources import load_images
from transfer_jax.plan.config import load_config

warnings.filterwarnings("ignore", module="tensorflow_datasets")
tfds = pytest.importorskip("tensorflow_datasets")


def cifar_names() -> list[str]:
    groups = load_config("cifar100").groups
    return sorted(name for names in groups.values() for name in names)


class Cifar100(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The features, names and splits of CIFAR-100, few images."""

    name = "cifar100"
    VERSION = tfds.core.Version("3.0.2")

    def _info(self):
        label = tfds.features.ClassLabel(names=cifar_names())
        features = {"image": tfds.features.Image(shape=(32, 32, 3)), "label": label}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _):
        return {"train": self._generate_examples(6), "test": self._generate_examples(2)}

    def _generate_examples(self, per_class):
        generator = np.random.default_rng(per_class)
        for i in range(100 * per_class):
            image, file = generator.integers(0, 255, (32, 32, 3), dtype=np.uint8), io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            file.seek(0)
            yield i, {"image": file, "label": i % 100}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    builder = Cifar100(data_dir=folder, file_format="array_record")
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return folder


def test_cifar100_is_prepared_and_trained_without_tensorflow(data_dir, tmp_path, capsys):
    folder = f"--config.data.folder={tmp_path}/data"
    line = ["prepare", "--config=cifar100", folder, f"--data_dir={data_dir}", "--workers=1"]
    assert main(line) == 0, capsys.readouterr().err
    images = load_images("tfds:cifar100", str(tmp_path / "data"))
    assert images.images.shape == (800, 32, 32, 3)
    assert images.is_test.sum() == 200 and len(images.class_names) == 100
    generator = np.random.default_rng(6)
    first = generator.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    assert any(np.array_equal(image, first) for image in images.images[images.labels == 0])
    small = ["steps=2", "seeds=1", "cuts=(1,)", "splits=('man-natural',)", "batch_size=8"]
    small += ["treatments=('AnB',)", "optimizer.warmup_steps=1", "network.widths=(4,4,4,4)"]
    overrides = [f"--config.{field}" for field in small]
    run = ["run", "--config=cifar100", folder, f"--workdir={tmp_path}/run", *overrides]
    assert main(run) == 0, capsys.readouterr().err
    assert "tensorflow" not in sys.modules or "tensorflow.python" not in sys.modules


class Odd(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Splits, labels and images as tests want them."""

    VERSION = tfds.core.Version("1.0.0")
    name = "odd"
    pkg_dir_path = None

    def __init__(self, label, image, splits, **options):
        self.label, self.image, self.splits = label, image, splits
        super().__init__(**options)

    def _info(self):
        features = tfds.features.FeaturesDict({"image": self.image, "label": self.label})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, _):
        return {name: self._generate_examples(own) for name, own in self.splits.items()}

    def _generate_examples(self, examples):
        for i, (image, label) in enumerate(examples):
            yield i, {"image": io.BytesIO(image) if isinstance(image, bytes) else image,
                      "label": label}  # fmt: skip


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def grey(value: int, label: int) -> tuple[bytes, int]:
    return png(np.full((8, 8, 3), value, np.uint8)), label


def build_odd(folder: Path, splits, label=None, image=None) -> list[str]:
    label = label or tfds.features.ClassLabel(names=["cat", "dog"])
    builder = Odd(label, image or tfds.features.Image(), splits, data_dir=folder,
                  file_format="array_record")  # fmt: skip
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return ["prepare", "--config=cifar100", "--config.data.source=tfds:odd", "--workers=1",
            f"--config.data.folder={folder}/out", "--config.data.form.size=8",
            f"--data_dir={folder}"]  # fmt: skip


TEN = [grey(i, i % 2) for i in range(20)]


@pytest.mark.parametrize(
    ("splits", "counts"),
    [
        ({"train": TEN}, (14, 2, 4)),
        ({"train": TEN, "validation": TEN[:6]}, (18, 2, 6)),
        ({"train": TEN, "test": TEN[:4]}, (18, 2, 4)),
        ({"train": TEN, "validation": TEN[:6], "test": TEN[:4]}, (20, 6, 4)),
        ({"train": TEN, "validation": TEN[:6], "test": [grey(0, -1)] * 3}, (18, 2, 6)),
        ({"train": TEN, "test": [grey(0, -1)] * 3, "extra": TEN}, (14, 2, 4)),
    ],
)
def test_splits_are_for_what_they_are_called(splits, counts, tmp_path):
    command = build_odd(tmp_path, splits)
    assert main(command) == 0
    images = load_images("tfds:odd", str(tmp_path / "out"))
    assert tuple(np.bincount(images.subset, minlength=3)) == counts
    assert main([*command, "--check"]) == 0


def test_classes_without_names_are_called_by_their_numbers(tmp_path):
    assert main(build_odd(tmp_path, {"train": TEN}, tfds.features.ClassLabel(num_classes=2))) == 0
    assert load_images("tfds:odd", str(tmp_path / "out")).class_names == ("0", "1")


@pytest.mark.parametrize(
    ("label", "said"),
    [
        (tfds.features.Scalar(np.int64), "Scalar; it needs a ClassLabel"),
        (tfds.features.Tensor(shape=(), dtype=np.int64), "Tensor; it needs a ClassLabel"),
        (tfds.features.ClassLabel(num_classes=1), "ClassLabel of 1 classes"),
    ],
)
def test_a_label_that_is_no_class_is_one_line(label, said, tmp_path, capsys):
    command = build_odd(tmp_path, {"train": [grey(i, 0) for i in range(4)]}, label)
    capsys.readouterr()
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_images_of_tfds_go_by_the_rules_of_files(tmp_path):
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[..., 0] = 255
    examples = [(png(clear), i % 2) for i in range(10)]
    assert main(build_odd(tmp_path / "a", {"train": examples}, image=tfds.features.Image(
        shape=(None, None, 4)))) == 0  # fmt: skip
    assert (load_images("tfds:odd", str(tmp_path / "a" / "out")).in_memory == 255).all()
    wide = [(png(np.full((8, 8), 1000 * i + 300, np.uint16)), i % 2) for i in range(10)]
    assert main(build_odd(tmp_path / "w", {"train": wide}, image=tfds.features.Image(
        shape=(None, None, 1), dtype=np.uint16))) == 0  # fmt: skip
    images = load_images("tfds:odd", str(tmp_path / "w" / "out"))
    found = sorted(images.in_memory[:, 0, 0, 0].tolist())
    assert found == [(1000 * i + 300) >> 8 for i in range(10)]
    ramp = [(np.full((8, 8, 1), i / 9, np.float32), i % 2) for i in range(10)]
    floats = tfds.features.Tensor(shape=(8, 8, 1), dtype=np.float32)
    assert main(build_odd(tmp_path / "f", {"train": ramp}, image=floats)) == 0
    images = load_images("tfds:odd", str(tmp_path / "f" / "out"))
    found = sorted(images.in_memory[:, 0, 0, 0].tolist())
    np.testing.assert_allclose(found, [255 * i / 9 for i in range(10)], atol=1)


@pytest.mark.skipif(
    not any((Path(p) / "tensorflow").is_dir() for p in sys.path), reason="needs the extra prepare"
)
def test_the_tars_through_tfds_are_the_tars_read_in_place(tmp_path):
    # TFDS gives labels by place, so the first images must be there, and in order.
    write_tars(tmp_path, odd={}, numbers=range(1, 13))
    common = ["--config=imagenet_random", f"--manual_dir={tmp_path}", "--workers=1"]
    common += ["--config.data.form.size=24"]
    for source in ("imagenet2012", "tfds:imagenet2012"):
        place = [f"--config.data.folder={tmp_path}/{source}", f"--config.data.source={source}"]
        assert main(["prepare", *common, *place, f"--data_dir={tmp_path}/tfds"]) == 0
    ours, theirs = (
        load_images(name, str(tmp_path / name)) for name in ("imagenet2012", "tfds:imagenet2012")
    )
    assert ours.class_names == theirs.class_names and ours.groups == theirs.groups
    assert len(ours.labels) == len(theirs.labels) > CLASSES

    def contents(images):
        found = zip(images.labels, images.is_test, images.images, strict=True)
        return sorted((int(label), bool(test), image.tobytes()) for label, test, image in found)

    assert contents(ours) == contents(theirs)
