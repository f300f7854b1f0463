import ast
import dataclasses
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
from etils import epath
from ml_collections import ConfigDict

import transfer_jax as tj
from transfer_jax.cli import main
from transfer_jax.data.embedded import embedded
from transfer_jax.folder.whole_file import write_json
from transfer_jax.folder.workdir import Workdir
from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.plan import config_files
from transfer_jax.plan.config import load_config, read_config
from transfer_jax.plan.config_files import find_config, shipped_configs, stated_in
from transfer_jax.plan.config_text import as_json
from transfer_jax.plan.differences import differences, fingerprint
from transfer_jax.plan.fields import Affects, ConfigError, flat, setting_of
from transfer_jax.plan.network_fields import NETWORKS, network_kind
from transfer_jax.plan.optimizer_fields import OPTIMIZERS
from transfer_jax.plan.plan import make_plan
from transfer_jax.plan.schema import Config
from transfer_jax.running.claim import claim, held_config

NAMES = sorted(shipped_configs())


def test_fields_can_be_overridden():
    config = load_config(
        "configs/fashion_mnist.py",
        ["--config.seeds=5", "--config.optimizer.learning_rate=1", "--config.cuts=(1,2)"],
    )
    assert (config.seeds, config.optimizer.learning_rate, config.cuts) == (5, 1.0, (1, 2))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.sedes=5", "no field 'sedes' in this config; nearest: seeds"),
        ("--config.optimizer.momentun=1", "nearest: optimizer.momentum"),
        ("--config.seeds=many", "seeds is 'many'; allowed: whole numbers from 1 to 1000"),
        ("--config.seeds=1.5", "seeds is '1.5'; allowed: whole numbers from 1 to 1000"),
        ("--config.seeds", "has no value"),
        ("--seeds=5", "unknown argument '--seeds=5'"),
    ],
)
def test_a_field_that_cannot_be_is_told_in_one_line(override, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_config("fashion_mnist", [override])
    assert "\n" not in str(error.value)


def test_a_config_that_does_not_exist_names_those_that_do():
    with pytest.raises(ConfigError, match=r"no config 'fashion.py'; configs: .*fashion_mnist"):
        load_config("fashion.py")


def test_source_that_is_not_installed_says_so(monkeypatch):
    """Then no package of configs is found beside it."""
    monkeypatch.setattr(config_files.importlib.util, "find_spec", lambda name: None)
    line = f"no config 'pretrained': {Path(tj.__file__).parent} is source that is not installed"
    with pytest.raises(ConfigError, match=re.escape(line)):
        find_config("pretrained")


def test_a_broken_config_file_is_told_in_one_line(tmp_path):
    for content, message in (
        ("def get_config(:", "SyntaxError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("def get_config(): return {}", "returns dict, not ConfigDict"),
    ):
        path = tmp_path / "broken.py"
        path.write_text(content)
        with pytest.raises(ConfigError, match=message):
            load_config(str(path))


def test_every_shipped_config_starts_with_its_command():
    for name, path in shipped_configs().items():
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert f"transfer-jax run --config=configs/{name}.py" in text
        assert "Expect:" in text
        assert load_config(name).name == name


def test_the_config_that_a_run_keeps_can_be_run_again(tmp_path):
    config = load_config("fashion_mnist", ["--config.cuts=(1,2)"])
    path = tmp_path / "config.json"
    write_json(epath.Path(path), as_json(config))
    again = load_config(str(path), ["--config.seeds=2"])
    assert as_json(load_config(str(path))) == as_json(config)
    assert (again.seeds, again.cuts) == (2, (1, 2))
    assert len(make_plan(again).networks) == len(make_plan(config).networks) // 3
    path.write_text("[]")
    with pytest.raises(ConfigError, match="holds no fields"):
        load_config(str(path))
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"config.json cannot be loaded"):
        load_config(str(path))


def leaves(stated, prefix=""):
    for name, value in stated.items():
        if isinstance(value, ConfigDict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


@pytest.mark.parametrize("name", NAMES)
def test_a_config_file_says_only_what_differs(name):
    own = load_config(name)
    kinds = {"network": type(own.network)(), "optimizer": type(own.optimizer)()}
    default = {f.name: f.value for f in flat(dataclasses.replace(Config(), **kinds))}
    for field, value in leaves(stated_in(find_config(name))):
        of_its_own = field.startswith("scales.") or field.endswith(".name")
        assert of_its_own or default.get(field) != value, field


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("overrides", [[], ["--config.seeds=7", "--config.network.num_outputs=11"]])
def test_a_printed_config_is_the_config(name, overrides, tmp_path, capsys):
    assert main(["config", name, *overrides]) == 0
    text = capsys.readouterr().out
    path = tmp_path / "saved.py"
    path.write_text(text)
    assert load_config(str(path)) == load_config(name, overrides)
    assert main(["config", f"--config={path}"]) == 0
    assert capsys.readouterr().out == text
    assert max(map(len, text.splitlines())) <= 100
    for field, _, _ in flat(load_config(name)):
        if field.split(".")[0] not in ("named_splits", "groups", "variants"):
            assert f"config.{field} = " in text


def test_a_scale_with_groups_and_variants_is_printed_too(tmp_path, capsys):
    overrides = ["--config.scale=tiny", "--config.optimizer.name=sgd"]
    overrides += ["--config.optimizer.warmup_steps=1", "--config.variants.top.frozen=('fc5',)"]
    overrides += ["--config.variants.top.copied=('*[1-5]',)"]
    assert main(["config", "imagenet_man_natural", *overrides]) == 0
    path = tmp_path / "saved.py"
    path.write_text(capsys.readouterr().out)
    assert load_config(str(path)) == load_config("imagenet_man_natural", overrides)


def parts():
    yield from (Config, *OPTIMIZERS.values(), *map(network_kind, NETWORKS))
    yield from (type(v) for v in vars(Config()).values() if dataclasses.is_dataclass(v))


def test_every_field_says_what_it_means():
    for part in parts():
        for field in dataclasses.fields(part):
            doc = setting_of(field).doc
            assert doc and "\n" not in doc, f"{part.__name__}.{field.name}"


def test_every_number_has_bounds():
    for part in parts():
        for field in dataclasses.fields(part):
            known = setting_of(field)
            if type(field.default) in (int, float):
                assert {known.low, known.above} != {None}, f"{part.__name__}.{field.name}"
            if type(field.default) is int:
                assert known.high is not None, f"{part.__name__}.{field.name}"


def test_a_networks_fields_are_the_arguments_that_it_is_made_from():
    found = network_kind("caffenet")()
    arguments = inspect.signature(CaffeNet).parameters.values()
    of_every_network = {"name": "caffenet", "num_outputs": 0, "weights": ""}
    expected = {a.name: a.default for a in arguments} | of_every_network
    assert vars(found) == expected
    docs = {f.name: setting_of(f).doc for f in dataclasses.fields(found)}
    assert docs["width"] == "factor for the number of features of every layer but the last"


def test_of_a_field_that_is_given_twice_the_last_one_wins():
    flags = ["--config.cuts=(1,)", "--config.seeds=2", "--config.cuts=(2,)", "--config.seeds=3"]
    config = load_config("fashion_mnist", flags)
    assert (config.cuts, config.seeds) == ((2,), 3)


def test_a_split_of_ones_own_comes_from_the_command_line():
    flags = ["--config.named_splits.mine.A=('Bag','Coat')", "--config.splits=('mine',)"]
    flags += ["--config.named_splits.mine.B=('shoes',)"]
    flags += ["--config.groups.shoes=('Sneaker','Sandal')"]
    (split,) = make_plan(load_config("fashion_mnist", flags)).splits.values()
    assert [task.classes for task in split.tasks] == [(4, 8), (5, 7)]


def test_a_file_may_say_almost_nothing(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from ml_collections import ConfigDict\ndef get_config(): return ConfigDict()")
    assert load_config(str(path)) == Config() == read_config(ConfigDict())


def test_numbers_of_other_kinds_are_taken_as_what_they_are():
    config = read_config(ConfigDict({"seeds": np.int64(2), "optimizer": {"learning_rate": 1}}))
    assert type(config.seeds) is int and type(config.optimizer.learning_rate) is float
    assert read_config(ConfigDict({"cuts": [1, 2]})).cuts == (1, 2)


@pytest.mark.parametrize("one", ["--config.cuts=3", "--config.cuts=stem", "--config.cuts=layer2.1"])
def test_one_cut_may_stand_alone(one):
    value = one.partition("=")[2]
    assert load_config("pretrained", [one]).cuts == (int(value) if value == "3" else value,)
    with pytest.raises(ConfigError, match="cuts is True; allowed: a tuple"):
        read_config(ConfigDict({"cuts": True}))


def test_a_run_of_an_earlier_version_lacks_fields_which_have_their_defaults(tmp_path):
    config, images = load_config("fashion_mnist"), embedded("fashion_mnist")
    claim(Workdir(epath.Path(tmp_path)), config, images)
    held = as_json(config)
    for name in ("reading", "scale", "logs"):
        del held[name]
    del held["data"]["form"]
    (tmp_path / "config.json").write_text(json.dumps(held))
    assert held_config(Workdir(epath.Path(tmp_path))) == config
    claim(Workdir(epath.Path(tmp_path)), config, images)


IN_STATE = ("learning_rate", "rates", "weight_decay", "head_multiple", "layer_decay")


def test_what_a_field_affects_decides_what_is_compared():
    config = Config(steps=50)
    running = dataclasses.replace(config, bases="x", profile_steps=(1, 2))
    other = dataclasses.replace(config, seeds=2, packing="vmap")
    images = embedded("fashion_mnist")
    own, run_on = fingerprint(config, images), fingerprint(running, images)
    assert run_on == own != fingerprint(other, images)
    assert differences(config, running) == []
    assert differences(config, other) == [
        "packing is unroll there, vmap here", "seeds is 1 there, 2 here",
    ]  # fmt: skip
    assert differences(config, other, (Affects.COLUMNS, Affects.CONDITIONS)) == []
    state = {f.name for f in flat(config) if f.affects is Affects.STATE}
    assert state == {f"optimizer.{name}" for name in IN_STATE}
    running = {f.name.split(".")[0] for f in flat(config) if f.affects is Affects.RUNNING}
    assert running == {
        "bases", "cache", "checkpoint", "logs", "margin", "network", "profile_steps", "reading",
    }  # fmt: skip
