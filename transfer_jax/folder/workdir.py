"""The folder of a run: where its config, its finished columns and its results lie."""

from dataclasses import dataclass

from etils import epath

from transfer_jax.folder.places import place
from transfer_jax.folder.whole_file import read_json
from transfer_jax.grid.conditions import Column, Condition

# The file that says what a folder of several runs varies.
SWEEP = "sweep.json"


class WorkdirError(ValueError):
    """A folder that cannot be written, or that holds another run."""


@dataclass(frozen=True)
class Workdir:
    """Where a run keeps what it makes."""

    path: epath.Path

    @property
    def results(self) -> epath.Path:
        """The table of results, written when all columns are done."""
        return self.path / "results.csv"

    @property
    def config(self) -> epath.Path:
        """The exact config of the run."""
        return self.path / "config.json"

    @property
    def versions(self) -> epath.Path:
        """The packages and devices that the run was begun with."""
        return self.path / "versions.json"

    @property
    def data(self) -> epath.Path:
        """Which images the run is about: their digest, classes and numbers."""
        return self.path / "data.json"

    @property
    def plan(self) -> epath.Path:
        """How many networks the run has when it is finished, and what its layers are called."""
        return self.path / "plan.json"

    @property
    def rates(self) -> epath.Path:
        """How networks of the pilot did at each learning rate that was tried."""
        return self.path / "rates.csv"

    @property
    def chosen_rates(self) -> epath.Path:
        """Which of the rates each family of networks has."""
        return self.path / "rates.json"

    @property
    def race(self) -> epath.Path:
        """The rules of a race: its ways and their prices, the budget, the looks."""
        return self.path / "race.json"

    def way(self, name: str) -> "Workdir":
        """The folder of one way of a race, laid out as that of a run."""
        return Workdir(self.path / "race" / name)

    def look(self, task: str, number: int) -> epath.Path:
        """In the folder of a way: what a look saw of its network."""
        return self.path / "looks" / f"{task}.look{number}.npz"

    @property
    def seconds(self) -> epath.Path:
        """In the folder of a way: how long its network took from look to look."""
        return self.path / "seconds.json"

    def make(self) -> None:
        """Make the folders that finished columns are written to."""
        for name in ("columns", "curves", "bases", "metrics"):
            (self.path / name).mkdir(parents=True, exist_ok=True)

    def column(self, column: Column) -> epath.Path:
        """The results of one finished column."""
        return self.path / "columns" / f"{column.name}.csv"

    def tables(self) -> list[epath.Path]:
        """The results of all finished columns, those that raced too, in the order of names."""
        return sorted([*self.path.glob("columns/*.csv"), *self.path.glob("race/*/columns/*.csv")])

    def curves(self, column: Column) -> epath.Path:
        """The learning curves of one finished column."""
        return self.path / "curves" / f"{column.name}.csv"

    def correct(self, column: Column) -> epath.Path:
        """Which test examples one finished column's networks classify right."""
        return self.path / "correct" / f"{column.name}.npz"

    def validated(self, column: Column) -> epath.Path:
        """Which validation examples one finished column's networks classify right."""
        return self.path / "validated" / f"{column.name}.npz"

    def heads(self, column: Column) -> epath.Path:
        """The linear heads that were solved for a column's target, the same for every seed."""
        first = "" if column.examples is None else f".first{column.examples}"
        return self.path / "heads" / f"{column.split}.{column.target}{first}.npz"

    def layers(self) -> tuple[str, ...]:
        """The names of the network's layers, in depth order; none where the run is an old one."""
        found = read_json(self.plan).get("layers", [])
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def filters(self, column: Column) -> epath.Path:
        """The first layers that one finished column's conditions trained."""
        return self.path / "filters" / f"{column.name}.npz"

    def controls(self, column: Column) -> epath.Path:
        """What was measured of one finished column's networks beside their accuracy."""
        return self.path / "controls" / f"{column.name}.csv"

    @property
    def split_images(self) -> epath.Path:
        """An image of each class of each split."""
        return self.path / "split_images.npz"

    def metrics(self, column: Column) -> epath.Path:
        """Loss and accuracy of one column's conditions as it was trained, a line each."""
        return self.path / "metrics" / f"{column.name}.jsonl"

    def networks(self, column: Column) -> epath.Path:
        """The layers that one finished column's conditions trained."""
        return self.path / "networks" / column.name

    def checkpoints(self, column: Column) -> epath.Path:
        """The last checkpoints of a column in training."""
        return self.checkpoints_folder / column.name

    @property
    def checkpoints_folder(self) -> epath.Path:
        """The checkpoints of all columns."""
        return self.path / "checkpoints"

    @property
    def lock(self) -> epath.Path:
        """Says which process trains in this folder."""
        return self.path / "lock.json"

    @property
    def progress(self) -> epath.Path:
        """Says how far a run is."""
        return self.path / "progress.json"

    def base_network(self, base: Condition) -> epath.Path:
        """The trained parameters of a base network."""
        first = "" if base.examples is None else f".first{base.examples}"
        return self.path / "bases" / f"{base.split}.seed{base.seed}.{base.target}{first}"

    def open(self) -> None:
        """Make the folder, or check that it may be this run's, before anything is in it.

        Raises:
          WorkdirError: the folder cannot be made, or holds something else than a run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # In a bucket, a folder is there only when something is in it.
            inside = self.path.iterdir() if self.path.exists() else ()
            held = [path.name for path in inside if not path.name.startswith(".")]
        except OSError as error:
            reason = f"cannot be written: {error.strerror or error}"
            if isinstance(error, FileExistsError | NotADirectoryError):
                reason = "is a file, or lies in one; a run needs a folder"
            raise WorkdirError(f"{self.path} {reason}") from None
        if held and not set(held) & {self.config.name, self.lock.name, self.versions.name, SWEEP}:
            raise WorkdirError(f"{self.path} is not empty and holds no run; choose another workdir")


def workdir_at(path: epath.PathLike) -> Workdir:
    """The folder of a run by its path.

    Returns:
      The folder; nothing is made or read.

    Raises:
      PlaceError: the path is no place of a folder.

    Example:
      >>> workdir_at("runs/a").results
      PosixGPath('runs/a/results.csv')
    """
    return Workdir(place(path, "workdir"))
