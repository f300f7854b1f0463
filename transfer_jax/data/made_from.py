"""What a prepared dataset was made from, and how that differs from what is found now."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from transfer_jax.data.image_set import SUBSETS
from transfer_jax.data.in_processes import in_processes
from transfer_jax.data.manifest import Manifest, RecordsError
from transfer_jax.data.originals.part import Originals, Part, readable
from transfer_jax.data.prepared_part import digest_of, record_of

SHOWN = 3


class Seen(NamedTuple):
    """An image as it was found: its class and its checksum."""

    class_name: str
    digest: str


Images = dict[tuple[str, str], Seen]


def recorded(folder: Path) -> Images:
    """What a prepared dataset was made from.

    Returns:
      (subset, name) of every image that was read, to its class and checksum; nothing where no
      dataset is, or of what is damaged.
    """
    try:
        shards = Manifest.read(folder, whole=False).shards
    except RecordsError:
        return {}
    found: Images = {}
    for shard in shards:
        stem = Path(shard.file).stem
        part = record_of(folder, stem)
        for name, class_name, _, digest in part.originals if part else ():
            found[stem.partition("-")[0], name] = Seen(class_name, digest)
    return found


def read_all(originals: Originals, workers: int | None) -> Images:
    """The checksum of every image of a dataset as it is found; all of it is read.

    Args:
      originals: the dataset.
      workers: processes; None for one a core.

    Returns:
      As `recorded`.

    Raises:
      OriginalsError: a file cannot be read.
    """
    calls = [(part, originals.class_names) for part in originals.parts]
    found: Images = {}
    for part in in_processes(_read_part, calls, Path(originals.place), workers):
        found |= part
    return found


def difference(before: Mapping[tuple[str, str], Seen], now: Mapping[tuple[str, str], Seen]) -> str:
    """How what is found now differs from what was found before.

    Args:
      before: the images then.
      now: the images now.

    Returns:
      Classes and images that are new, gone or changed; empty where all is the same.

    Example:
      >>> difference({("train", "a/1"): Seen("a", "x")}, {("train", "b/1"): Seen("b", "x")})
      'class b is new; class a is gone; 1 image is new (b/1); 1 image is gone (a/1)'
    """
    classes = [{seen.class_name for seen in images.values()} for images in (before, now)]
    said = [f"class {name} is new" for name in sorted(classes[1] - classes[0])]
    said += [f"class {name} is gone" for name in sorted(classes[0] - classes[1])]
    if len(said) > SHOWN:
        said = [*said[:SHOWN], f"{len(said) - SHOWN} more classes are new or gone"]
    changed = [key for key in before.keys() & now.keys() if before[key] != now[key]]
    for word, keys in (
        ("new", now.keys() - before.keys()),
        ("gone", before.keys() - now.keys()),
        ("changed", changed),
    ):
        if keys:
            count = f"{len(keys):,} images are" if len(keys) > 1 else "1 image is"
            first = readable(min(keys)[1])
            said.append(f"{count} {word} ({first}{', ...' if len(keys) > 1 else ''})")
    return "; ".join(said)


def _read_part(part: Part, class_names: tuple[str, ...]) -> Images:
    subset, found = SUBSETS[part.subset], {}
    for original in part.read():
        known = 0 <= original.label < len(class_names)
        name = class_names[original.label] if known else ""
        found[subset, original.name] = Seen(name, digest_of(original)[1])
    return found
