"""A run's folder: its networks, and the numbers and the advice that follow from them."""

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from transfer_jax.analysis.race_advice import advice_of_races
from transfer_jax.analysis.raced import Raced, home_of, races_of
from transfer_jax.analysis.statistics.advice import Networks, advise_each
from transfer_jax.analysis.statistics.choices import is_pretrained
from transfer_jax.analysis.statistics.crossing import Arm, by_validation, groups, kind
from transfer_jax.analysis.statistics.effects import Effects, numbers_of
from transfer_jax.analysis.statistics.failures import sound_rows
from transfer_jax.analysis.statistics.images import Tested
from transfer_jax.analysis.statistics.margins import checked
from transfer_jax.analysis.statistics.telling import Advice
from transfer_jax.folder.control_results import ControlRow
from transfer_jax.folder.correctness import Correctness, read_correctness
from transfer_jax.folder.curves import Curve, read_curves, training_curves
from transfer_jax.folder.rates import RateRow
from transfer_jax.folder.results import ResultRow, ResultsError
from transfer_jax.folder.whole_file import read_arrays

# Where it is kept which examples each network classifies right.
TEST, VALIDATION = "correct", "validated"


class _Tests(NamedTuple):
    """Of each column's file, which examples are right; and which files are damaged."""

    held: dict[epath.Path, Correctness]
    damaged: list[str]


@dataclass(frozen=True)
class Evidence:
    """A run's folder.

    Attributes:
      folder: the folder.
      rows: the networks that are finished.
      config: the run's config; empty where there is none.
      planned: how many networks the run has in the end; 0 where it is not known.
      finished: whether all are there.
      odd: what is missing or damaged of the tables, a line each.
      controls: what was measured beside accuracy.
      rates: how the networks of the pilot did at each learning rate; none where one was given.
      chosen_rates: family of networks to what its learning rate is multiplied by.
      judged_on: `TEST` or `VALIDATION`: the images that `top1` and `test_of` are of.
      layers: names of the network's layers, where it began with weights of a file; else none.
      parameters: how many parameters each of them has; none where it is not known.
      chance: split to what guessing the most frequent class has right of each task's test; empty
        where it is not known.
    """

    folder: epath.Path
    rows: tuple[ResultRow, ...]
    config: dict[str, Any] = field(default_factory=dict)
    planned: int = 0
    finished: bool = True
    odd: tuple[str, ...] = ()
    controls: tuple[ControlRow, ...] = ()
    rates: tuple[RateRow, ...] = ()
    chosen_rates: dict[str, float] = field(default_factory=dict)
    judged_on: str = TEST
    layers: tuple[str, ...] = ()
    parameters: tuple[int, ...] = ()
    chance: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        """A difference of accuracy that does not matter, as its config says; 0 for the rule."""
        if self.races:
            return self.races[0].file.margin
        return checked(self.config.get("margin"))

    def with_margin(self, margin: float | None) -> "Evidence":
        """The same with another margin than its config's; None leaves that.

        Raises:
          ValueError: it was fixed before a race.
        """
        if self.races and margin is not None and checked(margin) != self.margin:
            raise ValueError(
                f"margin is {margin:g}, but that of a race is fixed before it: {self.margin:g} in "
                f"{self.folder}; a new run takes --config.margin"
            )
        return self if margin is None else replace(self, config={**self.config, "margin": margin})

    @functools.cached_property
    def is_pretrained(self) -> bool:
        """Whether the layers come from weights of a file: there are no base networks."""
        network = self.config.get("network")
        if isinstance(network, dict) and network.get("weights"):
            return True
        return any(map(is_pretrained, groups(self.rows)))

    @functools.cached_property
    def numbers(self) -> list[Effects]:
        """The numbers of each group of networks, with intervals; computed when first asked for."""
        shared: Any = {"margin": self.margin, "layers": self.layers}
        found = numbers_of(self.rows, self.test_of, **shared)
        if self.on_validation is None:
            return found
        pairs = zip(self.rows, self.on_validation.rows, strict=True)
        sound = set(self.sound)
        rows = tuple(judged for row, judged in pairs if row in sound)
        by_validation = numbers_of(rows, self.on_validation.test_of, **shared)
        judged = {by.group.name: by for by in by_validation}
        return [replace(own, validation=judged.get(own.group.name)) for own in found]

    @property
    def raced(self) -> tuple[Arm, ...]:
        """The ways of the run's races, those that were stopped too."""
        return tuple(dict.fromkeys(arm for own in self.races for arm in own.outcome.rules.arms))

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
        if self.races:
            return advice_of_races(self)
        judged = self.on_validation
        # The groups of `numbers`: where all networks of one failed, there is nothing to say.
        alive = {(kind(row.split), row.examples) for row in self.sound}
        here = [(kind(row.split), row.examples) in alive for row in self.rows]
        by = judged and list(itertools.compress(judged.rows, here))
        return advise_each(
            Networks(list(itertools.compress(self.rows, here)), self.test_of, self.layers),
            judged and Networks(by or (), judged.test_of),
            margin=self.margin,
        )

    @functools.cached_property
    def races(self) -> list[Raced]:
        """What came of its races so far; none where all networks are trained."""
        return races_of(self.folder) if self.config.get("budget") else []

    def home(self, row: ResultRow) -> epath.Path:
        """Where what a network left lies: the folder, or where it raced that of its way."""
        return home_of(self.folder, row) if self.config.get("budget") else self.folder

    @functools.cached_property
    def on_validation(self) -> "Evidence | None":
        """The same networks judged on validation images, which choices are made by.

        The rows' `top1` is that on validation images; None where some network has none.
        """
        if self.judged_on == VALIDATION:
            return None
        rows = by_validation(self.rows)
        return replace(self, rows=rows, judged_on=VALIDATION) if rows else None

    @property
    def name(self) -> str:
        """The name of the config, else of the folder."""
        return str(self.config.get("name") or self.folder.name)

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is missing or damaged, a line each."""
        judged = filter(None, (self, self.on_validation))
        return (*self.odd, *(line for own in judged for line in own._tests.damaged))

    @functools.cached_property
    def _tests(self) -> "_Tests":
        found = _Tests({}, [])
        for path in dict.fromkeys(map(self._judged, self.rows)):
            try:
                if path.exists():  # Else none was kept.
                    found.held[path] = read_correctness(path)
            except ResultsError as error:
                found.damaged.append(f"{error}; intervals are without single images")
        return found

    def _judged(self, row: ResultRow) -> epath.Path:
        return self.home(row) / self.judged_on / f"{row.column}.npz"

    def test_of(self, row: ResultRow) -> Tested | None:
        """How a network does, example by example; None where it was not kept.

        Args:
          row: the network.

        Returns:
          The numbers of the test (or validation) images, and 1 where it is right.
        """
        held = self._tests.held.get(self._judged(row))
        if held is None or row.label not in held.labels:
            return None
        right = held.right(row.label)
        if abs(float(right.mean()) - row.top1) > 1e-6:
            return None  # The table was edited: the examples are of another network.
        return held.images, right.astype(np.float32)

    @functools.cached_property
    def _curves(self) -> dict[epath.Path, dict[str, Curve]]:
        return {}

    def curve_of(self, row: ResultRow, *, on_batches: bool = False) -> Curve:
        """How accurate a network is on its way.

        Args:
          row: the network.
          on_batches: on the batches that it is trained on, not on the test images.

        Returns:
          Step to accuracy; empty where it was not kept.
        """
        name = f"metrics/{row.column}.jsonl" if on_batches else f"curves/{row.column}.csv"
        path = self.home(row) / name
        if path not in self._curves:
            self._curves[path] = training_curves(path) if on_batches else read_curves(path)
        return self._curves[path].get(row.label, {})

    def arrays(
        self, path: str, *names: str, of: ResultRow | None = None
    ) -> list[np.ndarray] | None:
        """Arrays kept for pictures, of the run or of a network; None where they are not there."""
        try:
            return read_arrays((self.home(of) if of else self.folder) / path, names)
        except ValueError:
            return None
