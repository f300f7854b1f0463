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
from transfer_jax.config import load_config
from transfer_jax.data.sources import load_images

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
