import pytest
from etils import epath

from transfer_jax.config import load_config
from transfer_jax.fields import ConfigError


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
    import ast

    from transfer_jax.config_files import shipped_configs

    for name, path in shipped_configs().items():
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert f"transfer-jax run --config=configs/{name}.py" in text
        assert "Expect:" in text
        assert load_config(name).name == name


def test_the_config_that_a_run_keeps_can_be_run_again(tmp_path):
    from transfer_jax.plan import make_plan
    from transfer_jax.workdir import as_json, write_json

    config = load_config("fashion_mnist", ["--config.cuts=(1,2)"])
    path = tmp_path / "config.json"
    write_json(epath.Path(path), as_json(config))
    again = load_config(str(path), ["--config.seeds=2"])
    assert as_json(load_config(str(path))) == as_json(config)
    assert (again.seeds, again.cuts) == (2, (1, 2))
    assert len(make_plan(again).networks) == len(make_plan(config).networks) // 2
    path.write_text("[]")
    with pytest.raises(ConfigError, match="holds no fields"):
        load_config(str(path))
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"config.json cannot be loaded"):
        load_config(str(path))
