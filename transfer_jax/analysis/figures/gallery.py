"""The figures of a report, drawn as PNG and SVG, with the words that go with each."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.control_figures import control_figures
from transfer_jax.analysis.figures.cost_figures import decomposition, distances
from transfer_jax.analysis.figures.curve_figures import points_of_networks, transfer_curves
from transfer_jax.analysis.figures.drawing import RC, WIDEST
from transfer_jax.analysis.figures.family_figures import family_curves
from transfer_jax.analysis.figures.learning_figures import learning_curves, steps_figure
from transfer_jax.analysis.figures.letters import make_legible
from transfer_jax.analysis.figures.paper_figures import paper_figures
from transfer_jax.analysis.figures.pictures import filters, split_images
from transfer_jax.analysis.paper.original import STATISTIC
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.steps_to_reach import Reached
from transfer_jax.folder.results import ResultRow

# Name of the file to what the figure is and what it shows, {statistic} for what numbers are.
TEXTS = {
    "figure": (
        "Accuracy against number of transferred layers",
        "Left: accuracy less that of a network of the same split, seed and target that was "
        "trained from scratch; right: accuracy. Lines are means of both targets. An arrowhead: the "
        "bar goes on.",
    ),
    "networks": ("Every network", "A point a network; a panel for each split and target."),
    "distance": (
        "Loss by distance of the tasks",
        "Accuracy of frozen transfer, and of random frozen layers, as a change from base in %, a "
        "line for each split.",
    ),
    "decomposition": (
        "What frozen transfer costs",
        "At each cut, points lost to co-adaptation, to specialisation, and to both together. A "
        "gain is a negative cost.",
    ),
    "learning": (
        "Learning curves",
        "Accuracy on the way, mean of both targets: from scratch, and with the best cut of frozen "
        "and of fine-tuned transfer.",
    ),
    "steps": (
        "Steps until scratch's final accuracy is reached",
        "From which step on each way is shown to be as accurate as training from scratch is in the "
        "end. The steps of the network that layers come from are not counted.",
    ),
    "filters": (
        "First-layer filters",
        "Of base networks, and of networks that were fine-tuned from them, first seed.",
    ),
    "splits": ("The tasks", "An image of each of the first classes of task A and of task B."),
    "cka": (
        "Similarity with the base network",
        "Debiased linear CKA of each layer with the same layer of the base network, on the "
        "target's test images: of the target's own base network, and of networks fine-tuned after "
        "a cut at n. 0 is what networks have that have nothing in common.",
    ),
    "stitching": (
        "Stitching",
        "The base network's first n layers under the last ones of the target's own base network, "
        "joined by a linear layer that is trained alone: where it comes up to base, a cut loses "
        "fit, not information.",
    ),
    "barrier": (
        "Between two runs from one start",
        "Accuracy on the straight line between two networks that start alike and see other "
        "batches: fine-tuned from the same n layers, and, as control, from scratch. A valley means "
        "that the two end in different basins.",
    ),
    "reinitialisation": (
        "Which layers must be trained",
        "What fine-tuned networks lose with one layer put back to what it was before training.",
    ),
    "scores": (
        "Scores that foretell transfer",
        "LogME, and LEEP of a linear discriminant analysis, of the base network's features at each "
        "cut, against the accuracy that frozen transfer then has; beside them the trivial "
        "predictor, that fewer transferred layers are better.",
    ),
    "comparison": (
        "The runs side by side",
        "Accuracy of frozen (solid) and of fine-tuned (dashed) transfer less that of base.",
    ),
    "figure2": (
        "The paper's figure 2",
        "Accuracy against number of transferred layers: {statistic}.",
    ),
    "figure3": (
        "The paper's figure 3",
        "Distant tasks, random filters, both relative to base: {statistic}.",
    ),
    "reduced": (
        "Reduced data",
        "Accuracy against number of training images of each class: {statistic}.",
    ),
    "preserved": (
        "Preserved layers",
        "Accuracy where layers above the cut are copied and trained, too: {statistic}.",
    ),
}

# The same of networks that start from given weights.
PRETRAINED_TEXTS = {
    "families": (
        "Accuracy by family and n",
        "Test accuracy of each way to start from pretrained weights, against the number of layers "
        "n that it counts: linear heads after layer n (probe), the first n layers frozen and the "
        "rest tuned (freeze), and others; ways without an n are levels.",
    ),
    "networks": (
        "Every network",
        "A point a network, at its n; those of ways without an n at the left. Linear heads "
        "are the same for every seed.",
    ),
    "filters": (
        "First-layer filters",
        "Of networks tuned under a fresh top, first seed.",
    ),
    "splits": ("The classes", "An image of each class, of the first six if there are more."),
    "learning": (
        "Learning curves",
        "Accuracy while training: from scratch, and of each family that is trained, at its best n.",
    ),
    "steps": (
        "Steps until scratch's final accuracy is reached",
        "From which step on each way is shown to be as accurate as training from scratch is in the "
        "end. The pretraining is not counted.",
    ),
}

# A figure so wide, in points, is scrolled on a phone, not shrunk.
WIDE = 400


@dataclass(frozen=True)
class Picture:
    """A figure, what it is, and what it shows, for those who do not see it too."""

    label: str
    caption: str
    svg: str

    @property
    def is_wide(self) -> bool:
        """Whether a phone would make it too small to read."""
        size = re.search(r'viewBox="0 0 ([\d.]+) ', self.svg)
        return bool(size) and float(size[1]) > WIDE


def draw(
    evidence: Evidence,
    found: Sequence[Effects],
    reached: Sequence[Sequence[Reached]],
    theirs: Sequence[ResultRow],
) -> dict[str, bytes]:
    """All figures that a run has numbers for.

    Args:
      found: the numbers of each group; the first few are drawn.
      reached: of each group, how soon its ways are as good as scratch.
      theirs: the authors' networks, to be drawn beside the run's.

    Returns:
      Name of the file to its content.
    """
    drawn = found[:WIDEST]
    if evidence.is_pretrained:
        first: dict[str, Callable[[], Figure | None]] = {"families": lambda: family_curves(drawn)}
    else:
        first = {
            "figure": lambda: transfer_curves(drawn),
            "decomposition": lambda: decomposition(drawn),
            "distance": lambda: distances(drawn),
        }
    makers = first | {
        "networks": lambda: points_of_networks(drawn),
        "learning": lambda: learning_curves(evidence, drawn),
        "steps": lambda: steps_figure(
            list(zip(drawn, reached, strict=False)), evidence.tested_on_the_way
        ),
        "filters": lambda: filters(evidence),
        "splits": lambda: split_images(evidence),
    }
    with matplotlib.rc_context(RC):
        made = {name: make() for name, make in makers.items()} if found else {}
        figures = {name: figure for name, figure in made.items() if figure is not None}
        if found:
            figures |= control_figures(evidence.controls, evidence.sound)
    if evidence.config.get("reference"):
        figures |= paper_figures(evidence.sound, theirs)
    return saved(figures)


def saved(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Figures as files.

    Returns:
      Name of the file to its content: a PNG and an SVG of each.
    """
    files: dict[str, bytes] = {}
    with matplotlib.rc_context(RC):
        for name, figure in figures.items():
            png, svg = io.BytesIO(), io.BytesIO()
            make_legible(figure)
            figure.savefig(svg, format="svg", dpi=150, metadata={"Date": None})
            # What was laid out once is not laid out again.
            figure.set_layout_engine("none")
            figure.savefig(png, format="png", dpi=300, pil_kwargs={"compress_level": 3})
            files |= {f"{name}.png": png.getvalue(), f"{name}.svg": svg.getvalue()}
    return files


def pictures(
    files: Mapping[str, bytes], statistic: str = STATISTIC, *, pretrained: bool = False
) -> list[Picture]:
    """The figures with their words.

    Args:
      files: name of the file to its content.
      statistic: what the numbers of the paper's figures are.
      pretrained: whether the networks start from given weights.
    """
    words = TEXTS | PRETRAINED_TEXTS if pretrained else TEXTS
    texts = {name: words[name.removesuffix(".svg")] for name in files if name.endswith(".svg")}
    return [
        Picture(label, caption.format(statistic=statistic), files[name].decode())
        for name, (label, caption) in texts.items()
    ]
