"""What is said of frozen layers that are computed once."""

from transfer_jax.plan.plan import Plan
from transfer_jax.plan.trunk_cache import TrunkCache


def kept_note(plan: Plan, cache: TrunkCache) -> str:
    """What is kept.

    Returns:
      A line.
    """
    names = ", ".join(plan.network.layer_names[n - 1] for n in cache.depths)
    view = plan.program(()).view
    places = f" at {view.places} places" if view.places > 1 else ""
    mirrored = ", as they are and mirrored" if view.mirror else ""
    return (
        f"Kept: what leaves {names}, frozen, of {len(cache.examples):,} images{places}{mirrored}: "
        f"{cache.size / 2**20:,.0f} MiB{' on disk' if cache.on_disk else ''}"
    )


def trunk_notes(plan: Plan, cache: TrunkCache) -> list[str]:
    """What of a plan's frozen layers is computed once, what that saves, and why not more.

    Returns:
      Lines; none for networks that are trained here from the beginning.
    """
    if not plan.is_pretrained:
        return []
    if not cache.depths:
        return [f"Frozen layers are computed at every step: {cache.reason}."]
    lead = (
        f"{kept_note(plan, cache)}. A step of a column computes {_giga(cache.within)} of "
        f"{_giga(cache.without)} multiply-adds of frozen layers; computing them once takes "
        f"{_giga(cache.fill)}."
    )
    return [lead, *([f"Computed at every step: {cache.reason}."] if cache.reason else [])]


def _giga(number: float) -> str:
    return f"{number / 1e9:,.3g} G"
