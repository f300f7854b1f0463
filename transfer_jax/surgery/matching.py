"""Which leaf of a donor goes to which leaf of a recipient, and what does not fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import PyTree

from transfer_jax.surgery.paths import flatten_paths, join_keys, split_path
from transfer_jax.surgery.selection import Where, flags_of

Rename = Mapping[str, str] | Callable[[str], str]


class GraftError(ValueError):
    """A donor that lacks a selected leaf, or has it in another shape or dtype."""


@dataclass(frozen=True)
class GraftReport:
    """What a graft does, leaf by leaf.

    Attributes:
      grafted: recipient's path to donor's path, of the leaves that come from the donor.
      kept: paths that were not selected: the recipient's own, freshly initialised ones where
        the recipient is a fresh network.
      mismatched: path to (what the recipient has, what the donor has), of selected leaves that
        do not fit.
      unused: the donor's paths that went nowhere.
    """

    grafted: dict[str, str]
    kept: tuple[str, ...]
    mismatched: dict[str, tuple[str, str]]
    unused: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The report as dicts, lists and strings, fit for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    def __str__(self) -> str:
        lines = [f"{len(self.grafted)} leaves grafted, {len(self.kept)} kept"]
        for path, source in self.grafted.items():
            lines.append(f"grafted    {path}" + ("" if path == source else f"  from {source}"))
        lines += [f"kept       {path}" for path in self.kept]
        for path, (recipient, donor) in self.mismatched.items():
            lines.append(f"mismatched {path}  recipient {recipient}, donor {donor}")
        lines += [f"unused     {path}" for path in self.unused]
        return "\n".join(lines)


MISSING = object()


class Match(NamedTuple):
    """A selected leaf of the recipient, and the donor's leaf that is meant for it."""

    path: str
    leaf: Any
    donated: Any
    stacked: bool

    @property
    def fits(self) -> bool:
        """Whether the donor has the leaf, in the same shape and dtype."""
        return self.donated is not MISSING and alike(self.leaf, self.donated, self.stacked)

    @property
    def recipient_is(self) -> str:
        """What the recipient has."""
        return describe(self.leaf, self.stacked)

    @property
    def donor_is(self) -> str:
        """What the donor has."""
        return "no such leaf" if self.donated is MISSING else describe(self.donated, self.stacked)


class Matching(NamedTuple):
    """A recipient, flat, and a match for each of its selected leaves.

    `matches` maps a leaf's index to its match; `sources` maps the recipient's names for the
    donor's leaves to the donor's own names.
    """

    paths: list[str]
    leaves: list[Any]
    structure: Any
    matches: dict[int, Match]
    sources: dict[str, str]


def match_leaves(
    recipient: PyTree, donor: PyTree, where: Where, rename: Rename | None, *, stacked: bool = False
) -> Matching:
    """Pair the selected leaves of a recipient with those of a donor.

    Args:
      recipient: the tree to graft onto.
      donor: the tree to graft from.
      where: what `select` takes, or a mask of the recipient's leaves.
      rename: from a donor's path, or the first keys of one, to the recipient's.
      stacked: compare shapes without their first axis.

    Returns:
      The recipient, flat, and its matches.

    Raises:
      SelectionError: `where` selects nothing.
      GraftError: two leaves of the donor are renamed to one path.
    """
    paths, leaves, structure = flatten_paths(recipient)
    flags = flags_of(where, paths, leaves, structure)
    donor_paths, donor_leaves, _ = flatten_paths(donor)
    sources = _sources(donor_paths, rename)
    donated = dict(zip(sources, donor_leaves, strict=True))
    matches = {
        i: Match(paths[i], leaves[i], donated.get(paths[i], MISSING), stacked)
        for i, selected in enumerate(flags)
        if selected
    }
    return Matching(paths, leaves, structure, matches, sources)


def graft_report(
    recipient: PyTree, donor: PyTree, where: Where, *, rename: Rename | None = None
) -> GraftReport:
    """What `graft` would do, without doing it.

    Args:
      recipient: the tree to graft onto; shapes are enough.
      donor: the tree to graft from; shapes are enough.
      where: what `select` takes, or a mask of the recipient's leaves.
      rename: from a donor's path, or the first keys of one, to the recipient's.

    Returns:
      The report; it prints, and `as_dict` fits JSON.

    Raises:
      SelectionError: `where` selects nothing.
      GraftError: two leaves of the donor are renamed to one path.

    Example:
      >>> print(graft_report({"conv1": 0.0, "fc2": 0.0}, {"conv1": 1.0, "fc3": 1.0}, "conv1"))
      1 leaves grafted, 1 kept
      grafted    conv1
      kept       fc2
      unused     fc3
    """
    paths, _, _, matches, sources = match_leaves(recipient, donor, where, rename)
    chosen = matches.values()
    grafted = {match.path: sources[match.path] for match in chosen if match.fits}
    used = set(grafted.values())
    return GraftReport(
        grafted=grafted,
        kept=tuple(path for i, path in enumerate(paths) if i not in matches),
        mismatched={m.path: (m.recipient_is, m.donor_is) for m in chosen if not m.fits},
        unused=tuple(path for path in sources.values() if path not in used),
    )


def alike(left: Any, right: Any, stacked: bool = False) -> bool:
    """Whether two leaves agree in shape and dtype, or in type where they are no arrays.

    Args:
      left: any leaf.
      right: any leaf.
      stacked: leave the first axis out.

    Returns:
      What comparing `describe` of both would give, without making the words.

    Example:
      >>> alike(jnp.zeros(2), jnp.ones(2)), alike(jnp.zeros(2), jnp.zeros(3))
      (True, False)
    """
    if hasattr(left, "dtype") and hasattr(right, "dtype"):
        skip = int(stacked)
        return left.shape[skip:] == right.shape[skip:] and left.dtype == right.dtype
    return describe(left, stacked) == describe(right, stacked)


def describe(leaf: Any, stacked: bool = False) -> str:
    """Shape and dtype of a leaf in a word; of what is no array, its type.

    Args:
      leaf: any leaf.
      stacked: leave the first axis out.

    Returns:
      A word such as `float32[3, 4]`.

    Example:
      >>> describe(jnp.zeros((3, 4)))
      'float32[3, 4]'
    """
    dtype = getattr(leaf, "dtype", None)
    if dtype is None and not isinstance(leaf, bool | int | float | complex):
        return type(leaf).__name__
    dtype = jnp.result_type(leaf) if dtype is None else dtype
    shape = list(jnp.shape(leaf))
    return f"{dtype}{shape[1:] if stacked else shape}"


def _sources(donor_paths: Sequence[str], rename: Rename | None) -> dict[str, str]:
    """The recipient's name of each leaf of the donor to the donor's own, in the donor's order."""
    if rename is None:
        return dict(zip(donor_paths, donor_paths, strict=True))
    new_path = _by_function(rename) if callable(rename) else _by_prefix(rename)
    sources: dict[str, str] = {}
    for path in donor_paths:
        renamed = new_path(path)
        if renamed in sources:
            raise GraftError(
                f"two leaves of the donor, {sources[renamed]} and {path}, are renamed to {renamed}"
            )
        sources[renamed] = path
    return sources


def _by_function(rename: Callable[[str], str]) -> Callable[[str], str]:
    return lambda path: join_keys(split_path(rename(path)))


def _by_prefix(rename: Mapping[str, str]) -> Callable[[str], str]:
    """The longest first keys of a path that the mapping has are replaced."""
    prefixes = {split_path(old): split_path(new) for old, new in rename.items()}

    def new_path(path: str) -> str:
        keys = split_path(path)
        for length in range(len(keys), -1, -1):
            if keys[:length] in prefixes:
                return join_keys([*prefixes[keys[:length]], *keys[length:]])
        return path

    return new_path
