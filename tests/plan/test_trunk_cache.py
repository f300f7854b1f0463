"""What of frozen layers is kept, and why not more."""

from dataclasses import replace

import flax.linen as nn
import pytest

from tests.conftest import TINY
from tests.running.pretrained import network, pretrained_config
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.plan.config import load_config
from transfer_jax.plan.costs import Rate
from transfer_jax.plan.differences import fingerprint
from transfer_jax.plan.estimate import TRUNK, estimate
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import make_plan
from transfer_jax.plan.trunk_choice import trunk_cache
from transfer_jax.plan.trunk_notes import trunk_notes

GIB = 2**30
LONG = ["--config.families=('freeze','full')", "--config.cuts=(1,3,4)", "--config.steps=60"]
# Of a 28x28 image: pixels and channels of what leaves stem, block2 and block3.
VALUES = {1: 14 * 14 * 6, 3: 7 * 7 * 8, 4: 7 * 7 * 10}
# Multiply-adds of an image between these cuts: kernels of 3x3, at each pixel that leaves.
ADDS = {
    1: 14 * 14 * 9 * 1 * 6,
    3: 14 * 14 * 9 * 6 * 8 + 7 * 7 * 9 * 8 * 8,
    4: 7 * 7 * 9 * 8 * 10,
}
IMAGES = 120


class Dropping(nn.Module):
    """The block of these networks, with dropout."""

    features: int

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(self.features, (3, 3), use_bias=False, name="conv")(x)
        x = nn.BatchNorm(use_running_average=not train, name="norm")(x)
        return nn.Dropout(0.5, deterministic=not train)(nn.relu(x))


def dropping(num_outputs: int):
    """The network, with dropout in its second layer."""
    known = network(num_outputs)
    return LayerStack({**known.layers, "block1": Dropping(8)}, stages=known.stages)


def plan_of(tmp_path, *flags):
    return make_plan(pretrained_config(tmp_path, [*LONG, *flags]))


def test_all_that_is_wanted_is_kept_where_there_is_room(tmp_path):
    cache = trunk_cache(plan_of(tmp_path, "--config.data.mirror=True"), GIB)
    assert cache.depths == (1, 3, 4) and len(cache.examples) == IMAGES
    assert cache.size == 2 * IMAGES * 4 * sum(VALUES.values())
    assert cache.within == 0 and not cache.reason


@pytest.mark.parametrize("depths", [(3,), (3, 4), (1, 3, 4)])
def test_what_saves_most_a_byte_is_kept_first(depths, tmp_path):
    """The stem saves least for what it takes; of what is too large the plan says so."""
    plan = plan_of(tmp_path, "--config.cache.share=0.5")
    cache = trunk_cache(plan, 2 * 4 * IMAGES * sum(VALUES[n] for n in depths))
    assert cache.depths == depths
    assert cache.without == plan.recipe.batch_size * sum(ADDS.values())
    assert cache.without - cache.within == plan.recipe.batch_size * sum(ADDS[n] for n in depths)
    left = [name for n, name in {1: "stem", 4: "block3"}.items() if n not in depths]
    assert cache.reason == (f"no room for what leaves {', '.join(left)}" if left else "")


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("cache.share=0.0", "cache.share is 0"),
        ("data.shift=2", "data.shift is 2"),
        ("data.crop=20", "data.crop is 20"),
        ("data.crop=20", "data.views=1"),
        ("steps=3", "so few steps"),
        ("cache.share=0.000001", "too small"),
        ("families=('full',)", "no network that is trained has frozen first layers"),
    ],
)
def test_why_nothing_is_kept(flag, reason, tmp_path):
    warm = ["--config.optimizer.warmup_steps=1"]
    plan = plan_of(tmp_path, *warm, f"--config.{flag}")
    cache = trunk_cache(plan, GIB)
    assert not cache.shapes and reason in cache.reason
    (line,) = trunk_notes(plan, cache)
    assert line.startswith("Frozen layers are computed at every step: ") and reason in line


def test_a_few_places_can_be_kept(tmp_path):
    flags = ["--config.data.crop=20", "--config.data.views=3", "--config.data.mirror=True"]
    plan = plan_of(tmp_path, *flags)
    cache = trunk_cache(plan, GIB)
    assert [own.shape[0] for own in cache.shapes.values()] == [6, 6, 6]
    assert "of 120 images at 3 places, as they are and mirrored" in trunk_notes(plan, cache)[0]


@pytest.mark.parametrize(
    ("flags", "views", "most"), [([], 2, 1), (["data.shift=1"], 10, 9), (["data.crop=27"], 5, 4)]
)
def test_more_places_than_images_have_are_refused(flags, views, most, tmp_path):
    given = [f"--config.{flag}" for flag in flags]
    with pytest.raises(ConfigError, match=f"data.views is {views}, .* allowed: up to {most}, or 0"):
        plan_of(tmp_path, *given, f"--config.data.views={views}")
    plan_of(tmp_path, *given, f"--config.data.views={most}")


def test_what_memory_is_too_small_for_lies_on_disk(tmp_path):
    plan, rate = plan_of(tmp_path, "--config.cache.share=0.5"), Rate(1e9, 1.0)
    little = 2 * 4 * IMAGES * VALUES[3]
    for disk in (0, little // 2):
        cache = trunk_cache(plan, little, disk)
        assert cache.depths == (3,) and not cache.on_disk
    cache = trunk_cache(plan, little, GIB)
    assert cache.depths == (1, 3, 4) and cache.on_disk
    assert "MiB on disk" in trunk_notes(plan, cache)[0]
    assert not trunk_cache(plan, 2 * GIB, GIB).on_disk
    # A device holds a batch of it, and no longer all images.
    (*_, within), (*_, without) = estimate(plan, rate, cache), estimate(plan, rate)
    batch, images = plan.recipe.batch_size, len(plan.recipe.images.labels)
    saved = (images - batch) * (28 * 28 + 4)
    assert without.memory - within.memory == saved - 4 * batch * sum(VALUES.values())


def test_base_networks_that_are_trained_here_are_not_one(tmp_path):
    plan = make_plan(load_config("fashion_mnist", TINY))
    cache = trunk_cache(plan, GIB)
    assert "differ from column to column" in cache.reason and not trunk_notes(plan, cache)
    assert not plan.keeps


def test_the_estimate_counts_what_is_computed(tmp_path):
    plan, rate = plan_of(tmp_path), Rate(1e9, 1.0)
    cache = trunk_cache(plan, GIB)
    (without,), (fill, within) = estimate(plan, rate), estimate(plan, rate, cache)
    assert (fill.wave, fill.multiply_adds) == (TRUNK, cache.fill)
    assert without.multiply_adds - within.multiply_adds == cache.without * without.columns
    assert within.memory - without.memory == cache.size + 4 * len(plan.recipe.images.labels)
    assert "computes 0 G of" in trunk_notes(plan, cache)[0]


def test_the_share_is_no_part_of_a_run_and_the_precision_is(tmp_path):
    plan = plan_of(tmp_path)
    config, images, cache = plan.config, plan.recipe.images, plan.config.cache
    less = replace(config, cache=replace(cache, share=0.0))
    low = replace(config, cache=replace(cache, precision="bfloat16"))
    assert fingerprint(less, images) == fingerprint(config, images) != fingerprint(low, images)
    keys = [replace(plan, config=own).program_key(()) for own in (config, less, low)]
    assert keys[0] == keys[1] != keys[2]
    assert trunk_cache(replace(plan, config=low), GIB).size * 2 == trunk_cache(plan, GIB).size


def test_what_dropout_changes_is_not_kept(tmp_path):
    flags = ["--config.network.name=tests.plan.test_trunk_cache:dropping"]
    plan = plan_of(tmp_path, *flags)
    assert trunk_cache(plan, GIB).depths == (1,)
    assert "dropout is on in frozen layer block1" in trunk_cache(plan, GIB).reason
    off = plan_of(tmp_path, *flags, "--config.frozen_dropout=False")
    assert trunk_cache(off, GIB).depths == (1, 3, 4)
