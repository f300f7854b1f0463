"""The loop on a network of two matrices, against the same training written out in NumPy."""

from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from transfer_jax.data.order import Batch, ColumnInputs, DeviceImages
from transfer_jax.engine.columns import ColumnStart, ResumePoint
from transfer_jax.engine.feeds import ResidentFeed, evaluation_batches
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut
from transfer_jax.models.layered import INFERENCE

RANDOM = np.random.default_rng(0)
CUTS = (Cut(1, False), Cut(1, True))
STEPS, RATE = 7, 0.05
IMAGES = RANDOM.integers(0, 9, (12, 2, 2, 1)).astype(np.uint8)
LABELS = np.array([3, 5, 7] * 4, np.int32)
RANKS = np.full(8, -1, np.int32)
RANKS[[3, 5, 7]] = [0, 1, 2]
MEAN = RANDOM.normal(size=(2, 2, 1)).astype(np.float32)
MATRICES = {"a": RANDOM.normal(size=(4, 3)), "b": RANDOM.normal(size=(3, 3))}
INPUTS = ColumnInputs(
    train_batches=RANDOM.integers(0, 6, (STEPS, 4)).astype(np.int32),
    validation_batches=np.array([[6, 7], [8, -1]], np.int32),
    test_batches=np.array([[9, 10], [11, -1], [-1, -1]], np.int32),
    ranks=RANKS,
    class_sizes=np.array([[0, 0, 0, 1, 0, 1, 0, 1]] * 2, np.int32),
    mean=MEAN,
    scale=np.float32(0.5),
    key=np.array([0, 1], np.uint32),
)


class Matrices:
    layer_names = ("a", "b")

    def apply(self, variables, x, start=0, stop=None, *, mode=INFERENCE, rngs=None):
        for name in self.layer_names[start:stop]:
            x = x.reshape(len(x), -1) @ variables[name]["params"]
        return x, {}


class InNumpy:
    """Training and tests of one condition, in float64."""

    def __init__(self, frozen):
        self.a, self.b = MATRICES["a"].copy(), MATRICES["b"].copy()
        self.frozen = frozen

    def seen(self, numbers):
        return ((IMAGES[numbers] - MEAN) * 0.5).reshape(len(numbers), 4), RANKS[LABELS[numbers]]

    def likely(self, x):
        logits = np.exp(x @ self.a @ self.b)
        return logits / logits.sum(axis=1, keepdims=True)

    def step(self, numbers):
        """Loss and accuracy before the step."""
        x, y = self.seen(numbers)
        p = self.likely(x)
        error = (p - np.eye(3)[y]) / len(y)
        of_a, of_b = x.T @ error @ self.b.T, (x @ self.a).T @ error
        self.a -= 0 if self.frozen else RATE * of_a
        self.b -= RATE * of_b
        return -np.log(p[np.arange(len(y)), y]).mean(), (p.argmax(axis=1) == y).mean()

    def test(self, numbers):
        x, y = self.seen(np.array(numbers))
        p = self.likely(x)
        return -np.log(p[np.arange(len(y)), y]).mean(), p.argmax(axis=1) == y


class Batches:
    """A feed of batches of its own, as from disk."""

    def begin(self, steps, done=0):
        self.numbers = iter(INPUTS.train_batches[done:steps])

    def take(self, count):
        for numbers in islice(self.numbers, count):
            yield (
                Batch(jnp.asarray(IMAGES[numbers])[None], jnp.asarray(LABELS[numbers])[None]),
                1,
            )

    def evaluate(self, end, begin=0):
        for numbers in evaluation_batches(INPUTS)[begin:end]:
            labels = np.where(numbers >= 0, LABELS[numbers], -1)
            yield Batch(jnp.asarray(IMAGES[numbers])[None], jnp.asarray(labels)[None])


RESIDENT = ResidentFeed(DeviceImages(jnp.asarray(IMAGES), jnp.asarray(LABELS)))
WHOLE = {name: {"params": jnp.asarray(m, jnp.float32)} for name, m in MATRICES.items()}
START = ColumnStart({cut.label: WHOLE for cut in CUTS}, {"a": WHOLE["a"]}, INPUTS)
# Whether steps are in chunks, and whether batches are read.
WAYS = {
    "one by one": (False, False),
    "in chunks": (True, False),
    "streamed": (False, True),
    "streamed in chunks": (True, True),
}


@pytest.fixture(scope="module")
def programs():
    program = ColumnProgram(Matrices(), CUTS, optax.sgd(RATE))  # pyright: ignore
    compiled = {
        chunked: CompiledProgram(program, column_mesh(1), chunked) for chunked in (False, True)
    }
    return {
        name: (compiled[chunked], Batches() if streamed else RESIDENT)
        for name, (chunked, streamed) in WAYS.items()
    }


def run(way, start=START, steps=STEPS, **options):
    compiled, feed = way
    pauses = []

    def on_pause(pause):
        pauses.append(pause._replace(states=pause.states()))  # pyright: ignore

    (outcome,) = compiled.run([start], feed, steps, on_pause, **options)
    return outcome, pauses


def same(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_every_number_is_that_of_the_training_written_out(way, programs):
    outcome, pauses = run(programs[way], log_every=2, test_every=3, extra_pauses=(5,))
    assert [(p.steps, p.done) for p in pauses] == [(2, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7)]
    assert outcome.steps.tolist() == [3, 6, 7]
    assert outcome.diverged.tolist() == [0, 0]
    for i, cut in enumerate(CUTS):
        alone, done = InNumpy(frozen=not cut.fine_tuned), 0
        for pause in pauses:
            while done < pause.done:
                loss, score = alone.step(INPUTS.train_batches[done])
                done += 1
            assert pause.metrics[0].loss[i] == pytest.approx(loss, rel=1e-4)
            assert pause.metrics[0].score[i] == pytest.approx(score)
            held = pause.states[0].conditions[cut.label].params  # pyright: ignore
            same(held, {n: m for n, m in (("a", alone.a), ("b", alone.b)) if n in held})
            if done in (3, 6, 7):
                place = [3, 6, 7].index(done)
                test_loss, right = alone.test([9, 10, 11])
                assert outcome.test[place, i] == pytest.approx(right.mean())
                _, validated = alone.test([6, 7, 8])
                assert outcome.validation[place, i] == pytest.approx(validated.mean())
        assert outcome.loss[i] == pytest.approx(test_loss, rel=1e-4)
        assert outcome.right[i].tolist() == right.tolist()
        assert outcome.validation_right[i].tolist() == validated.tolist()
        assert outcome.top1[i] == outcome.test[-1, i]
        assert set(outcome.networks[cut.label]) == ({"a", "b"} if cut.fine_tuned else {"b"})
        same(outcome.networks[cut.label]["b"]["params"], alone.b)


@pytest.mark.parametrize("way", WAYS)
def test_tests_on_the_way_may_see_a_part_and_the_last_one_sees_all(way, programs):
    outcome, _ = run(programs[way], log_every=3, test_every=3, part=1)
    whole, _ = run(programs[way], log_every=3, test_every=3)
    assert outcome.steps.tolist() == [3, 6, 7, 7] and whole.steps.tolist() == [3, 6, 7]
    for i, cut in enumerate(CUTS):
        alone, done = InNumpy(frozen=not cut.fine_tuned), 0
        for place, step in enumerate((3, 6, 7)):
            while done < step:
                alone.step(INPUTS.train_batches[done])
                done += 1
            # The first batch of the test, of two examples.
            assert outcome.test[place, i] == pytest.approx(alone.test([9, 10])[1].mean())
    assert np.isnan(outcome.validation[:-1]).all()
    np.testing.assert_array_equal(outcome.test[-1], whole.test[-1])
    np.testing.assert_array_equal(outcome.validation[-1], whole.validation[-1])
    np.testing.assert_array_equal(outcome.scores, whole.scores)
    np.testing.assert_array_equal(outcome.loss, whole.loss)


def test_without_tests_on_the_way_there_is_one_at_the_end(programs):
    outcome, pauses = run(programs["one by one"], log_every=3)
    assert outcome.steps.tolist() == [7] and outcome.test.shape == (1, 2)
    assert [(p.steps, p.done) for p in pauses] == [(3, 3), (3, 6), (1, 7)]
    _, pauses = run(programs["one by one"])
    assert [(p.steps, p.done) for p in pauses] == [(7, 7)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stop", [2, 3])
def test_a_column_goes_on_from_where_it_was_stopped(way, stop, programs):
    whole, pauses = run(programs[way], log_every=1, test_every=3)
    pause = next(p for p in pauses if p.done == stop)
    so_far = [
        (done, jax.tree.map(lambda leaf: np.asarray(leaf)[0], found))
        for done, found in pause.evaluations if done <= stop
    ]  # fmt: skip
    state = pause.states[0]  # pyright: ignore
    start = START._replace(resume_point=ResumePoint(state, so_far))
    rest, later = run(programs[way], start, log_every=1, test_every=3)
    assert [p.done for p in later] == list(range(stop + 1, 8))
    assert rest.steps.tolist() == [3, 6, 7]
    same(whole.networks, rest.networks)
    for field in ("test", "validation", "loss", "right", "validation_right"):
        np.testing.assert_array_equal(getattr(whole, field), getattr(rest, field))


def test_without_validation_images_there_is_no_share_of_them(programs):
    inputs = INPUTS._replace(validation_batches=np.zeros((0, 2), np.int32))
    outcome, _ = run(programs["one by one"], START._replace(inputs=inputs))
    assert np.isnan(outcome.validation).all() and outcome.validation_right.shape == (2, 0)
    assert not np.isnan(outcome.test).any() and outcome.right.shape == (2, 3)


@pytest.mark.parametrize(("steps", "diverged"), [(3, 2), (1, 1)])
def test_the_first_step_that_is_not_finite_is_told(steps, diverged):
    """The first update makes the second loss infinite; after one step the test shows it."""
    program = ColumnProgram(Matrices(), CUTS, optax.sgd(1e38))  # pyright: ignore
    outcome, _ = run((CompiledProgram(program, column_mesh(1)), RESIDENT), steps=steps)
    assert outcome.diverged.tolist() == [diverged, diverged]


def test_settings_take_the_place_of_the_optimizers_own():
    tx = optax.inject_hyperparams(optax.sgd)(learning_rate=9.0)
    program = ColumnProgram(Matrices(), CUTS, tx)  # pyright: ignore
    compiled = CompiledProgram(program, column_mesh(1))
    # Each condition has its own: the fine-tuned one stands still.
    settings = {"1": {"learning_rate": RATE}, "1+": {"learning_rate": 0.0}}
    outcome, _ = run((compiled, RESIDENT), START._replace(settings=settings))
    alone = InNumpy(frozen=True)
    for numbers in INPUTS.train_batches:
        alone.step(numbers)
    same(outcome.networks["1"]["b"]["params"], alone.b)
    for name, own in outcome.networks["1+"].items():
        same(own["params"], START.networks["1+"][name]["params"])


def test_where_no_test_image_is_there_none_is_seen_and_networks_are_judged_by_validation(programs):
    inputs = INPUTS._replace(test_batches=np.full_like(INPUTS.test_batches, -1))
    outcome, _ = run(programs["one by one"], START._replace(inputs=inputs))
    whole, _ = run(programs["one by one"])
    np.testing.assert_array_equal(outcome.validation, whole.validation)
    assert outcome.right.shape == (2, 0)
    assert np.isnan(outcome.test).all() and np.isnan(outcome.loss).all()
    assert not outcome.diverged.any()


@pytest.mark.parametrize("subset", ["validation_batches", "test_batches"])
def test_what_the_last_update_broke_shows_in_whatever_it_is_judged_by(subset):
    program = ColumnProgram(Matrices(), CUTS, optax.sgd(1e38))  # pyright: ignore
    inputs = INPUTS._replace(**{subset: np.full_like(getattr(INPUTS, subset), -1)})
    compiled = CompiledProgram(program, column_mesh(1))
    outcome, _ = run((compiled, RESIDENT), START._replace(inputs=inputs), steps=1)
    assert outcome.diverged.tolist() == [1, 1]


def test_a_resident_feed_gives_all_images_as_often_as_asked():
    RESIDENT.begin(5, 2)
    ((images, steps),) = RESIDENT.take(3)
    assert images.images is RESIDENT.images.images and images.trunk is None and steps == 3
    evaluated = list(RESIDENT.evaluate(4))
    assert len(evaluated) == 4 and all(found is RESIDENT.images for found in evaluated)
    assert evaluation_batches(INPUTS).tolist() == [[6, 7], [8, -1], [9, 10], [11, -1], [-1, -1]]


def test_steps_are_one_call_where_a_backend_is_faster_so_or_it_is_asked_for(monkeypatch):
    program, mesh = ColumnProgram(Matrices(), CUTS, optax.sgd(RATE)), column_mesh(1)  # pyright: ignore
    for backend, chunked in (("cpu", False), ("gpu", True), ("tpu", True)):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        assert CompiledProgram(program, mesh).in_chunks is chunked
        assert CompiledProgram(program, mesh, True).in_chunks is True
        assert CompiledProgram(program, mesh, False).in_chunks is False
