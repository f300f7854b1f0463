"""Tables on a terminal: as wide as it, no number cut, no name taken for markup."""

import re

import pytest
from rich.cells import cell_len

from transfer_jax.commands.terminal import Terminal, print_table


@pytest.fixture
def printed(monkeypatch, capsys):
    """What a table looks like on a terminal of a width."""

    def show(columns: int, *table, **settings) -> str:
        monkeypatch.setenv("COLUMNS", f"{columns}")
        print_table(Terminal(), *table, **settings)
        out = capsys.readouterr().out
        assert max(map(cell_len, out.splitlines())) <= columns
        return out

    return show


TREATMENTS = [
    f"{treatment}, {variant}"
    for variant in ("", "top tuned", "every_layer_but_the_first_one_frozen", "动物和车辆")
    for treatment in ("BnB", "BnB+", "AnB", "AnB+")
]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_every_number_is_there_whole_and_in_a_row_that_says_its_n(printed, columns):
    numbers = [[f"{n}{i:02d}.25±10.2{n}" for i in range(len(TREATMENTS))] for n in (1, 2, 3)]
    rows = [(str(n), *own) for n, own in zip((1, 2, 3), numbers, strict=True)]
    out = printed(columns, ("n", *TREATMENTS), rows, title="A split with a long name " * 4)
    for n, own in zip((1, 2, 3), numbers, strict=True):
        lines = [line.split() for line in out.splitlines() if line.split()[:1] == [str(n)]]
        assert [cell for line in lines for cell in line[1:]] == own
    assert " ".join(out.split()).startswith("A split with a long name " * 4)


def test_a_table_that_fits_is_one(printed):
    row = ("3", "100.0", *["+10.2±10.2"] * 4, "99.9±9.9")
    header = ("n", "base", "BnB", "BnB+", "AnB", "AnB+", "random, frozen")
    out = printed(80, header, [row])
    assert len([line for line in out.splitlines() if line.split()[:1] == ["3"]]) == 1


def test_a_long_path_is_folded_beside_its_numbers(printed):
    path = "/home/" + "somebody/" * 20
    out = printed(80, ("run", "columns", "state"), [(path, "120 finished", "not finished")])
    assert "120 finished   not finished" in out
    assert path in re.sub(r"120 finished|not finished|\s", "", out)


def test_a_name_is_no_markup(printed):
    out = printed(80, ("task [/a]", "n"), [("[red]:cat:[/blue]", "1")], title="[bold]a")
    for name in ("task [/a]", "[red]:cat:[/blue]", "[bold]a"):
        assert name in out


def test_letters_of_two_columns_are_counted_as_two(printed):
    assert "1" in printed(80, ("任务", "n"), [("动物和车辆的很长的名字" * 5, "1")])
