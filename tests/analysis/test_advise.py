"""Advice on tables from anywhere: which are read, which refused, and what follows from them."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import transfer_jax as tj
from transfer_jax.analysis.reading import read_evidence

from .simulated import table as simulated

COLUMNS = ("split", "seed", "target", "treatment", "n", "top1")
LEVEL = {"scratch": 0.70, "frozen": 0.62, "tuned": 0.75}


def table(levels=None, *, seeds=4, splits=("birds",), targets=("finches",), noise=0.002, n=2):
    """A network a row, as dicts; levels are of treatments, or of (treatment, n)."""
    random = np.random.default_rng(0)
    return [
        {
            "split": split, "seed": seed, "target": target,
            "treatment": name if isinstance(name, str) else name[0],
            "n": (0 if name == "scratch" else n) if isinstance(name, str) else name[1],
            "top1": round(level + 0.01 * seed + noise * random.normal(), 6),
        }
        for split in splits for seed in range(seeds) for target in targets
        for name, level in (levels or LEVEL).items()
    ]  # fmt: skip


def written(folder, rows, separator=",", comma=False, header=None, encoding="utf-8"):
    """The path of a CSV file."""
    names = list(rows[0])
    lines = [separator.join(header or names)]
    for row in rows:
        cells = [str(row[name]) for name in names]
        lines.append(separator.join(c.replace(".", ",") if comma else c for c in cells))
    path = folder / "results.csv"
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def test_the_best_way_of_a_foreign_table():
    found = tj.advise(table())
    assert isinstance(found, tj.Advice)
    assert (found.choice, found.decided, found.margin) == (("tuned", 2), True, 0.01)
    assert found.gain == pytest.approx(0.05, abs=0.004)
    assert found.interval is not None and found.interval[0] < 0.05 < found.interval[1]
    assert found.not_excluded == (("tuned", 2),)
    assert "not known: intervals are about these very examples" in found.reason


@pytest.mark.parametrize(
    ("levels", "choice"),
    [
        ({"scratch": 0.7, "frozen": 0.7, "tuned": 0.7}, ("frozen", 2)),
        ({"base": 0.7, "AnB": 0.6, "AnB+": 0.65, "BnB": 0.9, "random": 0.9}, "scratch"),
        ({"scratch": 0.7, ("frozen", 1): 0.7, ("frozen", 4): 0.7}, ("frozen", 4)),
        ({"scratch": 0.7, "frozen": 0.6, "lora": 0.8}, ("lora", 2)),
        ({"scratch": 0.7, "frozen": 0.6, ("LoRA", 0): 0.8}, "LoRA"),
        ({"Scratch": 0.7, " FROZEN ": 0.8}, ("frozen", 2)),
        ({"base": 0.5, "scratch": 0.8, "frozen": 0.7}, "scratch"),
    ],
)
def test_treatments_in_the_papers_words_in_plain_ones_and_by_name(levels, choice):
    rows = [
        row | {"n": 0 if row["treatment"].lower() in ("scratch", "base") else row["n"]}
        for row in table(levels)
    ]
    found = tj.advise(rows)
    assert found.choice == choice and choice in found.not_excluded


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_any_separator_and_mark(tmp_path, separator, encoding):
    path = written(tmp_path, table(), separator, encoding=encoding)
    assert tj.advise(path).choice == tj.advise(str(path)).choice == ("tuned", 2)


def test_a_german_table(tmp_path):
    path = written(tmp_path, table(), ";", comma=True)
    assert "0,7" in path.read_text()
    assert tj.advise(path) == tj.advise(table())


def test_names_of_columns_in_capitals_and_padded(tmp_path):
    header = [" Split", "SEED ", "Target", "Treatment", "N", " Top-1 "]
    assert tj.advise(written(tmp_path, table(), header=header)).choice == ("tuned", 2)


def test_trailing_separators_and_blank_lines(tmp_path):
    path = written(tmp_path, table(), ";")
    lines = path.read_text().splitlines()
    path.write_text("\n\n" + lines[0] + "\n" + ";\n".join(lines[1:]) + ";\n\n;;;;;\n")
    assert tj.advise(path).choice == ("tuned", 2)


def test_a_table_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table())
    frame.loc[frame.treatment == "scratch", "n"] = None  # Whole numbers become 2.0, gaps NaN.
    assert tj.advise(frame) == tj.advise(table())


def test_the_same_table_gives_the_same_advice_in_any_order():
    rows = table({"scratch": 0.7, "frozen": 0.705, "tuned": 0.702}, noise=0.004)
    assert tj.advise(rows[::-1]) == tj.advise(rows)


def test_results_of_a_run_and_their_table_say_the_same():
    rows = tuple(simulated({"AnB": lambda n: -0.05 * n, "AnB+": lambda n: 0.05 * (n == 3)}))
    found = tj.advise(tj.Results(rows, "nowhere"))
    assert found.choice == ("tuned", 3)
    names = ("split", "seed", "target", "treatment", "n", "top1", "base", "variant")
    dicts = [{name: getattr(row, name) for name in names} for row in rows]
    assert tj.advise(dicts).choice == ("tuned", 3)


def test_seeds_may_have_names():
    rows = [row | {"seed": "abcd"[row["seed"]]} for row in table()]
    assert tj.advise(rows).choice == ("tuned", 2)


def test_one_seed_has_no_interval_and_no_choice():
    found = tj.advise(table(seeds=1))
    assert (found.choice, found.gain, found.interval) == (None, None, None)
    assert "one seed" in found.reason.lower() and "±" not in str(found)


@pytest.mark.parametrize("splits", [("fold0", "fold1", "fold2"), ("0", "1", "2"), (0, 1, 2)])
def test_splits_that_differ_in_a_number_are_draws_of_one_kind(splits):
    """Three splits of one seed are three units: there is an interval."""
    found = tj.advise(table(seeds=1, splits=splits))
    assert found.choice == ("tuned", 2) and found.parts == ()


def test_kinds_of_splits_that_agree_give_one_choice():
    found = tj.advise(table(splits=("near", "far")))
    assert found.choice == ("tuned", 2) and len(found.parts) == 2
    assert found.gain == pytest.approx(0.05, abs=0.004)
    assert found.interval is not None and found.gain is not None
    assert found.interval[0] < found.gain < found.interval[1]


def test_kinds_of_splits_that_disagree_give_none():
    rows = table(splits=("near",)) + table(LEVEL | {"tuned": 0.5}, splits=("far",))
    found = tj.advise(rows)
    assert found.choice is None and "they disagree" in found.reason
    assert [part.choice for part in found.parts] == [("tuned", 2), "scratch"]


def test_targets_that_disagree_are_told_one_by_one():
    rows = table({"scratch": 0.7, "frozen": 0.66}, targets=("A",))
    rows += table({"scratch": 0.7, "frozen": 0.74}, targets=("B",))
    found = tj.advise(rows)
    assert found.choice is None and "disagree" in found.reason
    assert {part.group: part.choice for part in found.parts} == {
        "target A": "scratch", "target B": ("frozen", 2),
    }  # fmt: skip


def test_a_diverged_network_is_named_and_its_way_left_out():
    rows = [row | {"diverged": ""} for row in table()]
    bad = next(i for i, row in enumerate(rows) if row["treatment"] == "tuned")
    rows[bad] |= {"top1": float("nan"), "diverged": "true"}
    found = tj.advise(rows)
    assert found.choice == "scratch" and "diverged" in found.reason
    assert ("tuned", 2) not in found.not_excluded


def test_the_choice_is_by_validation_images_where_there_are_some():
    rows = [row | {"validation": 0.9 if row["treatment"] == "frozen" else 0.5} for row in table()]
    found = tj.advise(rows)
    assert found.choice == ("frozen", 2) and found.gain == pytest.approx(-0.08, abs=0.005)
    assert "compared on validation images" in found.reason


# Single images.


def images(rows, count=4000):
    """Which of its images each network gets right; other images are hard for other ways."""
    random = np.random.default_rng(1)
    hard = {row["treatment"]: random.random(count) for row in rows}
    return [(hard[row["treatment"]] < row["top1"]).astype(int) for row in rows]


@pytest.mark.parametrize("form", ["rows", "array", "mapping", "function"])
def test_single_images_widen_the_interval(form):
    rows = table()
    right = images(rows)
    rows = [row | {"top1": float(own.mean())} for row, own in zip(rows, right, strict=True)]
    by_name = {(r["seed"], r["treatment"]): own for r, own in zip(rows, right, strict=True)}
    correct = {
        "rows": right, "array": np.stack(right), "mapping": dict(enumerate(right)),
        "function": lambda row: by_name[row["seed"], row["treatment"]],
    }[form]  # fmt: skip
    found, without = tj.advise(rows, correct=correct), tj.advise(rows)
    assert found.choice == without.choice == ("tuned", 2)
    assert found.interval is not None and without.interval is not None
    assert found.interval[1] - found.interval[0] > without.interval[1] - without.interval[0]
    assert "not known" not in found.reason


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda right: right[:-1], "row 11: correct has nothing for it"),
        (lambda right: [*right[:-1], right[-1][:-5]], "row 11: correct has 3995 images"),
        (lambda right: [right[0] * 0, *right[1:]], "row 0: correct has a mean of 0.0000, top1"),
        (lambda right: [right[0] * 2, *right[1:]], "row 0: correct is not a list of 0 and 1"),
    ],
)
def test_images_that_are_not_those_of_the_networks_are_refused(spoil, told):
    rows = table()
    right = images(rows)
    rows = [row | {"top1": float(own.mean())} for row, own in zip(rows, right, strict=True)]
    with pytest.raises(tj.TableError, match=told):
        tj.advise(rows, correct=spoil(right))


# What is refused.


def without(rows, name):
    return [{k: v for k, v in row.items() if k != name} for row in rows]


def first(rows, **changes):
    return [rows[0] | changes, *rows[1:]]


REFUSED = [
    (lambda rows: [], "the table holds no rows"),
    (lambda rows: [r | {"top1": 100 * r["top1"]} for r in rows], "row 0: top1 is .*in percent"),
    (lambda rows: first(rows, top1=-0.1), "row 0: top1 is -0.1; allowed: shares from 0 to 1"),
    (lambda rows: first(rows, top1=float("nan")), "row 0: top1 is empty"),
    (lambda rows: first(rows, top1="85%"), "row 0: top1 is '85%'.*divide by 100"),
    (lambda rows: first(rows, top1="good"), "row 0: top1 is 'good'; allowed: numbers"),
    (lambda rows: first(rows, top1=True), "row 0: top1 is 'True'"),
    (lambda rows: first(rows, top1=float("inf")), "row 0: top1 is inf"),
    (lambda rows: first(rows, n=1.5), "row 0: n is 1.5; allowed: whole numbers"),
    (lambda rows: first(rows, n=-1), "row 0: n is -1"),
    (lambda rows: first(rows, n=3), "row 0: n of 'scratch' is 3; allowed: 0, or empty"),
    (lambda rows: [rows[0], rows[1] | {"n": 0}, *rows[2:]], "row 1: n of 'frozen' is 0"),
    (lambda rows: first(rows, seed=""), "row 0: seed is empty"),
    (lambda rows: first(rows, target=None), "row 0: target is empty"),
    (lambda rows: first(rows, split=" "), "row 0: split is empty"),
    (lambda rows: first(rows, treatment=""), "row 0: treatment is empty"),
    (lambda rows: [rows[0], rows[1] | {"treatment": "forzen"}], "'forzen'; nearest: frozen"),
    (lambda rows: first(rows, target="finch"), "'finch' has no transferred.*nearest: finches"),
    (lambda rows: [*rows, rows[3]], "row 12 is the same network as row 3"),
    (lambda rows: [r for r in rows if r["treatment"] != "scratch"], "no 'scratch' or 'base'"),
    (lambda rows: [r for r in rows if r["treatment"] == "scratch"], "no transferred networks"),
    (lambda rows: [r | {"validaton": 0.5} for r in rows], "'validaton'; nearest: validation"),
    (lambda rows: [rows[0] | {"validation": 0.5}, *rows[1:]], "row 1: validation is empty"),
    *((lambda rows, c=c: without(rows, c), f"no column '{c}'") for c in COLUMNS),
    (lambda rows: [{**without([r], "top1")[0], "topl": r["top1"]} for r in rows],
     "no column 'top1'.*nearest: topl"),
    (lambda rows: [1, 2], "row 0 is a int; allowed: dicts"),
    (lambda rows: 7, "the table is a int; allowed: tj.Results"),
    (lambda rows: {"top1": [1]}, "the table is a dict"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), REFUSED)
def test_what_is_no_table_of_networks_is_refused_by_name(spoil, told):
    with pytest.raises(tj.TableError, match=told) as error:
        tj.advise(spoil(table()))
    assert "\n" not in str(error.value) and isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("split,seed\n", "no columns target, treatment, n, top1"),
        (",".join(COLUMNS) + "\n", "the table holds no rows"),
        (",".join(COLUMNS) + "\na,0,b,scratch,0,0,7\n", "line 2 has 7 cells.*decimal commas"),
        (",".join(COLUMNS) + "\na,0,b\n", "line 2 has 3 cells, its header 6"),
        (",".join((*COLUMNS, "TOP1")) + "\n", "has the column 'top1' 2 times"),
        ("\n".join([",".join(COLUMNS), "a,0,b,scratch,0,0.7", "", "a,0,b,frozen,x,0.7"]),
         "line 4: n is 'x'"),
    ],
)  # fmt: skip
def test_files_that_are_no_table_are_refused_by_name(tmp_path, text, told):
    path = tmp_path / "odd.csv"
    path.write_text(text)
    with pytest.raises(tj.TableError, match=told) as error:
        tj.advise(path)
    assert "\n" not in str(error.value)


def test_a_path_that_is_not_there_and_a_folder_of_no_run(tmp_path):
    with pytest.raises(tj.TableError, match="is not there"):
        tj.advise(tmp_path / "nothing.csv")
    with pytest.raises(tj.TableError, match="no finished networks"):
        tj.advise(tmp_path)


@pytest.mark.parametrize(
    ("margin", "told"),
    [(1, "for 1 points write 0.01"), (-0.1, "from 0 to 0.5"), (float("nan"), "from 0 to 0.5"),
     ("a", "'a'"), (True, "True")],
)  # fmt: skip
def test_margins_that_are_no_share_are_refused(margin, told):
    with pytest.raises(ValueError, match=told):
        tj.advise(table(), margin)


def test_a_margin_is_told():
    found = tj.advise(table({"scratch": 0.7, "frozen": 0.68}, noise=0.0005), 0.03)
    assert (found.choice, found.margin) == (("frozen", 2), 0.03)
    assert "as asked for" in found.reason


# Where little is installed.

HIDDEN = """
import sys
class Hidden:
    def find_spec(self, name, *_):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
import transfer_jax as tj
print(tj.advise({path!r}).choice)
"""


def test_neither_jax_nor_pandas_is_needed(tmp_path):
    hidden = ("jax", "jaxlib", "flax", "optax", "orbax", "pandas", "matplotlib")
    code = HIDDEN.format(hidden=hidden, path=str(written(tmp_path, table())))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "('tuned', 2)", done.stderr


def test_a_runs_folder_is_read_with_its_images(tmp_path):
    """As `Results` of the folder, whose images are read too."""
    from etils import epath

    from transfer_jax.folder.results import write_rows

    rows = [
        replace(row, validation=row.top1)
        for row in simulated({"AnB": lambda n: -0.05 * n, "AnB+": lambda n: 0.05 * (n == 3)})
    ]
    write_rows(epath.Path(tmp_path / "results.csv"), rows)
    found = tj.advise(tmp_path)
    assert found.choice == ("tuned", 3) and found == tj.advise(tj.Results.read(tmp_path))
    assert "compared on validation images" in found.reason


def a_run(folder, splits, margin):
    """A run's folder whose frozen transfer of one layer costs two points."""
    from etils import epath

    from transfer_jax.folder.results import write_rows

    rows = simulated({"AnB": lambda n: -0.02 * n}, splits=splits, noise=0.0005)
    write_rows(epath.Path(folder / "results.csv"), rows)
    (folder / "config.json").write_text(json.dumps({"name": "folds", "margin": margin}))


def test_a_run_has_one_advice_by_the_margin_and_the_groups_of_its_report(tmp_path):
    """The config's margin counts, and splits are parted as the page parts them."""
    from etils import epath

    a_run(tmp_path, ("fold0", "fold1", "fold2"), 0.03)
    evidence = read_evidence(epath.Path(tmp_path))
    assert [own.choice for own in evidence.advice] == [("frozen", 1)] * 3
    for found in (tj.advise(tmp_path), tj.advise(tj.Results.read(tmp_path))):
        assert found.choice == ("frozen", 1) and found.margin == 0.03
        assert found.parts == tuple(evidence.advice)


def test_another_margin_than_the_configs_may_be_asked_for(tmp_path):
    a_run(tmp_path, ("distant",), 0.03)
    assert tj.advise(tmp_path, 0.01).choice == "scratch"
    assert tj.advise(tmp_path, 0).margin == pytest.approx(0.01)


def test_seeds_that_agree_by_rounding_are_not_certain():
    """Two digits: a point may be none, and three seeds of it are within a third of a point."""
    levels = {"scratch": 0.71, "frozen": 0.72, "tuned": 0.70}
    rows = [row | {"top1": levels[row["treatment"]]} for row in table(seeds=3)]
    found = tj.advise(rows)
    assert "±0.0" not in str(found)
    fine = tj.advise([row | {"top1": row["top1"] + 1e-6 * row["seed"]} for row in rows])
    assert "±0.0" in str(fine)
