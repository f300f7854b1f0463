"""Networks that a table tells of, as rows of results; what cannot be one is refused by name."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transfer_jax.analysis.any_table import Cells, TableError
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import (
    FREEZE,
    FULL,
    GRADUAL,
    HEAD2TOE,
    LP_FT,
    PROBE,
    SOLVED,
    SURGICAL,
)
from transfer_jax.grid.registry import nearest

# What a treatment may be called, in small letters: in the paper's words, and in plain ones.
WORDS = {
    **{treatment.value.lower(): treatment for treatment in Treatment},
    "frozen": Treatment.TRANSFER,
    **dict.fromkeys(
        ("tuned", "finetuned", "fine-tuned", "fine_tuned", "finetune", "fine-tune", "fine_tune"),
        Treatment.TRANSFER_PLUS,
    ),
    "selffer": Treatment.SELFFER,
}
# The same of ways that begin with a pretrained network, whole but for its head.
FAMILIES = {
    **dict.fromkeys(("probe", "linearprobe", "linear-probe", "linear_probe"), PROBE),
    **dict.fromkeys(("head2toe", "head-2-toe", "head_2_toe"), HEAD2TOE),
    **dict.fromkeys(("head-to-toe", "head_to_toe"), HEAD2TOE),
    "freeze": FREEZE,
    "full": FULL,
    **dict.fromkeys(("lp-ft", "lpft", "lp_ft"), LP_FT),
    "surgical": SURGICAL,
    "gradual": GRADUAL,
}
NEED_N = (FREEZE, SURGICAL)
FROM_SCRATCH = (Treatment.BASE, Treatment.SCRATCH)
EMPTY = ("", "nan", "na", "n/a", "none", "null", "<na>", "nat")
NEAR = 0.8


@dataclass(frozen=True)
class Network:
    """A row of results, and the line that it comes from."""

    row: ResultRow
    cells: Cells


def networks(table: Sequence[Cells]) -> list[Network]:
    """The networks of a table.

    Args:
      table: its lines.

    Returns:
      One a line.

    Raises:
      TableError: a line is no network, or the same as another; the line is named.
    """
    if not table:
        raise TableError("the table holds no rows")
    seeds = _numbered([_text(cells, "seed") for cells in table])
    found = [Network(_row(cells, seeds), cells) for cells in table]
    there: dict[tuple[object, ...], str] = {}
    for network in found:
        row, where = network.row, network.cells.where
        key = (row.split, row.seed, row.treatment, row.base, row.target, row.n, row.variant,
               row.examples)  # fmt: skip
        if key in there:
            raise TableError(
                f"{where} is the same network as {there[key]}: split {row.split}, seed "
                f"{_text(network.cells, 'seed')}, target {row.target}, "
                f"{_text(network.cells, 'treatment')}, n = {row.n}; what tells them apart belongs "
                "into split, seed or variant"
            )
        there[key] = where
    return _validated(found)


def _validated(found: Sequence[Network]) -> list[Network]:
    """All have a validation accuracy, or none has; one that diverged may lack it."""
    having = [network for network in found if network.row.validation is not None]
    if not having:
        return list(found)
    for network in found:
        if network.row.validation is None and not network.row.diverged:
            raise TableError(
                f"{network.cells.where}: validation is empty; {having[0].cells.where} has one"
            )
    return [
        network
        if network.row.validation is not None
        else replace(network, row=replace(network.row, validation=math.nan))
        for network in found
    ]


def _row(cells: Cells, seeds: Mapping[str, int]) -> ResultRow:
    treatment, variant = _treatment(cells)
    target, diverged = _text(cells, "target"), _diverged(cells)
    top1 = _share(cells, "top1", may_lack=bool(diverged))
    assert top1 is not None
    base = _text(cells, "base", may_lack=True)
    return ResultRow(
        split=_text(cells, "split"),
        seed=seeds[_text(cells, "seed")],
        treatment=treatment.value,
        base=target if treatment in FROM_SCRATCH else base,
        target=target,
        n=_n(cells, treatment, variant),
        fine_tuned=treatment in (*FROM_SCRATCH, Treatment.TRANSFER_PLUS, Treatment.SELFFER_PLUS),
        variant=variant,
        examples=_whole(cells, "examples", 0),
        top1=top1,
        validation=_validation(cells),
        best10=top1,
        loss=0.0,
        step=0,
        diverged=diverged,
    )


def _validation(cells: Cells) -> float | None:
    return None if _is_empty(cells.held.get("validation")) else _share(cells, "validation")


def _treatment(cells: Cells) -> tuple[Treatment, str]:
    """The treatment, and the name of a variant."""
    name, variant = _text(cells, "treatment"), _text(cells, "variant", may_lack=True)
    word = "".join(name.lower().split())
    if word in WORDS:
        if variant and WORDS[word] in FROM_SCRATCH:
            raise TableError(f"{cells.where}: '{name}' has the variant '{variant}'; allowed: none")
        return WORDS[word], variant
    if word in FAMILIES and not variant:
        family = FAMILIES[word]
        return Treatment.TRANSFER if family in SOLVED else Treatment.TRANSFER_PLUS, family
    near = difflib.get_close_matches(word, [*WORDS, *FAMILIES], n=1, cutoff=NEAR)
    if near and near[0] not in word:
        raise TableError(f"{cells.where}: treatment is '{name}'; nearest: {near[0]}")
    return Treatment.TRANSFER_PLUS, f"{name} {variant}".strip()


def _n(cells: Cells, treatment: Treatment, variant: str) -> int:
    """The number of transferred layers; a way of a name of its own may have none."""
    own_name = "".join(_text(cells, "treatment").lower().split()) not in WORDS
    may_lack = treatment in FROM_SCRATCH or (own_name and variant not in NEED_N)
    n = _whole(cells, "n", 0 if may_lack else None)
    least = 0 if may_lack or (variant and variant not in NEED_N) else 1
    if n < least or (n and treatment in FROM_SCRATCH):
        allowed = "0, or empty" if treatment in FROM_SCRATCH else "whole numbers from 1"
        told = _text(cells, "treatment")
        raise TableError(f"{cells.where}: n of '{told}' is {n}; allowed: {allowed}")
    return n


def _is_empty(value: Any) -> bool:
    return value is None or str(value).strip().lower() in EMPTY


def _text(cells: Cells, column: str, *, may_lack: bool = False) -> str:
    value = cells.held.get(column)
    if _is_empty(value):
        if may_lack:
            return ""
        raise TableError(f"{cells.where}: {column} is empty")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # As pandas makes of whole numbers where some are missing.
    return " ".join(str(value).split())


def _number(cells: Cells, column: str) -> float:
    value = cells.held[column]
    text = str(value).strip()
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(text)
    except ValueError:
        hint = "; a share is meant: divide by 100" if text.endswith("%") else ""
        raise TableError(f"{cells.where}: {column} is '{value}'; allowed: numbers{hint}") from None


def _whole(cells: Cells, column: str, default: int | None) -> int:
    if _is_empty(cells.held.get(column)):
        if default is None:
            raise TableError(f"{cells.where}: {column} is empty")
        return default
    found = _number(cells, column)
    if not (found.is_integer() and found >= 0):
        raise TableError(
            f"{cells.where}: {column} is {cells.held[column]}; allowed: whole numbers from 0"
        )
    return int(found)


def _share(cells: Cells, column: str, *, may_lack: bool = False) -> float:
    if _is_empty(cells.held.get(column)):
        if may_lack:
            return math.nan
        raise TableError(f"{cells.where}: {column} is empty; allowed: shares from 0 to 1")
    found = _number(cells, column)
    if not 0 <= found <= 1:
        hint = "; is it in percent? divide by 100" if 1 < found <= 100 else ""
        raise TableError(
            f"{cells.where}: {column} is {cells.held[column]}; allowed: shares from 0 to 1{hint}"
        )
    return found


def _diverged(cells: Cells) -> int:
    """The step at which a network diverged; 1 where that is all that is known, 0 for none."""
    value = cells.held.get("diverged")
    word = str(value).strip().lower()
    if _is_empty(value) or word in ("false", "no"):
        return 0
    return 1 if word in ("true", "yes") else _whole(cells, "diverged", 0)


def _numbered(labels: Sequence[str]) -> dict[str, int]:
    """Seeds as numbers: their own, where all are."""
    names = list(dict.fromkeys(labels))
    if all(name.isdecimal() for name in names) and len({int(n) for n in names}) == len(names):
        return {name: int(name) for name in names}
    return {name: i for i, name in enumerate(names)}


def check_compared(found: Sequence[Network]) -> None:
    """Check that there is something to compare, for each target.

    Args:
      found: the networks.

    Raises:
      TableError: a control or a transferred network is missing.
    """
    ways = (Treatment.TRANSFER, Treatment.TRANSFER_PLUS)
    rows = [network.row for network in found]
    names = sorted({_text(network.cells, "treatment") for network in found})
    wanted = (("'scratch' or 'base'", "scratch", FROM_SCRATCH), ("transferred", "frozen", ways))
    for told, word, treatments in wanted:
        targets = {row.target for row in rows if row.treatment in treatments}
        if not targets:
            raise TableError(
                f"the table has no {told} networks; treatments found: {', '.join(names)}"
                f"{nearest(word, names)}"
            )
        for network in found:
            row = network.row
            if row.treatment in (*FROM_SCRATCH, *ways) and row.target not in targets:
                raise TableError(
                    f"{network.cells.where}: target '{row.target}' has no {told} networks; targets "
                    f"that have: {', '.join(sorted(targets))}{nearest(row.target, targets)}"
                )
