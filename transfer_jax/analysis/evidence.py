"""What a run's folder holds, read as far as it can be: the rest is named, not refused."""

import functools
import itertools
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from etils import epath

from transfer_jax.analysis.statistics.advice import Networks, advise_each
from transfer_jax.analysis.statistics.crossing import kind
from transfer_jax.analysis.statistics.effects import Effects, numbers_of
from transfer_jax.analysis.statistics.failures import sound_rows
from transfer_jax.analysis.statistics.images import Tested
from transfer_jax.analysis.statistics.margins import checked
from transfer_jax.analysis.statistics.telling import Advice
from transfer_jax.folder.control_results import ControlRow, read_controls
from transfer_jax.folder.correctness import Correctness, read_correctness
from transfer_jax.folder.curves import Curve, read_curves, training_curves
from transfer_jax.folder.rates import RateRow, read_chosen, read_rates
from transfer_jax.folder.results import ResultRow, ResultsError, read_rows
from transfer_jax.folder.whole_file import read_arrays, read_json
from transfer_jax.grid.conditions import Treatment

# Where it is kept which examples each network classifies right.
TEST, VALIDATION = "correct", "validated"
Row = TypeVar("Row", ResultRow, ControlRow, RateRow)
# Controls that a run may well do without.
NOT_MISSED = {Treatment.RANDOM, Treatment.SCRATCH}
# What tells one network from another.
NETWORK = ("split", "seed", "treatment", "base", "target", "n", "fine_tuned", "variant", "examples")


@dataclass(frozen=True)
class Evidence:
    """A run's folder.

    Attributes:
      folder: the folder.
      rows: the networks that are finished.
      config: the run's config; empty where there is none.
      planned: how many networks the run has in the end; 0 where it is not known.
      finished: whether all are there.
      problems: what is missing or damaged, a line each.
      controls: what was measured beside accuracy.
      rates: how the networks of the pilot did at each learning rate; none where one was given.
      chosen_rates: family of networks to what its learning rate is multiplied by.
      judged_on: `TEST` or `VALIDATION`: the images that `top1` and `test_of` are of.
    """

    folder: epath.Path
    rows: tuple[ResultRow, ...]
    config: dict[str, Any] = field(default_factory=dict)
    planned: int = 0
    finished: bool = True
    problems: tuple[str, ...] = ()
    controls: tuple[ControlRow, ...] = ()
    rates: tuple[RateRow, ...] = ()
    chosen_rates: dict[str, float] = field(default_factory=dict)
    judged_on: str = TEST

    @functools.cached_property
    def numbers(self) -> list[Effects]:
        """The numbers of each group of networks, with intervals; computed when first asked for."""
        found = numbers_of(self.rows, self.test_of, margin=checked(self.config.get("margin")))
        if self.on_validation is None:
            return found
        pairs = zip(self.rows, self.on_validation.rows, strict=True)
        sound = set(self.sound)
        rows = tuple(judged for row, judged in pairs if row in sound)
        margin = checked(self.config.get("margin"))
        by_validation = numbers_of(rows, self.on_validation.test_of, margin=margin)
        judged = {by.group.name: by for by in by_validation}
        return [replace(own, validation=judged.get(own.group.name)) for own in found]

    @functools.cached_property
    def sound(self) -> tuple[ResultRow, ...]:
        """The networks that did not fail: those that numbers are of."""
        return tuple(sound_rows(self.rows))

    @property
    def tested_on_the_way(self) -> str:
        """The images that networks are tested on before their end."""
        part = self.config.get("test_part") or ""
        return f"{part} test images".strip()

    @functools.cached_property
    def advice(self) -> list[Advice]:
        """The advice on each group of networks, by the config's margin; when first asked for."""
        judged = self.on_validation
        # The groups of `numbers`: where all networks of one failed, there is nothing to say.
        alive = {(kind(row.split), row.examples) for row in self.sound}
        here = [(kind(row.split), row.examples) in alive for row in self.rows]
        by = judged and list(itertools.compress(judged.rows, here))
        return advise_each(
            Networks(list(itertools.compress(self.rows, here)), self.test_of),
            judged and Networks(by or (), judged.test_of),
            margin=checked(self.config.get("margin")),
        )

    @functools.cached_property
    def on_validation(self) -> "Evidence | None":
        """The same networks judged on validation images, which choices are made by.

        The rows' `top1` is that on validation images; None where some network has none.
        """
        if self.judged_on == VALIDATION:
            return None
        rows = tuple(
            replace(row, top1=row.validation) for row in self.rows if row.validation is not None
        )
        whole = rows and len(rows) == len(self.rows)
        return replace(self, rows=rows, judged_on=VALIDATION) if whole else None

    @property
    def name(self) -> str:
        """The name of the config, else of the folder."""
        return str(self.config.get("name") or self.folder.name)

    @functools.cached_property
    def _tests(self) -> dict[str, Correctness | None]:
        return {}

    def test_of(self, row: ResultRow) -> Tested | None:
        """How a network does, example by example; None where it was not kept.

        Args:
          row: the network.

        Returns:
          The numbers of the test (or validation) images, and 1 where it is right.
        """
        if row.column not in self._tests:
            try:
                path = self.folder / self.judged_on / f"{row.column}.npz"
                self._tests[row.column] = read_correctness(path)
            except ResultsError:
                self._tests[row.column] = None
        held = self._tests[row.column]
        if held is None or row.label not in held.labels:
            return None
        right = held.right(row.label)
        if abs(float(right.mean()) - row.top1) > 1e-6:
            return None  # The table was edited: the examples are of another network.
        return held.images, right.astype(np.float32)

    @functools.cached_property
    def _curves(self) -> dict[tuple[str, bool], dict[str, Curve]]:
        return {}

    def curve_of(self, row: ResultRow, *, on_batches: bool = False) -> Curve:
        """How accurate a network is on its way.

        Args:
          row: the network.
          on_batches: on the batches that it is trained on, not on the test images.

        Returns:
          Step to accuracy; empty where it was not kept.
        """
        key = (row.column, on_batches)
        if key not in self._curves:
            tests = self.folder / "curves" / f"{row.column}.csv"
            metrics = self.folder / "metrics" / f"{row.column}.jsonl"
            self._curves[key] = training_curves(metrics) if on_batches else read_curves(tests)
        return self._curves[key].get(row.label, {})

    def arrays(self, path: str, *names: str) -> list[np.ndarray] | None:
        """Arrays kept for pictures; None where they are not there."""
        try:
            return read_arrays(self.folder / path, names)
        except ValueError:
            return None


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
        own, odd = _read(sorted(folder.glob("columns/*.csv")), read_rows)
        found, problems = found + own, problems + odd
    rows, odd = _sound(found)
    problems += odd
    if not rows:
        problems.append("no finished networks")
    planned = planned if isinstance(planned, int) else 0
    missing = planned - len(rows)
    if finished and missing > 0:
        problems.append(f"{missing} of {planned} networks are missing from results.csv")
    controls, odd = _read(sorted(folder.glob("controls/*.csv")), read_controls)
    rates, bad = _read([folder / "rates.csv"], read_rates)
    try:
        chosen = read_chosen(folder / "rates.json")
    except ResultsError as error:
        chosen, bad = {}, [*bad, str(error)]
    problems = (*problems, *odd, *bad, *_missing(rows))
    problems = (*problems, *_unread_tests(folder, rows))
    return Evidence(
        folder, rows, config, planned, finished, problems, tuple(controls), tuple(rates), chosen
    )


def _unread_tests(folder: epath.Path, rows: Iterable[ResultRow]) -> list[str]:
    """Files of single images that cannot be read; where there is none, none was kept."""
    problems = []
    for column in dict.fromkeys(row.column for row in rows):
        for part in (TEST, VALIDATION):
            path = folder / part / f"{column}.npz"
            if path.exists() and not _is_whole(path):
                problems.append(f"{path} is damaged; intervals are without single images")
    return problems


def _is_whole(path: epath.Path) -> bool:
    """Whether a file of arrays has its end; nothing of it is read, which is done once, later."""
    with path.open("rb") as file:
        return zipfile.is_zipfile(file)


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


def _missing(rows: tuple[ResultRow, ...]) -> list[str]:
    """Treatments that were not run, and cuts that lack networks that others have."""
    if not rows:
        return []
    lines = []
    present = {row.treatment for row in rows}
    if absent := [t.value for t in Treatment if t not in {*present, *NOT_MISSED}]:
        lines.append(f"not run: {', '.join(absent)}; what needs them is left out")
    counts = Counter((r.setting, r.treatment, r.variant, r.n) for r in rows)
    most: dict[tuple[str, str, str], int] = {}
    for (*arm, _), count in counts.items():
        most[tuple(arm)] = max(most.get(tuple(arm), 0), count)  # pyright: ignore
    for (*arm, n), count in counts.items():
        if count < most[tuple(arm)]:  # pyright: ignore
            named = f"{arm[0]}: {arm[1]} at n = {n}"
            lines.append(f"{named} has {count} networks, other cuts {most[tuple(arm)]}")  # pyright: ignore
    return lines
