"""What a plan costs on devices that are not here, as the compiler says it, in a table."""

from dataclasses import dataclass

from rich.console import Console

from transfer_jax.commands.durations import duration
from transfer_jax.commands.terminal import print_table
from transfer_jax.engine.mesh import COLUMN, DATA
from transfer_jax.models.backend import made_for
from transfer_jax.plan.calls import Call, planned_calls
from transfer_jax.plan.collectives import told
from transfer_jax.plan.compiled import Compiled, compiled_call
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.room import room_note
from transfer_jax.plan.topologies import Topology

GIB = 2**30


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
    chip, precision = asked.chip, plan.config.precision
    cells = []
    for row in rows:
        call, found = row.call, row.found
        seconds = found.call_seconds(chip, precision)
        known = (
            f"{found.flop / 1e9:,.1f} G",
            f"{call.least / 1e9:,.1f} G",
            f"{found.moved / 1e9:,.2f} GB",
            f"{1e3 * seconds:,.2f} ms",
            found.bound(chip, precision),
            duration(call.calls * seconds),
            told(found.collectives or {}),
        )
        mesh = f"{call.mesh.shape[COLUMN]} x {call.mesh.shape[DATA]}"
        unknown = ("", known[1], "", "", "no room", "", "")
        memory = f"{found.memory / GIB:.2f} GiB"
        compiling = duration(found.seconds)
        cells.append((call.name, mesh, memory, *(known if found.has_room else unknown), compiling))
    header = (
        "program", "mesh", "memory", "FLOP", "least", "moved", "time", "bound by", "whole run",
        "devices talk", "compiled in",
    )  # fmt: skip
    title = (
        f"{plan.config.name} on {asked.name}: {asked.chips} chips of {chip.memory / GIB:.2f} GiB"
    )
    print_table(console, header, cells, title=title)


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
