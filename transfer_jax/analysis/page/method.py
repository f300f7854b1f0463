"""How a report's numbers were made, for a reader who wants to check it."""

from collections.abc import Sequence

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.inference import ENOUGH_SPLITS
from transfer_jax.analysis.statistics.wording import in_points
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import HEAD2TOE


def method(found: Sequence[Effects]) -> list[str]:
    """The method, for a reader who wants to check it.

    Returns:
      Paragraphs.
    """
    images = all(own.sampled.examples for own in found)
    return [
        "Accuracy is that of the final network on test images. Differences are paired: networks "
        "are compared with others of the same split, seed and target, then averaged over targets, "
        "seeds and splits. “Pooled” means are over all networks instead, as in the paper; they "
        "compare targets, too, where treatments were run on other targets, and have no interval.",
        f"Units are splits where there are {ENOUGH_SPLITS} or more random ones, and intervals are "
        "then about splits like these; else units are the seeds within each split, and intervals "
        "are about these very splits. An interval is the wider of two. One has the standard error "
        "of the units alone and Student's degrees of freedom. The other has that of units and "
        + (
            "test images together: images count with what units have in common of them, since the "
            "rest is in the differences between units already; its degrees of freedom are "
            "Satterthwaite's. "
            if images
            else "of nothing else: which test images each network gets right is not known of all. "
        )
        + "One unit gives no interval. Every sentence, table and figure has its intervals from "
        "here.",
        "A difference is “above” or “below” where its interval leaves 0 out. It is “as”, or "
        "“nothing that matters”, only where two one-sided tests at 5% show it within the margin, "
        f"here {_margins(found)} (if none is asked for, a point or a tenth of the error of "
        "scratch, whichever is less). All else "
        "is “not shown to differ”.",
        "p is the probability of so large a difference if there were none, adjusted by Holm's "
        "method for all cuts of its column, so that “at some n” may be said of any of them. "
        "Intervals of single cuts are not adjusted. Differences between splits are of other "
        "networks, and are compared as independent samples; where test images that they share move "
        "both the same way, these intervals are a little too wide.",
        "A claim about several cuts holds where it does at each of them (an intersection-union "
        "test), and fails where it is shown wrong at one of them, adjusted for all (Bonferroni).",
        "The advice compares all ways with the best of them, whichever that is (Hsu 1981): a way "
        "may be chosen if, with 95% confidence for all ways at once, no other is better by more "
        "than the margin. Of those it takes the one that trains the fewest layers. Ways are "
        "compared on validation images, where the run has some; the gain is told on test images, "
        "with an interval that holds for all ways at once, hence for the chosen one. It holds for "
        "networks and data like those of this run.",
    ]


def pretrained_method(found: Sequence[Effects]) -> list[str]:
    """The method where networks start from given weights.

    Returns:
      Paragraphs.
    """
    images = all(own.sampled.examples for own in found)
    counted = (
        "seeds and test images together: images count with what seeds have in common of them"
        if images
        else "seeds alone: which test images each network gets right is not known of all"
    )
    has_all_layers = any(arm.variant == HEAD2TOE for own in found for arm in own.group.arms)
    also = (
        "So is head2toe, the linear head on all layers' activations, with the share of these that "
        "it keeps. "
        if has_all_layers
        else ""
    )
    arms = {arm.treatment for own in found for arm in own.group.arms}
    fresh = "Scratch is as long as the others. " if Treatment.SCRATCH in arms else ""
    return [
        "Accuracy is that of the final network on test images. Differences are paired: networks "
        f"are compared with others of the same seed and target. {fresh}A probe is a linear head "
        "that is solved by L-BFGS, with the weight of its penalty chosen "
        f"on validation images; each of these counts by a weight that others chose. {also}Such a "
        "head is the same for every seed, so that test images alone make it uncertain.",
        f"An interval is the wider of two: one has the standard error of {counted}; the other has "
        "the seeds' own, with Student's degrees of freedom. Intervals are 95%, each of its own "
        "number; those of the advice hold for all ways at once.",
        "The advice compares all ways with the best of them, whichever that is (Hsu 1981). A way "
        "is “not shown to differ from the best” where the interval of its difference, for all ways "
        "at once, reaches 0. A way is chosen if no other is shown to be able to be better by more "
        f"than the margin, here {_margins(found)} (if none is asked for, a point or a tenth of the "
        "error of the best way, whichever is less); of those, the one that trains the fewest "
        "layers. Where that shows none, ways tie: it takes the cheapest of those within a standard "
        "error of the highest (Breiman et al. 1984), and says how far it may be below the best. "
        "Ways are compared on validation images, where there are some; gains are told on test "
        "images. All holds for networks and data like those of this run.",
    ]


def race_method(evidence: Evidence) -> list[str]:
    """How a budget was spent.

    Returns:
      Paragraphs; none where all networks were trained.
    """
    if not evidence.races:
        return []
    return [
        "There was a budget, and a race for it: ways are looked at on validation images after a "
        "quarter and a half of the steps, at the end, and after each further seed. A way is "
        "dropped only where it is shown to be worse than another one by more than the margin, "
        f"{in_points(evidence.margin)}; what there is no money for is set aside, the lowest "
        "first, and is not excluded (successive halving, Jamieson and Talwalkar 2016). Networks of "
        "one seed are compared image by image: that one is worse is shown by an exact test "
        "(McNemar 1947, Berger and Boos 1994), that it is near the best by bets on the differences "
        "(Waudby-Smith and Ramdas 2024). Ways of several seeds are compared as "
        "the advice is made; the error of all looks, all ways and the choice together is at most "
        "5%. Prices are multiply-adds of training and of looking, in full fine-tunings of one "
        "network; test images are looked at for the report only, and are not in them.",
    ]


def rates_method(evidence: Evidence) -> list[str]:
    """How learning rates were chosen.

    Returns:
      A paragraph; none where they were not.
    """
    if not evidence.chosen_rates:
        return []
    found = ", ".join(f"{family} {rate:g}" for family, rate in evidence.chosen_rates.items())
    return [
        "Learning rates were chosen for each family of networks by validation images, on a seed "
        "that is none of those compared: of the best rate and those within one standard error of "
        f"it, the nearest to 1. Multiples of learning_rate: {found}."
    ]


def _margins(found: Sequence[Effects]) -> str:
    return " and ".join(dict.fromkeys(in_points(own.margin) for own in found))
