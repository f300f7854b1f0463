"""What a plan costs on devices that are not here, as the compiler says it, in a table."""

from dataclasses import dataclass

from rich.console import Console

from transfer_jax.commands.durations import duration
from transfer_jax.commands.terminal import print_table
from transfer_jax.engine.mesh import COLUMN, DATA
from transfer_jax.models.backend import made_for
from transfer_jax.plan.compilation.calls import Call, planned_calls
from transfer_jax.plan.compilation.collectives import told
from transfer_jax.plan.compilation.compiled import Compiled, compiled_call
from transfer_jax.plan.compilation.room import room_note
from transfer_jax.plan.compilation.topologies import Topology
from transfer_jax.plan.plan import Plan

LARGE, SMALL = "kMGTP", "mun"


@dataclass(frozen=True)
class Row:
    """A program of a plan, and what the compiler made of it."""

    call: Call
    found: Compiled


def compiled_rows(plan: Plan, asked: Topology, console: Console) -> list[Row]:
    """Compile every program of a plan.

    Args:
      asked: the devices.
      console: where it is said how far it is.

    Returns:
      A row a program.
    """
    with made_for(asked.platform), console.status("tracing") as status:
        calls = planned_calls(plan, asked.devices())
        rows = []
        for number, call in enumerate(calls, 1):
            status.update(f"compiling {call.name} ({number} of {len(calls)})")
            found, _ = compiled_call(call.fn, call.arguments, call.mesh)
            rows.append(Row(call, found))
        return rows


def print_rows(plan: Plan, asked: Topology, rows: list[Row], console: Console) -> None:
    """Print what each program takes: of one device, and of one step or batch."""
    header = (
        "program", "mesh", "memory", "FLOP", "least", "moved", "time", "bound by", "whole run",
        "devices talk", "compiled in",
    )  # fmt: skip
    cells = [_cells(row, asked, plan.config.precision) for row in rows]
    room = f"{asked.chips} chips of {amount(asked.chip.memory, 'B', 1024)}"
    print_table(console, header, cells, title=f"{plan.config.name} on {asked.name}: {room}")


def _cells(row: Row, asked: Topology, precision: str) -> tuple[str, ...]:
    """A line of the table; what is not known of a program without room is left out."""
    call, found, chip = row.call, row.found, asked.chip
    seconds = found.call_seconds(chip, precision)
    mesh = f"{call.mesh.shape[COLUMN]} x {call.mesh.shape[DATA]}"
    first = (call.name, mesh, amount(found.memory, "B", 1024))
    least, compiling = amount(call.least), duration(found.seconds)
    if not found.has_room:
        return (*first, "", least, "", "", "no room", "", "", compiling)
    bound, talk = found.bound(chip, precision), told(found.collectives or {})
    flop, moved, time = amount(found.flop), amount(found.moved, "B"), amount(seconds, "s")
    return (
        *first,
        flop,
        least,
        moved,
        time,
        bound,
        duration(call.calls * seconds),
        talk,
        compiling,
    )


def amount(number: float, unit: str = "", factor: int = 1000) -> str:
    """A number in three digits.

    Args:
      number: from a thousandth of a millionth on.
      unit: what it counts.
      factor: from one prefix to the next: 1000, or 1024.

    Returns:
      It with a prefix.

    Example:
      >>> amount(9.73e12), amount(0.00234, "s"), amount(15.75 * 2**30, "B", 1024)
      ('9.73 T', '2.34 ms', '15.8 GiB')
    """
    power = 0
    while abs(number) >= factor and power < len(LARGE):
        number, power = number / factor, power + 1
    while 0 < abs(number) < 1 and -power < len(SMALL):
        number, power = number * factor, power - 1
    prefix = LARGE[power - 1] if power > 0 else SMALL[-power - 1] if power else ""
    binary = "i" if prefix and factor == 1024 else ""
    digits = f"{number:.0f}" if abs(number) >= 999.5 else f"{number:.3g}"
    return f"{digits} {prefix}{binary}{unit}".rstrip()


def topology_notes(plan: Plan, asked: Topology, rows: list[Row]) -> list[str]:
    """What the numbers mean and rest on, a line each; and what to change where one does not fit."""
    chip, precision = asked.chip, plan.config.precision
    whole = sum(row.call.calls * row.found.call_seconds(chip, precision) for row in rows)
    notes = [
        "Compiled, not run: memory, FLOP, moved bytes and time are those of one chip, for a step "
        "or a batch of tests; least is what the mathematics needs; a mesh is columns x chips that "
        "share the batch of each.",
        f"Time is the longer of {chip.peak(precision) / 1e12:g} TFLOP/s for the arithmetic and "
        f"{chip.bandwidth / 1e9:g} GB/s for the bytes, as the maker states them: a run takes "
        "longer.",
    ]
    tight = [row for row in rows if not row.found.has_room or row.found.memory > chip.memory]
    if not tight:
        notes.append(
            f"In all {len(plan.networks)} networks, at least {duration(whole)} on {asked.name}."
        )
    notes += [f"{room_note(plan, row.call.name, row.call.mesh, row.found, chip)}." for row in tight]
    if odd := [row.call.name for row in rows if set(row.found.collectives or ()) - {DATA}]:
        notes.append(f"Columns talk to each other in {', '.join(odd)}, and should not.")
    left_out = ["the solver of linear heads"] if plan.probes else []
    left_out += ["controls"] if plan.config.controls else []
    if left_out:
        notes.append(f"Not compiled: {' and '.join(left_out)}.")
    return notes
