"""What figures show: the numbers, all of them, and in letters that are not cut off."""

import struct
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from etils import epath
from matplotlib.figure import Figure
from matplotlib.text import Text

from transfer_jax.analysis.figures.bars import bars_note
from transfer_jax.analysis.figures.cost_figures import decomposition, distances
from transfer_jax.analysis.figures.curve_figures import points_of_networks, transfer_curves
from transfer_jax.analysis.figures.drawing import GROUP_STYLES, RC, STYLES
from transfer_jax.analysis.figures.gallery import saved
from transfer_jax.analysis.figures.learning_figures import learning_curves, steps_figure
from transfer_jax.analysis.figures.letters import make_legible
from transfer_jax.analysis.figures.paper_figures import paper_figures
from transfer_jax.analysis.figures.pictures import filters, split_images
from transfer_jax.analysis.page.comparison import write_comparison
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.analysis.statistics.crossing import groups
from transfer_jax.analysis.statistics.effects import SPECIALISATION, Effects, effects
from transfer_jax.analysis.statistics.steps_to_reach import steps_to_reach
from transfer_jax.folder.whole_file import write_arrays
from transfer_jax.grid.grid import PAPER

from .simulated import table, with_curves, with_scratch

ALL = (*PAPER, "random")
GAINS = {"AnB": lambda n: 0.01 - 0.01 * n, "AnB+": lambda _: 0.02, "random": lambda n: -0.02 * n}
LONG = "a-split-of-a-long-name"


def numbers(scratch: bool = True, **options) -> list[Effects]:
    rows = table(GAINS, treatments=ALL, **options)
    rows = with_scratch(rows, 0.01) if scratch else rows
    return [effects(group, {}.get) for group in groups(rows)]


def notes(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def heights(figure: Figure, panel: int, colour: str) -> list[float]:
    """The means that are drawn in a colour, from left to right."""
    containers = figure.axes[panel].containers
    own = [c for c in containers if hasattr(c, "lines") and c.lines[0].get_color() == colour]
    return [float(y) for c in own for y in c.lines[0].get_ydata()]


@pytest.mark.parametrize(("scratch", "less"), [(True, 0.01), (False, 0.0)])
def test_the_main_figure_shows_differences_from_the_fair_base(scratch, less):
    found = numbers(scratch, noise=0.0)
    figure = transfer_curves(found)
    drawn = heights(figure, 0, STYLES["AnB"][0])
    assert drawn == pytest.approx([100 * (0.01 - 0.01 * n - less) for n in range(1, 5)], abs=0.3)
    name = "scratch" if scratch else "base"
    assert figure.axes[0].get_ylabel() == f"points above {name}"
    assert name in {text.get_text() for text in figure.axes[0].texts}
    if scratch:
        assert heights(figure, 0, "black") == pytest.approx([-1.0], abs=0.3), "base is below it"
    levels = heights(figure, 1, STYLES["AnB"][0])
    assert levels[0] == pytest.approx(100 * np.mean([0.7 + 0.025 + 0.01 * i for i in range(6)]))


def test_intervals_are_those_of_the_effects():
    found = numbers()
    figure = decomposition(found)
    assert figure is not None
    colour = STYLES["AnB"][0]
    (drawn,) = [c for c in figure.axes[0].containers
                if hasattr(c, "lines") and c.lines[0].get_color() == colour]  # fmt: skip
    ends = [segment[:, 1] for segment in drawn.lines[2][0].get_segments()]
    own = found[0].of(SPECIALISATION)
    expected = [[e.low, e.high] for e in own if e.low is not None and e.high is not None]
    np.testing.assert_allclose(ends, 100 * np.array(expected))


def test_a_gain_is_drawn_as_a_negative_cost():
    """AnB is above BnB: specialisation is negative at every cut, and is seen to be."""
    rows = table({"AnB": lambda _: 0.03}, treatments=ALL)
    figure = decomposition([effects(group, {}.get) for group in groups(rows)])
    assert figure is not None
    drawn = heights(figure, 0, STYLES["AnB"][0])
    assert len(drawn) == 4 and max(drawn) < -2
    bars = [bar.get_height() for bar in figure.axes[0].patches]
    assert sum(height < -2 for height in bars) == 8, "specialisation and both together"
    assert figure.axes[0].get_ylim()[0] < min(drawn)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seeds": 3}, "95% intervals over 3 seeds."),
        ({"seeds": 1}, "One seed gives no intervals."),
        ({"splits": ("far", "near")}, "over 6 seeds, each split by itself."),
        ({"splits": ("random-0", "random-1")}, "over 12 seeds of 2 splits."),
        ({"splits": ("random-0", "random-1", "random-2"), "seeds": 2},
         "over 3 splits (6 seeds in all)."),
    ],
)  # fmt: skip
def test_every_figure_says_what_its_bars_are(options, words):
    found = numbers(layers=3, **options)
    assert bars_note(found).endswith(words)
    for figure in (transfer_curves(found), decomposition(found), distances(found)):
        assert figure is not None and words in notes(figure)


def test_groups_of_other_sizes_are_told_apart():
    rows = [row for row in table({}, splits=("far", "near"), seeds=3, layers=3)
            if row.split == "far" or row.seed < 2]  # fmt: skip
    note = bars_note([effects(group, {}.get) for group in groups(rows)])
    assert "far split: over 3 seeds; near split: over 2 seeds" in note


def test_one_long_bar_does_not_make_all_others_short():
    """A network of random layers learns nothing: its bar ends in an arrowhead."""
    rows = [
        replace(row, top1=0.2) if (row.treatment, row.n, row.seed) == ("random", 2, 0) else row
        for row in table(GAINS, treatments=ALL, seeds=3, layers=4)
    ]
    axis = transfer_curves([effects(group, {}.get) for group in groups(rows)]).axes[0]
    low, high = axis.get_ylim()
    assert high - low < 80
    grey = [line for line in axis.lines if line.get_color() == STYLES["random"][0]]
    heads = [line.get_ydata() for line in grey if line.get_marker() == "v"]
    assert [list(ys) for ys in heads] == [[low]]


def test_no_group_has_the_colour_of_a_treatment():
    assert not {colour for colour, _ in GROUP_STYLES} & {style[0] for style in STYLES.values()}


def folder(path: Path) -> Path:
    """A run with scratch, test curves, filters and images, of splits that are not in order."""
    rows = table(GAINS, splits=("random-0", LONG), seeds=2, treatments=ALL, layers=3)
    rows = with_curves(path, with_scratch(rows, 0.01), speed={"AnB+": 9.0})
    kernels: dict[str, list[str]] = {}
    for row in rows:
        if row.seed == 0 and row.treatment not in ("BnB", "AnB", "random"):
            kernels.setdefault(row.column, []).append(row.label)
    (path / "filters").mkdir()
    for name, labels in kernels.items():
        arrays = {"labels": np.array(labels), "kernels": np.ones((len(labels), 5, 5, 1, 8))}
        write_arrays(epath.Path(path) / "filters" / f"{name}.npz", **arrays)
    tasks = [(split, task) for split in ("random-0", LONG) for task in "AB"]
    write_arrays(
        epath.Path(path) / "split_images.npz",
        images=np.zeros((4, 8, 8), np.uint8),
        split=np.array([split for split, _ in tasks]),
        task=np.array([task for _, task in tasks]),
        name=np.array(["Pullover"] * 4),
    )
    return path


@pytest.fixture(scope="module")
def figures(tmp_path_factory) -> dict[str, Figure]:
    evidence = read_evidence(epath.Path(folder(tmp_path_factory.mktemp("run"))))
    found = evidence.numbers
    reached = [(own, steps_to_reach(own, evidence.curve_of)) for own in found]
    with matplotlib.rc_context(RC):
        made = {
            "main": transfer_curves(found),
            "costs": decomposition(found),
            "distance": distances(found),
            "networks": points_of_networks(found),
            "learning": learning_curves(evidence, found),
            "steps": steps_figure(reached, "250 test images"),
            "filters": filters(evidence),
            "splits": split_images(evidence),
        }
    return {name: figure for name, figure in made.items() if figure is not None}


@pytest.mark.parametrize(
    "name", ["main", "costs", "distance", "networks", "learning", "steps", "filters", "splits"]
)
def test_no_letter_is_cut_off_and_no_text_lies_on_another(figures, name):
    figure = figures[name]
    make_legible(figure)
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert len(boxes) > 4
    for words, box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, words
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1, words
    for i, (words, box) in enumerate(boxes):
        for others, other in boxes[:i]:
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            high = min(box.y1, other.y1) - max(box.y0, other.y0)
            # A line's box is higher than its letters.
            assert wide < 2 or high < 0.3 * min(box.height, other.height), (words, others)


def texts(figure: Figure) -> list[Text]:
    """What is drawn: labels of ticks that lie outside of a panel are not."""
    hidden = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    shown = [text for text in found if text.get_visible() and text not in hidden]
    return [text for text in shown if text.get_text().strip()]


def test_filters_are_in_the_order_of_the_results(figures):
    names = [axis.get_ylabel() for axis in figures["filters"].axes]
    expected = ["base A", "A2A+", "A2B+", "base B", "B2B+", "B2A+"]
    assert names == [f"{split}, {name}" for split in ("random-0", LONG) for name in expected]


def test_learning_curves_are_of_tests(figures):
    left, _ = figures["learning"].axes
    assert left.get_ylabel() == "accuracy on test images, %"
    base, scratch = (line for line in left.lines if line.get_color() == "black")
    assert list(scratch.get_xdata()) == list(range(30, 601, 30))
    rise = 1 - np.exp(-5 * np.arange(1, 11) / 10)
    shape = np.asarray(base.get_ydata()) / base.get_ydata()[-1]
    np.testing.assert_allclose(shape, rise / rise[-1])
    assert len(left.lines) == 4 and "Bands are 95% intervals" in notes(figures["learning"])


def test_pictures_have_three_hundred_dots_an_inch():
    content = saved({"a": Figure(figsize=(2, 1))})["a.png"]
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (600, 300)
    at = content.index(b"pHYs") + 4
    assert struct.unpack(">I", content[at : at + 4])[0] == round(300 / 0.0254)


def test_scratch_is_in_no_figure_of_the_paper():
    rows = table(GAINS, splits=("random-0", "man-natural"), seeds=2, treatments=ALL, layers=3)
    drawn, same = (paper_figures(own) for own in (rows, with_scratch(rows, 0.5)))
    assert set(drawn) == {"figure2", "figure3"} == set(same)
    for name, figure in drawn.items():
        for axis, other in zip(figure.axes, same[name].axes, strict=True):
            lines = [[line.get_xydata() for line in own.lines] for own in (axis, other)]
            np.testing.assert_equal(*lines)


def test_runs_with_and_without_scratch_stand_side_by_side(tmp_path):
    rows = table(GAINS, seeds=3, layers=3)
    for name, own in (("a", rows), ("b", with_scratch(rows, 0.01))):
        with_curves(tmp_path / name, own)
    runs = [read_evidence(epath.Path(tmp_path / name)) for name in "ab"]
    assert not any("scratch" in problem for run in runs for problem in run.problems)
    page = write_comparison(runs, epath.Path(tmp_path / "c"))[-1].read_text()
    assert "AnB+, b" in page and (tmp_path / "c" / "comparison.png").exists()
