"""The figures of a report, drawn as PNG and SVG, with the words that go with each."""

import io
from collections.abc import Callable, Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.control_figures import control_figures
from transfer_jax.analysis.figures.curve_figures import (
    decomposition,
    distances,
    points_of_networks,
    transfer_curves,
)
from transfer_jax.analysis.figures.drawing import RC, WIDEST
from transfer_jax.analysis.figures.letters import make_legible
from transfer_jax.analysis.figures.paper_figures import paper_figures
from transfer_jax.analysis.figures.pictures import filters, learning_curves, split_images
from transfer_jax.analysis.page.page import picture
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.folder.results import ResultRow

# Name of the file to what the figure is and what it shows.
TEXTS = {
    "figure": (
        "Accuracy against number of transferred layers",
        "Lines are means, bars 95% intervals, faint points seeds. The shaded bands are what "
        "co-adaptation (base to BnB) and specialisation (BnB to AnB) cost.",
    ),
    "networks": ("Every network", "A point a network; filled ones have target A."),
    "distance": (
        "Loss by distance of the tasks",
        "Accuracy of frozen transfer, and of random frozen layers, as a change from base in %.",
    ),
    "decomposition": (
        "What frozen transfer costs",
        "At each cut, points lost to co-adaptation and to specialisation, stacked; the diamond is "
        "both together with its 95% interval.",
    ),
    "learning": (
        "Learning curves",
        "Mean over seeds and targets of each treatment, a line a cut, dark for few layers.",
    ),
    "filters": (
        "First-layer filters",
        "Of base networks, and of networks that were fine-tuned from them, first seed.",
    ),
    "splits": ("The tasks", "An image of each of the first classes of task A and of task B."),
    "cka": (
        "Similarity with the base network",
        "Linear CKA of each layer with the same layer of the base network, on the target's test "
        "images: of the target's own base network, and of networks fine-tuned after a cut at n.",
    ),
    "stitching": (
        "Stitching",
        "The base network's first n layers under the last ones of the target's own base network, "
        "joined by a linear layer that is trained alone: where it comes up to base, a cut loses "
        "fit, not information.",
    ),
    "barrier": (
        "Between fine-tuned networks",
        "Accuracy on the straight line between the fine-tuned networks of n and n + 1, which start "
        "from the same first n layers: a valley means that they end in different basins.",
    ),
    "reinitialisation": (
        "Which layers must be trained",
        "Accuracy of fine-tuned networks with one layer put back to what it was before training.",
    ),
    "scores": (
        "Scores that foretell transfer",
        "LEEP and LogME of the base network's features at each cut, against the accuracy that "
        "frozen transfer then has.",
    ),
    "comparison": (
        "The runs side by side",
        "Accuracy of frozen (solid) and of fine-tuned (dashed) transfer less that of base.",
    ),
    "figure2": ("The paper's figure 2", "Accuracy against number of transferred layers."),
    "figure3": ("The paper's figure 3", "Distant tasks, random filters, both relative to base."),
    "reduced": ("Reduced data", "Accuracy against number of training images of each class."),
    "preserved": (
        "Preserved layers",
        "Accuracy where layers above the cut are copied and trained, too.",
    ),
}


def draw(
    evidence: Evidence, found: Sequence[Effects], theirs: Sequence[ResultRow]
) -> dict[str, bytes]:
    """All figures that a run has numbers for.

    Args:
      evidence: the run's folder.
      found: the numbers of each group; the first few are drawn.
      theirs: the authors' networks, to be drawn beside the run's.

    Returns:
      Name of the file to its content.
    """
    drawn = found[:WIDEST]
    makers: dict[str, Callable[[], Figure | None]] = {
        "figure": lambda: transfer_curves(drawn),
        "decomposition": lambda: decomposition(drawn),
        "distance": lambda: distances(drawn),
        "networks": lambda: points_of_networks(drawn),
        "learning": lambda: learning_curves(evidence, [own.group for own in drawn]),
        "filters": lambda: filters(evidence),
        "splits": lambda: split_images(evidence),
    }
    with matplotlib.rc_context(RC):
        made = {name: make() for name, make in makers.items()} if found else {}
        figures = {name: figure for name, figure in made.items() if figure is not None}
        if found:
            figures |= control_figures(evidence.controls, evidence.rows)
    if evidence.config.get("reference"):
        figures |= paper_figures(evidence.rows, theirs)
    return saved(figures)


def saved(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Figures as files.

    Args:
      figures: name to figure.

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
            figure.savefig(png, format="png", dpi=120, pil_kwargs={"compress_level": 3})
            files |= {f"{name}.png": png.getvalue(), f"{name}.svg": svg.getvalue()}
    return files


def pictures(files: Mapping[str, bytes]) -> str:
    """The figures with their words.

    Args:
      files: name of the file to its content.

    Returns:
      HTML.
    """
    return "".join(
        picture(*TEXTS[name.removesuffix(".svg")], content.decode())
        for name, content in files.items()
        if name.endswith(".svg")
    )
