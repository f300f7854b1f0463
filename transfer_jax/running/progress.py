"""What a person sees while a run goes on, here and from another shell."""

import functools
import json
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from etils import epath
from jax import monitoring
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from transfer_jax.folder.whole_file import write_whole
from transfer_jax.grid.conditions import Condition

LINE_SECONDS, FILE_SECONDS = 10.0, 5.0
# JAX says how long it traced, lowered and compiled under such names.
COMPILING = "/jax/core/compile/"


class Compilation:
    """How long JAX has compiled: done once, it does not tell how long further steps take."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []

    def note(self, event: str, duration_secs: float, **_: str | int) -> None:
        """Note something that has just ended; what it holds was noted before."""
        if not event.startswith(COMPILING):
            return
        end = time.monotonic()
        start = end - duration_secs
        while self.spans and self.spans[-1][0] >= start:
            self.spans.pop()
        # Threads may compile at the same time.
        start = max(start, self.spans[-1][1]) if self.spans else start
        self.spans.append((start, end))

    def clock(self) -> float:
        """Seconds of a clock that stands still while JAX compiles."""
        return time.monotonic() - sum(end - start for start, end in self.spans)


@functools.cache
def compilation() -> Compilation:
    """That of this process: JAX 0.8 takes no listener back."""
    found = Compilation()
    monitoring.register_event_duration_secs_listener(found.note)
    return found


class RunProgress:
    """A bar over all columns' steps, with loss, accuracy and time left; lines without a terminal.

    Args:
      total_steps: steps of all columns that are still to be trained.
      console: where to show it.
      files: files that say the same, as JSON, for other shells.
    """

    def __init__(
        self, total_steps: int, console: Console, files: Sequence[epath.Path] = ()
    ) -> None:
        self.console, self.files = console, files
        self.total, self.done, self.skipped = total_steps, 0, 0
        self.last_line = time.monotonic()
        self.last_file = float("-inf")
        self.compilation = compilation()
        self.since, self.trained = self.compilation.clock(), 0.0
        self.facts: dict[str, Any] = {"wave": "", "column": "", "where": "", "diverged": []}
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=8),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[metrics]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=total_steps, metrics="compiling")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()
        self._write("trained" if error is None else f"stopped: {' '.join(str(error).split())}")

    def begin(self, wave: str, column: str, steps_done: int = 0) -> None:
        """Say which column is trained now.

        Args:
          wave: name of the wave.
          column: name of the slot's first column.
          steps_done: steps of the slot's columns that an earlier process did.
        """
        if self.facts["where"]:
            # Of a race, steps up to the look before were counted when they were done.
            steps_done = 0
        self.facts |= {"wave": wave, "column": column}
        self.done += steps_done
        self.skipped += steps_done
        self.bar.update(self.task, description=self.facts["where"] or column, advance=steps_done)
        self._write("training")
        if self.facts["where"] and self._is_due():
            self.say(f"{wave}: {self.facts['where']}, starts; a new program is compiled first")

    def steps_begin(self) -> float:
        """Say that steps begin now: what came before does not tell how long these take.

        Returns:
          What the clock shows that stands still while JAX compiles.
        """
        self.since = self.compilation.clock()
        return self.since

    def at(self, where: str) -> None:
        """Say where the training stands, if the count of all steps does not: it is a race's.

        Args:
          where: what is said in place of that count; "" for the count.
        """
        self.facts["where"] = where

    def expect(self, steps: int) -> None:
        """Say how many steps are left, where that is not what was said."""
        self.total = self.done + steps
        self.bar.update(self.task, total=self.total)

    def diverged(self, condition: Condition) -> None:
        """Note a condition whose loss is not finite."""
        name = f"{condition.split}.seed{condition.seed} {condition.label}"
        if name not in self.facts["diverged"]:
            self.facts["diverged"].append(name)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def advance(self, column_steps: int, loss: float, accuracy: float) -> None:
        """Count steps done.

        Args:
          column_steps: steps since the last call, summed over columns.
          loss: mean training loss over the conditions, in nats.
          accuracy: mean training accuracy over the conditions, 0 ... 1.
        """
        self.done += column_steps
        metrics = f"loss {loss:.2f} accuracy {accuracy:.2f}"
        self.bar.update(self.task, advance=column_steps, metrics=metrics)
        now, until = time.monotonic(), self.compilation.clock()
        self.trained += until - self.since
        self.since = until
        left = self.trained * (self.total - self.done) / (self.done - self.skipped)
        self.facts |= {"loss": loss, "accuracy": accuracy, "seconds_left": round(left)}
        if now - self.last_file > FILE_SECONDS:
            self._write("training")
        if self._is_due() or (self.done == self.total and not self.console.is_terminal):
            count = f"step {self.done}/{self.total}"
            where = f"{self.facts['where']}," if self.facts["where"] else count
            self.say(f"{self.facts['wave']}: {where} {metrics}, {left:.0f} s left")

    def _is_due(self) -> bool:
        """Whether a line is to be printed again, where there is no bar; it counts as printed."""
        now = time.monotonic()
        if self.console.is_terminal or now - self.last_line <= LINE_SECONDS:
            return False
        self.last_line = now
        return True

    def _write(self, state: str) -> None:
        self.last_file = time.monotonic()
        counts = {"state": state, "steps_done": self.done, "steps": self.total}
        for file in self.files:
            try:
                write_whole(file, json.dumps({**counts, **self.facts}) + "\n")
            except OSError:
                continue  # Only a view of the run; what matters tells its own errors.
