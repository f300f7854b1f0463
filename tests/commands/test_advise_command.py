"""`transfer-jax advise`, on tables whose best way is known."""

import pytest

from transfer_jax.cli import main

HEADER = "split,seed,target,treatment,n,top1"
LEVELS = {"scratch": 0.70, "frozen": 0.62, "tuned": 0.75}


@pytest.fixture
def path(tmp_path):
    lines = [
        f"birds,{seed},finches,{way},{0 if way == 'scratch' else 2},{level + 0.001 * seed * i:.4f}"
        for i, (way, level) in enumerate(LEVELS.items())
        for seed in range(3)
    ]
    found = tmp_path / "results.csv"
    found.write_text("\n".join([HEADER, *lines]) + "\n")
    return found


def test_the_advice_is_printed_with_interval_margin_and_what_is_left(path, capsys):
    assert main(["advise", str(path)]) == 0
    told = capsys.readouterr().out
    assert "birds: Transfer the first 2 layers and fine-tune everything (+5.2±" in told
    assert "The margin is a point: the smaller of a point and a tenth of the error" in told
    assert "Not excluded: transfer the first 2 layers and fine-tune everything." in told


def test_a_margin_may_be_given(path, capsys):
    assert main(["advise", str(path), "--margin=0.02"]) == 0
    assert "The margin is 2 points, as asked for." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nothing.csv"], 1, "nothing.csv is not there"),
        ([], 2, "table"),
        (["{path}", "--margin=1"], 2, "--margin is 1.0; allowed: shares from 0 to 0.5"),
        (["{path}", "--margin=x"], 2, "--margin is 'x'"),
        (["{path}", "--margn=1"], 2, "nearest: --margin"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(path, capsys, arguments, status, told):
    asked = [argument.format(path=path) for argument in arguments]
    assert main(["advise", *asked]) == status
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_an_unreadable_table_is_told_in_one_line(path, capsys):
    path.write_text(path.read_text().replace("top1", "accuracy"))
    assert main(["advise", str(path)]) == 1
    error = capsys.readouterr().err
    assert "has no column 'top1'" in error and error.count("\n") == 1
