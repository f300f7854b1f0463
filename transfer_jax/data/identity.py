"""What tells the images of one run from those of another."""

from typing import Any

import numpy as np

from transfer_jax.data.image_set import SUBSETS, ImageSet

SHOWN = 6


def identity(images: ImageSet) -> dict[str, Any]:
    """A dataset's digest, its classes in order, and how many images each subset has.

    Args:
      images: the dataset.

    Returns:
      What JSON can hold.

    Example:
      >>> grey = np.zeros((3, 2, 2, 1), np.uint8)
      >>> labels, subset = np.zeros(3, np.int32), np.array([0, 0, 2], np.int8)
      >>> identity(ImageSet(grey, labels, subset, ("a",), digest="1f"))["images"]
      {'train': 2, 'validation': 0, 'test': 1}
    """
    counts = np.bincount(images.subset, minlength=len(SUBSETS)).tolist()
    return {
        "digest": images.digest,
        "classes": list(images.class_names),
        "images": dict(zip(SUBSETS, counts, strict=True)),
    }


def identity_differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """In what two datasets differ.

    Args:
      there: the identity of one; empty where it is not known.
      here: that of the other.

    Returns:
      A phrase for each; none where they are the same images.

    Example:
      >>> a = {"digest": "1f", "classes": ["cat"], "images": {"train": 2}}
      >>> identity_differences(a, {**a, "digest": "2e", "classes": ["cat", "dog"]})
      ["class 'dog' is here only", 'the digest is 1f there, 2e here']
      >>> identity_differences(a, a)
      []
    """
    if there == here:
        return []
    if not there:
        return ["which images it was trained on is not known"]
    old, new = (_listed(own.get("classes")) for own in (there, here))
    lines = [f"class '{name}' is there only" for name in old if name not in new]
    lines += [f"class '{name}' is here only" for name in new if name not in old]
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"{len(lines) - SHOWN} more classes differ"]
    if sorted(old) == sorted(new) and old != new:
        lines.append("the classes are in another order")
    held, asked = (own.get("images") for own in (there, here))
    if isinstance(held, dict) and isinstance(asked, dict):
        lines += [
            f"{held.get(subset, 0)} {subset} images there, {asked.get(subset, 0)} here"
            for subset in SUBSETS
            if held.get(subset, 0) != asked.get(subset, 0)
        ]
    if there.get("digest") != here.get("digest"):
        short = [str(own.get("digest", ""))[:12] for own in (there, here)]
        lines.append(f"the digest is {short[0]} there, {short[1]} here")
    return lines or ["its description is damaged"]


def _listed(names: object) -> list[str]:
    """Names of classes, from a file that may hold anything."""
    return [str(name) for name in names] if isinstance(names, list) else []
