"""One program a kind of column, compiled once."""

import jax
import jax.monitoring

from tests.conftest import TINY
from transfer_jax import run
from transfer_jax.config import load_config

COMPILED = "/jax/core/compile/backend_compile_duration"


def test_compilations_do_not_grow_with_seeds_and_splits(tmp_path):
    counts = []
    events: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **_: events.append(event) if event == COMPILED else None
    )
    for name, extra in (
        ("small", ["--config.seeds=1"]),
        ("large", ["--config.seeds=3", "--config.splits=('distant','random-0')"]),
    ):
        jax.clear_caches()
        events.clear()
        run(load_config("fashion_mnist", [*TINY, *extra]), tmp_path / name)
        counts.append(len(events))
    assert counts[0] == counts[1] > 0
