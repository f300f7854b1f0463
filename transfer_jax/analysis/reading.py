"""Reading a run's folder, finished or not, as far as it can be: the rest is named, not refused."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from etils import epath

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.folder.control_results import ControlRow, read_controls
from transfer_jax.folder.rates import RateRow, read_chosen, read_rates
from transfer_jax.folder.results import ResultRow, ResultsError, read_rows
from transfer_jax.folder.whole_file import read_json
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Treatment

Row = TypeVar("Row", ResultRow, ControlRow, RateRow)
Kept = TypeVar("Kept", str, int, float)
# Controls that a run may well do without.
NOT_MISSED = {Treatment.RANDOM, Treatment.SCRATCH}
# What tells one network from another.
NETWORK = ("split", "seed", "treatment", "base", "target", "n", "fine_tuned", "variant", "examples")


def read_evidence(folder: epath.Path, whole: Sequence[ResultRow] = ()) -> Evidence:
    """Read a run's folder, finished or not.

    Args:
      whole: the rows of all networks, where all are known to be there; they are not read again.

    Returns:
      What it holds; what it lacks stands in `problems`.

    Example:
      >>> found = read_evidence(epath.Path(__import__("tempfile").mkdtemp()))
      >>> found.rows, found.problems
      ((), ('no finished networks',))
    """
    config = read_json(folder / "config.json")
    planned = read_json(folder / "plan.json").get("networks", 0)
    finished = bool(whole) or (folder / "results.csv").exists()
    found, problems = list(whole), []
    if finished and not whole:
        found, problems = _read([folder / "results.csv"], read_rows)
    if problems or not finished:
        # The columns' own tables are the source of the results.
        finished = False
        own, odd = _read(Workdir(folder).tables(), read_rows)
        found, problems = found + own, problems + odd
    rows, odd = _sound(found)
    problems += odd
    if not rows:
        problems.append("no finished networks")
    planned = planned if isinstance(planned, int) else 0
    lost = planned - len(rows)
    if finished and lost > 0:
        problems.append(f"{lost} of {planned} networks are missing from results.csv")
    controls, odd = _read(sorted(folder.glob("controls/*.csv")), read_controls)
    rates, bad = _read([folder / "rates.csv"], read_rates)
    try:
        chosen = read_chosen(folder / "rates.json")
    except ResultsError as error:
        chosen, bad = {}, [*bad, str(error)]
    problems = (*problems, *odd, *bad)
    made = Evidence(
        folder, rows, config, planned, finished, problems, tuple(controls), tuple(rates), chosen
    )
    # Of a race it is known why networks are missing.
    missing = [] if config.get("budget") else _missing(rows, made.is_pretrained)
    return with_layers(replace(made, odd=(*made.odd, *missing)))


def with_layers(evidence: Evidence) -> Evidence:
    """The same with the names of layers, their numbers of parameters, and chance, as far as kept.

    Returns:
      It; without them where the layers did not come from weights of a file.
    """
    plan = read_json(evidence.folder / "plan.json") if evidence.is_pretrained else {}
    layers = _all_of(str, plan.get("layers"))
    counts = _all_of(int, plan.get("parameters"))
    held = plan.get("chance")
    held = held if isinstance(held, dict) else {}
    chance = {name: _all_of(float, own) for name, own in held.items()}
    known = len(counts) == len(layers) and min(counts, default=0) >= 0
    return replace(evidence, layers=layers, parameters=counts if known else (), chance=chance)


def _all_of(kind: type[Kept], value: object) -> tuple[Kept, ...]:
    """A list of one kind of things; nothing where it is not one."""
    held = value if isinstance(value, list) else []
    found = tuple(item for item in held if type(item) is kind)
    return found if len(found) == len(held) else ()


def _read(
    paths: Iterable[epath.Path], reader: Callable[[epath.Path], list[Row]]
) -> tuple[list[Row], list[str]]:
    """The rows of some tables, and what is wrong with those that cannot be read."""
    found: list[Row] = []
    problems: list[str] = []
    for path in paths:
        try:
            found += reader(path)
        except ResultsError as error:
            problems.append(str(error))
    return found, problems


def _sound(rows: Iterable[ResultRow]) -> tuple[tuple[ResultRow, ...], list[str]]:
    """Rows that can be of networks, each once."""
    kept: dict[tuple[object, ...], ResultRow] = {}
    problems: list[str] = []
    for row in rows:
        key = tuple(getattr(row, name) for name in NETWORK)
        if row.treatment not in list(Treatment):
            problems.append(f"{row.label}: no treatment is called '{row.treatment}'; left out")
        elif not 0 <= row.top1 <= 1:
            problems.append(f"{row.split} {row.label}: accuracy {row.top1} is no share; left out")
        elif key in kept:
            problems.append(
                f"{row.split} seed {row.seed} {row.label} is there twice; the first is kept"
            )
        else:
            kept[key] = row
    return tuple(kept.values()), problems


def _missing(rows: tuple[ResultRow, ...], pretrained: bool) -> list[str]:
    """Treatments that were not run, and cuts that lack networks that others have."""
    if not rows:
        return []
    lines = []
    present = {row.treatment for row in rows}
    wanted = [] if pretrained else [t for t in Treatment if t not in NOT_MISSED]
    if absent := [t.value for t in wanted if t not in present]:
        lines.append(f"not run: {', '.join(absent)}; what needs them is left out")
    counts = Counter((r.setting, r.treatment, r.variant, r.n) for r in rows)
    most: dict[tuple[str, str, str], int] = {}
    for (*arm, _), count in counts.items():
        most[tuple(arm)] = max(most.get(tuple(arm), 0), count)  # pyright: ignore
    for (*arm, n), count in counts.items():
        if count < most[tuple(arm)]:  # pyright: ignore
            way = f"{arm[1]}, {arm[2]}" if arm[2] else arm[1]
            named = f"{arm[0]}: {way} at n = {n}"
            lines.append(f"{named} has {count} networks, other cuts {most[tuple(arm)]}")  # pyright: ignore
    return lines
