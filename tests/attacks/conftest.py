"""Fixtures of the attack suite."""

from pathlib import Path

import pytest

from tests.sandbox.small import write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))
