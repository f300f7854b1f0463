"""A folder of class folders that nobody prepared: it is prepared once, into `data/`."""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from transfer_jax.data.decoding import BILINEAR, ImageForm
from transfer_jax.data.manifest import MANIFEST, Manifest, RecordsError
from transfer_jax.data.originals.folders import class_folders
from transfer_jax.data.originals.layout import subset_folders
from transfer_jax.data.originals.part import readable
from transfer_jax.data.sources import FOLDER, SourceError, no_folder
from transfer_jax.data.summary import note_lines
from transfer_jax.folder.places import local, real
from transfer_jax.plan.own_sizes import with_own_sizes
from transfer_jax.plan.pretrained import check_fits
from transfer_jax.plan.schema import Config, Form

SECONDS = 15
# Where what is prepared goes: the second where the first is the originals, or within them.
ROOTS = DATA, PREPARED = "data", "prepared"


def form_of(form: Form, channels: int) -> ImageForm:
    """What images become, as a config says it.

    Args:
      form: `config.data.form`, its size a number.
      channels: 3 for colour, 1 for grey.

    Returns:
      The form.
    """
    shape = ImageForm(form.size, form.resize, channels, form.background)
    return replace(shape, interpolation=form.interpolation) if form.interpolation else shape


def with_prepared_folder(config: Config, say: Callable[[str], None]) -> Config:
    """A config whose images are prepared, if they are a folder of class folders.

    Args:
      config: any config.
      say: is told what is done.

    Returns:
      The config, `data.folder` the prepared one: `data/`, the folder's name and the form; of
      originals that lie in `data/` itself, `prepared/`. Where the originals did not change since,
      nothing is done.

    Raises:
      ConfigError: the network does not say what it wants to see, or the weights are another's.
      OriginalsError: what the folder's folders are for cannot be told, or there is one class.
      RecordsError: the prepared folder is another dataset's, or cannot be written.
    """
    originals = _originals(config)
    if originals is None or not originals.is_dir():
        return config
    config = with_own_sizes(config)
    into = _root(originals) / _name(originals, config.data.form)
    if config.network.weights and not into.exists():
        # Before what may take long.
        check_fits(config)
    _prepare(config, originals, into, say)
    return replace(config, data=replace(config.data, folder=str(into)))


def check_originals(config: Config, called: str) -> None:
    """Check that a folder holds class folders, before anything else is done.

    Args:
      config: any config; nothing is checked of images that are prepared, or no folder.
      called: what the folder is called where it was asked for.

    Raises:
      SourceError: there is no such folder.
      OriginalsError: what its folders are for cannot be told.
    """
    if (originals := _originals(config)) is None:
        return
    if not originals.is_dir():
        raise SourceError(no_folder(originals, called))
    subset_folders(originals, Counter())


def _originals(config: Config) -> Path | None:
    """The folder of images that nobody prepared, if that is where images come from."""
    if config.data.source != FOLDER:
        return None
    # Late: what prepares images is asked for where there are some to prepare.
    from transfer_jax.data.claim import SETTINGS

    originals = local(config.data.folder, "data.folder")
    is_prepared = any((originals / name).exists() for name in (MANIFEST, SETTINGS))
    return None if is_prepared else originals


def plain_name(originals: Path) -> str:
    """What a folder of images is called, in letters that any disk and shell takes.

    Example:
      >>> plain_name(Path("photos/my pets"))
      'my_pets'
    """
    return re.sub(r"[^\w.+-]", "_", readable(real(originals).name)) or "images"


def _root(originals: Path) -> Path:
    """Where what is prepared goes: what is beside class folders would be taken for a class."""
    here = real(originals)
    within = [name for name in ROOTS if here in (real(Path(name)), *real(Path(name)).parents)]
    return Path(PREPARED if within == [DATA] else DATA)


def _name(originals: Path, form: Form) -> str:
    """The folder's name, and what its images become: each form has a place of its own."""
    plain, kind = Form(), form_of(form, 3)
    also = [form.resize] if form.resize != plain.resize else []
    also += [kind.interpolation] if kind.interpolation != BILINEAR else []
    return "-".join([plain_name(originals), str(form.size), *also])


def _prepare(config: Config, originals: Path, into: Path, say: Callable[[str], None]) -> None:
    from transfer_jax.data.claim import OTHERWISE
    from transfer_jax.data.made_from import difference, recorded
    from transfer_jax.data.preparation import prepare
    from transfer_jax.data.prepared_part import Preparation

    found, form, before = class_folders(originals), config.data.form, recorded(into)
    settings = Preparation(FOLDER, form_of(form, found.channels), form.encoding)
    since, shown = time.monotonic(), readable(str(originals))
    try:
        for done in prepare(found, settings, into, workers=0):
            if time.monotonic() - since > SECONDS:
                say(f"{done.images:,} images prepared, {done.parts} of {done.all_parts} parts")
                since = time.monotonic()
    except RecordsError as error:
        # Whose folder it is was said by its name, not by a field.
        told, otherwise, _ = str(error).partition(OTHERWISE)
        otherwise = f"rename {shown}, or delete {into}" if otherwise else ""
        raise RecordsError(
            f"data.folder {shown} is prepared into {into}: {told}{otherwise}"
        ) from None
    now, manifest = recorded(into), Manifest.read(into)
    size = f"{form.size}x{form.size}"
    skipped = sum(len(shard.skipped) for shard in manifest.shards)
    if before == now:
        also = f"; {skipped:,} skipped, which {into}/{MANIFEST} names" if skipped else ""
        say(f"The images of {shown} are in {into} already, {size}{also}")
        return
    changed = f": {difference(before, now)}" if before else ""
    say(f"Prepared {len(now) - skipped:,} images of {shown}, {size}, in {into}{changed}")
    for line in note_lines(manifest, str(into)):
        say(line)
