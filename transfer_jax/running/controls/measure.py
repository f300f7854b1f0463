"""The controls of one finished column, one function each."""

from collections.abc import Iterator
from dataclasses import dataclass

from transfer_jax.folder.control_results import (
    DEBIASED_CKA,
    LEEP,
    LOGME,
    REINITIALISATION,
    ControlRow,
)
from transfer_jax.grid.conditions import Column, Cut
from transfer_jax.models.layered import Variables
from transfer_jax.running.controls.probe import Evaluator, Probe
from transfer_jax.running.controls.scores import leep, logme, principal, source_posterior
from transfer_jax.running.controls.similarity import debiased_cka

DIRECTIONS = 64


@dataclass(frozen=True)
class Finished:
    """A column after its training.

    Attributes:
      column: the column.
      layer_names: the network's layers, in depth order.
      base: the base network, whole.
      target: the target's own base network, whole.
      started: cut label to the whole network that its condition started from.
      trained: cut label to the layers that it trained.
      evaluator: runs networks.
      source_train, target_train, target_test: images of the base's task and of the target's, all
        as the column sees them. A base that was trained on no task has the target's as its source.
    """

    column: Column
    layer_names: tuple[str, ...]
    base: Variables
    target: Variables
    started: dict[str, Variables]
    trained: dict[str, Variables]
    evaluator: Evaluator
    source_train: Probe
    target_train: Probe
    target_test: Probe

    @property
    def tuned(self) -> list[Cut]:
        """The paper's fine-tuned conditions, from the first cut to the last."""
        found = [c for c in self.column.cuts if c.fine_tuned and c.variant is None]
        return sorted(found, key=lambda cut: cut.n)

    @property
    def frozen(self) -> list[Cut]:
        """The paper's frozen conditions, from the first cut to the last."""
        found = [c for c in self.column.cuts if not c.fine_tuned and c.variant is None]
        return sorted(found, key=lambda cut: cut.n)

    def row(
        self, control: str, n: int, value: float, *, layer: str = "", at: float = 0.0
    ) -> ControlRow:
        """A number of this column."""
        c = self.column
        place = (c.split, c.seed, c.base or "", c.target, c.examples or 0)
        return ControlRow(*place, control, n, layer, at, value)


def similarities(done: Finished) -> Iterator[ControlRow]:
    """How alike each layer is to the base network's, on the target's test images.

    Args:
      done: the column.

    Yields:
      Debiased linear CKA: at n = 0 of the target's own base network, at n of the fine-tuned
      condition.

    Returns:
      An iterator over rows.

    Source: Kornblith et al. (2019), Similarity of neural network representations revisited.
    """
    base = done.evaluator.activations(done.base, done.target_test)
    networks = {0: done.target} | {cut.n: done.trained[cut.label] for cut in done.tuned}
    for n, params in networks.items():
        own = done.evaluator.activations(params, done.target_test)
        for layer in done.layer_names:
            yield done.row(DEBIASED_CKA, n, debiased_cka(base[layer], own[layer]), layer=layer)


def robustness(done: Finished) -> Iterator[ControlRow]:
    """Accuracy with one trained layer put back to what it was before training.

    Args:
      done: the column.

    Yields:
      Accuracy on the target's test images, of each fine-tuned condition and layer; without a
      layer's name, of the network as it is.

    Returns:
      An iterator over rows.

    Source: Zhang, Bengio and Singer (2019), Are all layers created equal?
    """
    for cut in done.tuned:
        trained, started = done.trained[cut.label], done.started[cut.label]
        whole = done.evaluator.accuracy(trained, done.target_test)
        yield done.row(REINITIALISATION, cut.n, whole)
        for layer in done.layer_names:
            changed = {**trained, layer: started[layer]}
            accuracy = done.evaluator.accuracy(changed, done.target_test)
            yield done.row(REINITIALISATION, cut.n, accuracy, layer=layer)


def scores(done: Finished) -> Iterator[ControlRow]:
    """What LEEP and LogME say of the features at each cut, before anything is trained on them.

    Args:
      done: the column.

    Yields:
      Both scores at each cut: LogME of all that leaves the layer, LEEP of a source classifier on
      its `DIRECTIONS` principal directions.

    Returns:
      An iterator over rows.

    Source: You et al. (2021), LogME; Nguyen et al. (2020), LEEP, whose source classifier is the
    source network itself. A network that is cut has none: a linear discriminant analysis of the
    source's training images takes its place.
    """
    source = done.evaluator.activations(done.base, done.source_train)
    target = done.evaluator.activations(done.base, done.target_train)
    labels = done.target_train.labels
    for n in dict.fromkeys(cut.n for cut in done.frozen):
        layer = done.layer_names[n - 1]
        known, new = principal(source[layer], target[layer], DIRECTIONS)
        probabilities = source_posterior(known, done.source_train.labels, new)
        yield done.row(LEEP, n, leep(probabilities, labels))
        yield done.row(LOGME, n, logme(target[layer], labels))
