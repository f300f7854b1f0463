"""What a person sees while a run goes on."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class RunProgress:
    """A bar over all columns' steps, with loss, accuracy and time left; lines without a terminal.

    Args:
      total_steps: steps of all columns that are still to be trained.
      console: where to show it.
    """

    def __init__(self, total_steps: int, console: Console) -> None:
        self.console = console
        self.total, self.done = total_steps, 0
        self.started = self.last_line = time.monotonic()
        self.wave = ""
        self.bar = Progress(
            TextColumn("{task.description}"),
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

    def begin(self, wave: str, column: str) -> None:
        """Say which column is trained now."""
        self.wave = wave
        self.bar.update(self.task, description=column)

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
        now = time.monotonic()
        if not self.console.is_terminal and (now - self.last_line > 10 or self.done == self.total):
            self.last_line = now
            left = (now - self.started) * (self.total - self.done) / self.done
            line = f"{self.wave}: step {self.done}/{self.total} {metrics}, {left:.0f} s left"
            self.console.print(line, highlight=False)
