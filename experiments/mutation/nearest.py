"""pytest plugins: which tests run which lines, and a run of some tests in a given order."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage


class Observer:
    """Notes for each test how long it takes and which lines of some files it runs.

    What runs while a fixture of a whole file is set up counts for every test of the file.

    Attributes:
      seconds: node id of a test to its duration.
      failed: node ids of the tests that do not pass.
    """

    def __init__(self, include: list[str]) -> None:
        self.coverage = Coverage(include=include, data_file=None, config_file=False)
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self.context = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._switch(item.nodeid)
        begun = time.monotonic()
        result = yield
        self.seconds[item.nodeid] = time.monotonic() - begun
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        own = self.context
        if fixturedef.scope != "function":
            self._switch(own.split("::")[0])
        result = yield
        self._switch(own)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def runners(self, file: Path) -> dict[int, list[str]]:
        """Line number to the contexts that ran it: a test, or a file for all of its tests."""
        return self.coverage.get_data().contexts_by_lineno(str(file))

    def _switch(self, context: str) -> None:
        self.context = context
        self.coverage.switch_context(context)


class Chosen:
    """Only the chosen tests, in their order."""

    def __init__(self, tests: list[str]) -> None:
        self.place = {test: i for i, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = [item for item in items if item.nodeid in self.place]
        items[:] = sorted(kept, key=lambda item: self.place[item.nodeid])
