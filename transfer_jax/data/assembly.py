"""From prepared parts to a dataset: which classes it has, and what each part is for."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from transfer_jax.data.image_set import SUBSETS, TEST, TRAIN, VALIDATION
from transfer_jax.data.manifest import Manifest, RecordsError, Shard
from transfer_jax.data.originals.part import Originals
from transfer_jax.data.prepared_part import Preparation, PreparedPart


def assembled(
    originals: Originals, settings: Preparation, folder: Path, parts: Sequence[PreparedPart]
) -> Manifest:
    """The dataset that parts make up.

    A class of folders without an image that can be used is left out, by name. Where there are
    validation images and none to test, they are those to test.

    Args:
      originals: the dataset as it is found.
      settings: what images became.
      folder: where the parts are.
      parts: what was written for each part of the originals, in their order.

    Returns:
      What the dataset holds.

    Raises:
      RecordsError: no image can be used, or a class has images to test and none to train on.
    """
    pairs = list(zip(originals.parts, parts, strict=True))
    found = {subset: Counter[str]() for subset in range(len(SUBSETS))}
    for part, made in pairs:
        found[part.subset].update(made.classes[label] for label in made.labels)
    if not found[TRAIN]:
        raise RecordsError(f"{folder}: no training image can be used")
    names, left_out = originals.class_names, dict(originals.left_out)
    if not originals.fixed_classes:
        unusable = [name for name in names if not found[TRAIN][name]]
        _check_training(folder, unusable, found[VALIDATION] + found[TEST])
        left_out |= {f"class {name}: no image that can be used": 1 for name in unusable}
        names = tuple(name for name in names if found[TRAIN][name])
    if len(names) < 2:
        raise RecordsError(
            f"{folder}: there are images of {', '.join(names)} alone; two classes are needed"
        )
    meant = dict(enumerate(SUBSETS))
    if not found[TEST]:
        meant[VALIDATION] = SUBSETS[TEST]
    index = {name: label for label, name in enumerate(names)}
    return Manifest(
        settings.source,
        settings.form.shape,
        settings.encoding,
        names,
        originals.groups,
        tuple(_shard(made, meant[part.subset], index) for part, made in pairs),
        left_out,
    )


def _check_training(folder: Path, unusable: list[str], others: Counter[str]) -> None:
    for name in unusable:
        if others[name]:
            raise RecordsError(
                f"{folder}: class {name} has no training image that can be used, and "
                f"{others[name]} others; mend its images or take the class away"
            )


def _shard(made: PreparedPart, subset: str, index: dict[str, int]) -> Shard:
    labels = [index[made.classes[label]] for label in made.labels]
    return Shard(
        made.file,
        subset,
        labels,
        made.bytes,
        made.sha256,
        made.sums_sha256,
        made.skipped,
        made.converted,
    )
