"""Wrong configs from every door: one line, the field, the value, what is allowed; exit status 1.

A new row is a new test; `Wrong` says what a row is.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from ml_collections import ConfigDict
from ml_collections.config_dict import required_placeholder

import transfer_jax as tj
from transfer_jax.cli import main
from transfer_jax.folder.places import PlaceError
from transfer_jax.folder.workdir import WorkdirError
from transfer_jax.plan.config import load_config
from transfer_jax.plan.config_text import as_json
from transfer_jax.plan.fields import ConfigError

HUGE = 10**10
FOLDER = "--config.data.source=folder --config.data.folder=none"
BASE = {"named_splits": {"distant": {"A": ("Coat",), "B": ("Bag",)}}}
FILE = f"""
from ml_collections import ConfigDict
nan, inf = float("nan"), float("inf")

def get_config():
    c = ConfigDict({BASE})
    LINE
    return c
"""


@dataclass(frozen=True)
class Wrong:
    """Something wrong, and what the line that tells it must hold.

    Attributes:
      door: where it comes in: "file", lines of a config file whose config is `c`; "line", what is
        typed after `transfer-jax`; "override", a `FIELD=VALUE` of `--config`; "json", fields of a
        run's config.json; "over", an axis of a sweep; or "run", fields given to `tj.run`.
      given: the wrong thing.
      words: what the line holds.
      status: the exit status.
    """

    door: str
    given: object
    words: tuple[str, ...]
    status: int = 1


def wrong(door: str, given: object, *words: str, status: int = 1) -> Wrong:
    return Wrong(door, given, words, status)


# What is wrong in a field is wrong at each door. `None` where a door cannot say it.
FIELDS = [
    ("seds", 1, "no field 'seds' in this config; nearest: seeds"),
    ("learning_rate", 0.1, "no field 'learning_rate'", "nearest: optimizer.learning_rate"),
    ("optimizer.momentun", 0.5, "no field 'optimizer.momentun'", "optimizer.momentum"),
    ("optimizer.step_every", 5, "no field 'optimizer.step_every'", "nearest: test_every"),
    ("network.width", 2.0, "no field 'network.width'", "nearest: network.widths"),
    ("checkpoint.minuts", 5, "no field 'checkpoint.minuts'", "checkpoint.minutes"),
    ("seeds.number", 5, "no field 'seeds.number'", "nearest: seeds"),
    ("seeds", 0, "seeds is 0", "whole numbers from 1 to 1000"),
    ("seeds", -3, "seeds is -3", "whole numbers from 1 to 1000"),
    ("seeds", 10**7, "seeds is 10000000", "to 1000"),
    ("seeds", 1.5, "seeds is ", "1.5", "whole numbers from 1"),
    ("seeds", True, "seeds is ", "True", "whole numbers from 1"),
    ("seeds", "many", "seeds is 'many'", "whole numbers from 1"),
    ("seeds", (1, 2), "seeds is ", "1, 2", "whole numbers from 1"),
    ("steps", HUGE, "steps is 10000000000", "to 100000000"),
    ("steps", 10**8, "steps is 100000000, twice as many from scratch", "data.stream=True"),
    ("batch_size", HUGE, "batch_size is 10000000000", "to 1000000"),
    ("data.enlarge", 10**6, "data.enlarge is 1000000", "to 16"),
    ("data.form.size", -1, "data.form.size is -1", "whole numbers from 0 to 4096"),
    ("data.mirror", 2, "data.mirror is ", "2", "True or False"),
    ("data.mean", "mine", "data.mean is 'mine'", "base, target"),
    ("data", 5, "data is ", "5", "a part with source, folder"),
    ("optimizer", "sgd", "optimizer is 'sgd'", "a part with name"),
    ("optimizer.name", "adam", "optimizer.name is 'adam'", "allowed: sgd, adamw, caffe"),
    ("network.name", "resnet", "network.name is 'resnet'", "convnet, caffenet"),
    ("optimizer.learning_rate", float("nan"), "learning_rate is ", "nan", "numbers above 0"),
    ("optimizer.weight_decay", float("inf"), "weight_decay is ", "inf", "numbers from 0"),
    ("optimizer.momentum", 1.0, "optimizer.momentum is 1.0", "from 0 below 1"),
    ("optimizer.warmup_steps", 300, "optimizer.warmup_steps is 300", "less than steps"),
    ("checkpoint.grace", -1.0, "checkpoint.grace is -1.0", "numbers from 0"),
    ("reading.threads", 0, "reading.threads is 0", "whole numbers from 1 to 1024"),
    ("network.widths", (-1, 2, 3, 4), "network.widths holds -1", "whole numbers from 0"),
    ("network.widths", (HUGE, 2, 3, 4), "network.widths holds 10000000000", "to 100000"),
    ("network.widths", (10**5,) * 4, "the network has ", " parameters; allowed: up to "),
    ("network.pools", (1, 2), "network.pools has 2 values and widths 4"),
    ("network.dropout", 1.5, "network.dropout is 1.5", "0 <= dropout < 1"),
    ("splits", (), "splits is empty; name at least one"),
    ("examples", (), "examples is empty; (0,) trains on all"),
    ("splits", "distant", "splits is 'distant'", "a tuple of texts, such as ('distant',)"),
    ("families", "full", "families is 'full'", "such as ('full',)"),
    ("examples", 10, "examples is 10", "such as (10,)"),
    ("splits", ("../out",), "splits holds '../out'", "no name of a split"),
    ("splits", ("distent",), "no split 'distent'; splits: random-0", "distant"),
    ("splits", ("random-0", "random-00"), "no split 'random-00'; splits: random-0, random-1"),
    ("splits", ("random-\u0663",), "no split 'random-\u0663'; splits: random-0, random-1"),
    ("splits", ("random-0", "random-0"), "splits holds 'random-0' twice"),
    ("cuts", "1.5", "cuts ", "1.5", "allowed: ", "numbers"),
    ("cuts", (1, 1), "cuts holds 1 twice"),
    ("cuts", (1.5,), "cuts holds 1.5; allowed: whole numbers"),
    ("cuts", (6,), "n = 6 is no cut of a network of 6 layers; allowed: 1 ... 5"),
    ("treatments", ("AnC",), "treatments holds 'AnC'", "BnB, BnB+, AnB, AnB+, random"),
    ("controls", ("cca",), "controls holds 'cca'", "cka, stitching"),
    ("profile_steps", (1, 2, 3), "profile_steps is ", "1, 2, 3", "2 whole numbers"),
    ("profile_steps", (9, 3), "profile_steps is (9, 3)", "such as (40, 60)"),
    ("name", "../x", "name is '../x'", "no name of a folder"),
    ("name", "/abs", "name is '/abs'", "no name of a folder"),
    ("name", "a/b", "name is 'a/b'", "no name of a folder"),
    ("name", "", "name is ''", "no name of a folder"),
    ("name", ".", "name is '.'", "no name of a folder"),
    ("name", "a\0b", "name is 'a\\x00b'", "a line of text"),
    ("name", "x" * 300, "name is 'xxxx", "up to 100 letters"),
    ("named_splits.mine.A", ("Bag",), "named_splits.mine has A; it needs A and B"),
    ("groups.none", (), "groups.none is empty; a group has at least one class"),
    ("variants.top.copied", ("fc*",), "variants.top has copied; it needs copied and frozen"),
]  # fmt: skip
ONLY = [
    wrong("file", "c.seeds = None", "seeds is None", "whole numbers from 1"),
    wrong("file", "c.seeds = [1]", "seeds is [1]", "whole numbers from 1"),
    wrong("file", "c.scales = {'tiny': {'stps': 1}}", "scales.tiny: no field 'stps'", "steps"),
    wrong("file", "c.scales = {'tiny': {'steps': 0}}", "scales.tiny: steps is 0"),
    wrong("file", "c.scales = 3", "scales is 3"),
    wrong("file", "c.named_splits['random-0'] = c.named_splits.distant", "named_splits.random-0"),
    wrong("file", "c.named_splits['random-01'] = c.named_splits.distant", "of a split by rule"),
    wrong("file", "c.named_splits.whole = c.named_splits.distant", "of a split by rule"),
    wrong("file", "c.data.crop = 3", "cannot be loaded: AttributeError"),
    wrong("file", "c = {}", "get_config() returns dict, not ConfigDict"),
    wrong("run", {"seeds": required_placeholder(int)}, "seeds has no value"),
    wrong("line", f"plan {FOLDER} --config.seeds=0", "seeds is 0"),
    wrong("line", f"plan {FOLDER} --config.cuts=(9,)", "n = 9 is no cut of a network of 6 layers"),
    wrong("line", f"plan {FOLDER}", "data.folder is 'none', which does not exist"),
    wrong("line", f"plan --config.data.folder={__file__}", "test_wrong_input.py', which is a file"),
    wrong("file", "1 / 0", "cannot be loaded: ZeroDivisionError"),
    wrong("file", "raise SystemExit('bye')", "cannot be loaded: SystemExit: bye"),
    wrong("file", "raise SystemExit", "cannot be loaded: SystemExit"),
    wrong("line", "plan --config.data.source=tfds:", "data.source is 'tfds:'", "tfds:NAME"),
    wrong("json", [], "holds no fields"),
    wrong("line", "run --config.seeds", "'--config.seeds' has no value", status=2),
    wrong("line", "run --sedes=5", "unknown argument '--sedes=5'", status=2),
    wrong("line", "run --config=none", "no config 'none'; configs: cifar100"),
    wrong("line", "run --workdir=", "--workdir is empty", status=2),
    wrong("line", "sweep --workdir= --over seeds=1,2", "--workdir is empty", status=2),
    wrong("line", "launch --on=local --workdir=", "--workdir is empty", status=2),
    wrong("line", "plan --config.data=1 --config.data.crop=2", "'--config.data.crop=2' is of a"),
    wrong("line", "config --config.seeds=0", "seeds is 0"),
    wrong("line", "config no_such_config", "no config 'no_such_config'"),
    wrong("override", "scale=smal", "no scale 'smal'; scales: full"),
    wrong("over", "scale=smal", "no scale 'smal'; scales: full"),
    wrong("over", "steps", "write --over FIELD=VALUE,VALUE"),
    wrong("over", "steps=5,5", "holds a value twice"),
    wrong("line", "sweep --over seeds=1 --over seeds=2", "seeds is varied twice"),
    wrong("line", "sweep --over seeds=" + ",".join(map(str, range(1, 1002))), "has 1001 runs"),
]  # fmt: skip


def nested(field: str, value: object) -> dict[str, object]:
    """A dotted field as parts in each other."""
    first, dot, rest = field.partition(".")
    return {first: nested(rest, value) if dot else value}


def at_every_door() -> list[Wrong]:
    rows = []
    for field, value, *words in FIELDS:
        rows += [wrong(door, nested(field, value), *words) for door in ("file", "json", "run")]
        if "\0" not in str(value):
            rows.append(wrong("override", f"{field}={value}", *words))
        if value != "" and "\0" not in str(value):  # An axis has values.
            rows.append(wrong("over", f"{field}={value}", *words))
    return rows


def config_file(given: object, folder: Path) -> Path:
    path = folder / "wrong.py"
    line = given if isinstance(given, str) else f"c.update({given!r})"
    path.write_text(FILE.replace("LINE", line))
    return path


def json_file(given: object, folder: Path) -> Path:
    path = folder / "config.json"
    whole = as_json(load_config("fashion_mnist"))
    path.write_text(json.dumps(whole | given if isinstance(given, dict) else given))
    return path


def command(row: Wrong, folder: Path) -> list[str]:
    match row.door:
        case "file":
            return ["plan", f"--config={config_file(row.given, folder)}"]
        case "json":
            return ["run", f"--config={json_file(row.given, folder)}"]
        case "override":
            return ["run", f"--config.{row.given}"]
        case "over":
            return ["sweep", "--over", str(row.given)]
        case _:
            return str(row.given).split(" ")


ROWS = [*at_every_door(), *ONLY]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.door}: {row.given}"[:60])
def test_what_is_wrong_is_one_line(row, tmp_path, capsys, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if row.door == "run":
        with pytest.raises((ConfigError, WorkdirError)) as error:
            tj.run(ConfigDict(BASE | row.given), "run")
        line = str(error.value)
    else:
        assert main(command(row, tmp_path)) == row.status
        (line,) = capsys.readouterr().err.splitlines()
        assert re.match(r"transfer-jax( \w+)?: ", line)
    assert "\n" not in line and len(line) < 500
    for words in row.words:
        assert words in line
    assert not any((tmp_path / "here").iterdir())


def test_a_run_needs_a_folder():
    for name in ("", " ", "a\0b"):
        with pytest.raises(PlaceError, match=r"workdir is .*; allowed: the path of a folder"):
            tj.run(ConfigDict(), name)
    with pytest.raises(ConfigError, match="a config is list; allowed: ConfigDict"):
        tj.run([], "run")
