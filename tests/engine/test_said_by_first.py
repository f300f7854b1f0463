"""What process 0 finds is what all processes have; so is what it could not do."""

import pytest

from transfer_jax.engine import processes


class Store:
    """The texts that processes share, without processes."""

    def __init__(self):
        self.held = {}

    def key_value_set(self, key, value):
        self.held[key] = value

    def blocking_key_value_get(self, key, milliseconds):
        return self.held[key]


@pytest.fixture
def as_process(monkeypatch):
    """The same call, by one process after the other."""
    found = Store()
    monkeypatch.setattr(processes, "store", lambda: found)
    monkeypatch.setattr(processes.jax, "process_count", lambda: 2)

    def become(number):
        monkeypatch.setattr(processes, "is_first", lambda: number == 0)
        monkeypatch.setattr(processes, "_calls", iter(range(9)))

    return become


def never():
    raise AssertionError("only process 0 looks")


def test_all_have_what_the_first_found(as_process):
    as_process(0)
    assert processes.said_by_first(lambda: {"looks": 3}) == {"looks": 3}
    as_process(1)
    assert processes.said_by_first(never) == {"looks": 3}


@pytest.mark.parametrize("error", [ValueError("a look is damaged"), OSError("no such disk")])
def test_all_say_what_the_first_could_not_do(error, as_process):
    def fails():
        raise error

    as_process(0)
    with pytest.raises(type(error), match=str(error)):
        processes.said_by_first(fails)
    as_process(1)
    with pytest.raises(ValueError, match=str(error)):
        processes.said_by_first(never)
