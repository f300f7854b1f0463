"""Which axes of a mesh devices talk along, read in the text of a compiled program."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from jax.sharding import Mesh

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# One in the text, started and awaited apart or not; then who talks to whom.
COLLECTIVE = re.compile(
    rf"= .*? (?P<kind>{'|'.join(KINDS)}|collective-broadcast|ragged-all-to-all)(?:-start)?\("
    r"(?P<rest>.*)$",
    re.MULTILINE,
)
LISTED = re.compile(r"(?:replica_groups|source_target_pairs)=\{(\{[\d,{}\s]*\})?\}")
COUNTED = re.compile(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
OF_A_MESH = re.compile(
    r"replica_groups=@?[\w.]*mesh\[([^\]]*)\]"
    r"(?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))?\s*\{([^}]*)\}"
)

Groups = list[tuple[int, ...]]


def collectives_by_axis(text: str, mesh: Mesh) -> dict[str, Counter[str]]:
    """The collectives of a program, by the axis of the mesh along which devices talk.

    Args:
      text: of the program, as it was compiled for the mesh.
      mesh: the devices, numbered in the program in the order in which they lie in it.

    Returns:
      Name of an axis, or of several joined by " and ", to how often each kind of collective stands
      in the program. Groups of one device say nothing to anybody, and are left out.

    Raises:
      ValueError: the text says in an unknown way who talks to whom.

    Example:
      >>> devices = np.array(range(4)).reshape(2, 2)
      >>> mesh = type("", (), {"devices": devices, "axis_names": ("column", "data")})
      >>> collectives_by_axis("%a = f32[] all-reduce(%b), replica_groups={{0,1},{2,3}}", mesh)
      {'data': Counter({'all-reduce': 1})}
    """
    found: dict[str, Counter[str]] = {}
    for kind, groups in _collectives(text, mesh.devices.size):
        if axes := _axes(groups, mesh.devices.shape):
            name = " and ".join(mesh.axis_names[axis] for axis in axes)
            found.setdefault(name, Counter())[kind] += 1
    return found


def told(found: Mapping[str, Counter[str]]) -> str:
    """Collectives in words.

    Args:
      found: as `collectives_by_axis` gives them.

    Returns:
      Such as "3 all-reduce on data".

    Example:
      >>> told({"data": Counter({"all-reduce": 3})}), told({})
      ('3 all-reduce on data', 'none')
    """
    parts = [
        ", ".join(f"{count} {kind}" for kind, count in sorted(own.items())) + f" on {axis}"
        for axis, own in found.items()
    ]
    return "; ".join(parts) or "none"


def _collectives(text: str, devices: int) -> Iterator[tuple[str, Groups]]:
    for match in COLLECTIVE.finditer(text):
        yield match["kind"], _groups(match["rest"], devices)


def _groups(rest: str, devices: int) -> Groups:
    """Who talks to whom, in any of the ways in which XLA writes it."""
    if found := LISTED.search(rest):
        listed = re.findall(r"\{([\d,\s]*)\}", found[1] or "")
        groups = [tuple(map(int, own.split(","))) for own in listed if own.strip()]
        return groups or [tuple(range(devices))]
    if found := COUNTED.search(rest):
        groups = _integers(found[1])[0]
        return [tuple(row) for row in _numbers(found[2], found[3]).reshape(groups, -1).tolist()]
    if found := OF_A_MESH.search(rest):
        numbers = _numbers(found[2], found[3]) if found[2] else np.arange(devices)
        return [tuple(numbers[own]) for own in map(list, _groups_of_mesh(found[1], found[4]))]
    raise ValueError(f"a collective of a compiled program does not say who talks: {rest[:200]}")


def _integers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _numbers(sides: str, order: str | None) -> np.ndarray:
    """The devices in another order: those of an array of these sides, transposed."""
    shape = _integers(sides)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    return numbers.transpose(_integers(order) if order else None).reshape(-1)


def _groups_of_mesh(sides: str, along: str) -> Groups:
    """Groups along some axes, or parts of axes, of a mesh of the program's own."""
    axes = dict(re.findall(r"'(\w+)'=(\d+)", sides))
    if "device_ids" in sides or not axes:
        raise ValueError(f"a compiled program numbers its devices in an unknown way: {sides}")
    sizes = {name: int(size) for name, size in axes.items()}
    cut: list[int] = []
    grouped: list[bool] = []
    parts = re.findall(r"'(\w+)'(?::\((\d+)\)(\d+))?", along)
    for name, size in sizes.items():
        own = [(int(pre), int(part)) for axis, pre, part in parts if axis == name and pre]
        whole = any(axis == name and not pre for axis, pre, _ in parts)
        pieces, before = [], 1
        for pre, part in sorted(own):
            pieces += [(pre // before, False), (part, True)]
            before = pre * part
        pieces.append((size // before, whole))
        cut += [length for length, _ in pieces]
        grouped += [member for _, member in pieces]
    last = [axis for axis, member in enumerate(grouped) if member]
    first = [axis for axis, member in enumerate(grouped) if not member]
    numbers = np.arange(np.prod(cut)).reshape(cut).transpose([*first, *last])
    members = int(np.prod([cut[axis] for axis in last]))
    return [tuple(row) for row in numbers.reshape(-1, members).tolist()]


def _axes(groups: Groups, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a mesh along which the members of some group differ."""
    places = [np.array(np.unravel_index(own, shape)) for own in groups if len(own) > 1]
    return tuple(
        axis for axis in range(len(shape)) if any(len(set(own[axis])) > 1 for own in places)
    )
