"""Linear heads on the features of a pretrained network: solved once for all seeds, then kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from transfer_jax.data.order import Images, padded_batches
from transfer_jax.data.tasks import ranks
from transfer_jax.engine.all_layers import head_on_all_layers
from transfer_jax.engine.columns import ColumnStart, column_inputs, column_order
from transfer_jax.engine.features import FeatureProgram, Features
from transfer_jax.engine.feeds import StreamFeed, on_device
from transfer_jax.engine.mesh import COLUMN, DATA
from transfer_jax.engine.outcome import ColumnOutcome
from transfer_jax.engine.probing import Examples, Probed, probe
from transfer_jax.engine.processes import first_alone
from transfer_jax.engine.view import View
from transfer_jax.folder.heads import SolvedHead, write_heads
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.pretrained import PROBE, head_name, probes
from transfer_jax.grid.variants import Variant
from transfer_jax.running.column_files import keep_results, keep_tests
from transfer_jax.running.run import Run
from transfer_jax.running.session import Session
from transfer_jax.running.watch import stop_measuring_if_asked, stop_now

WAVE, PROBING = "probes", "while probes were solved"


@dataclass(frozen=True)
class Place:
    """What linear heads are solved for: a task, and how many of its images.

    Attributes:
      columns: the columns of probes, one a seed; where none are asked for, one of those that begin
        with a head.
      heads: those that are wanted.
    """

    columns: tuple[Column, ...]
    heads: tuple[Variant, ...]

    @property
    def depths(self) -> tuple[int, ...]:
        """After how many layers features are wanted."""
        return tuple(sorted({n for head in self.heads for n in head.depths}))


def solve_probes(runs: Sequence[Run], session: Session) -> None:
    """Solve the linear heads that some runs lack; process 0 does, and the others wait.

    Args:
      runs: those whose probes are not solved yet.
      session: who looks on, and who may stop it.

    Raises:
      Stopped: the process was asked to stop, and did.
    """

    def work() -> None:
        for run in runs:
            for place in places(run):
                _solve(run, place, session)

    if any(places(run) for run in runs) and (
        number := first_alone(work, lambda: session.stop.signal)
    ):
        stop_now(number, PROBING)


def places(run: Run) -> list[Place]:
    """What linear heads a run asks for: probes, and heads that networks begin with.

    Args:
      run: one whose plan has probes.

    Returns:
      One entry for each split, target and number of examples.
    """
    found: dict[tuple[str, str, int | None], list[Column]] = {}
    for column in run.plan.columns(run.plan.grid):
        if any(_needs_head(column)):
            place = (column.split, column.target, column.examples)
            found.setdefault(place, []).append(column)
    layers = len(run.plan.network.layer_names)
    return [_place(columns, layers) for columns in found.values()]


def _needs_head(column: Column) -> Iterator[bool]:
    for cut in column.cuts:
        yield cut.variant is not None and (cut.variant.solved or cut.variant.start == PROBE)


def _place(columns: list[Column], layers: int) -> Place:
    solved = [column for column in columns if not column.trainings]
    cuts = [cut for column in solved for cut in column.cuts]
    if any(column.trainings for column in columns):
        cuts += probes((layers - 1,), layers)
    heads = dict.fromkeys(cut.variant for cut in cuts if cut.variant is not None)
    return Place(tuple(solved or columns[:1]), tuple(heads))


def _solve(run: Run, place: Place, session: Session) -> None:
    """Solve the heads of a place, and keep them and what is known of them; not what is there."""
    file = run.folder.heads(place.columns[0])
    todo = [c for c in place.columns if not c.trainings and not run.has_finished(c)]
    if file.exists() and not todo:
        return
    session.still_ours()
    session.progress.begin(WAVE, place.columns[0].name)
    start, examples = _start(run, place.columns[0])
    features = _features(run, place, start, examples, session)
    probed = _probed(run, place, examples, features, session)
    write_heads(file, {head_name(head): _head(found) for head, found in probed.items()})
    for column in todo:
        outcome = _outcome([probed[cut.variant] for cut in column.cuts if cut.variant is not None])
        keep_tests(run, column, start, outcome)
        keep_results(run, column, outcome)


def _head(found: Probed) -> SolvedHead:
    kernel, bias = (np.asarray(leaf) for leaf in found.linear)
    return SolvedHead(kernel, bias, found.strength)


Numbers = tuple[Int[np.ndarray, "batch example"], ...]


def _start(run: Run, column: Column) -> tuple[ColumnStart, Numbers]:
    """What a column sees; and the batches of its training, validation and test images."""
    plan, split = run.plan, run.plan.splits[column.split]
    base = run.bases(column.split)[column.base]
    inputs = column_inputs(column, split, plan.recipe, base.mean(plan.recipe))
    train = column_order(column, split, plan.recipe).examples
    batches = padded_batches(train, plan.recipe.test_batch_size, len(train))
    start = ColumnStart({}, base.variables(column.seed), inputs)
    return start, (batches, np.asarray(inputs.validation_batches), np.asarray(inputs.test_batches))


def _features(
    run: Run, place: Place, start: ColumnStart, numbers: Numbers, session: Session
) -> Features:
    """Of all images, in the order of the batches, by one forward pass."""
    plan, batches = run.plan, np.concatenate(numbers)
    program = FeatureProgram(plan.network, place.depths, View(crop=plan.config.data.crop))

    def on_batch() -> None:
        stop_measuring_if_asked(session.stop, PROBING)

    network = jax.device_put(start.base)
    return program.all(network, _fed(run, batches), batches, start.inputs, on_batch)


def _fed(run: Run, batches: Int[np.ndarray, "batch example"]) -> Iterator[Images]:
    """The images of some batches, in memory or read from disk, on a device of this process."""
    images, reading = run.plan.recipe.images, run.plan.config.reading
    if not images.streamed:
        yield from repeat(on_device(images), len(batches))
        return
    mesh = Mesh(np.asarray(jax.local_devices()[:1]).reshape(1, 1), (COLUMN, DATA))
    for batch in StreamFeed(images, [], [batches], mesh, reading).evaluate(len(batches)):
        yield jax.tree.map(lambda leaf: leaf[0], batch)


def _probed(
    run: Run, place: Place, numbers: Numbers, features: Features, session: Session
) -> dict[Variant, Probed]:
    """All heads, probes of one program."""
    plan, column = run.plan, place.columns[0]
    task = plan.splits[column.split].task(column.target)
    images = [own[own >= 0] for own in numbers]
    of_class = ranks(task, len(plan.recipe.images.class_names))
    labels = [of_class[plan.recipe.images.labels[own]] for own in images]
    ends = np.cumsum([len(own) for own in images])[:-1]
    # There are no more axes than images: one program serves all numbers of features.
    width = max(min(own.shape[1], len(images[0])) for own in features.values())
    found = {}

    def stop_if_asked() -> None:
        stop_measuring_if_asked(session.stop, PROBING)

    for head in place.heads:
        blocks = [features[n] for n in head.depths]
        own = np.split(np.concatenate(blocks, axis=1), ends)
        train, validation, test = map(Examples, own, labels)
        if head.name == PROBE:
            found[head] = probe(train, validation, test, len(task.classes), width)
        else:
            widths = [block.shape[1] for block in blocks]
            found[head] = head_on_all_layers(
                train, validation, test, len(task.classes), widths, stop_if_asked
            )
        stop_if_asked()
    return found


def _outcome(probed: Sequence[Probed]) -> ColumnOutcome:
    """What a column of probes gives, as training gives it: after no step."""
    test, validation = (
        np.stack([getattr(own, name) for own in probed]) for name in ("right", "validation_right")
    )
    loss = np.array([own.loss.mean() for own in probed])
    none = np.full((1, len(probed)), np.nan)
    return ColumnOutcome(
        steps=np.array([0]),
        test=test.mean(axis=1)[None],
        validation=validation.mean(axis=1)[None] if validation.shape[1] else none,
        loss=loss,
        diverged=(~np.isfinite(loss)).astype(np.int32),
        scores=test,
        validation_scores=validation,
        networks=None,
    )
