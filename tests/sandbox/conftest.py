"""Fixtures of the sandbox's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox import WarmParent
from tests.sandbox.small import write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def parent(inputs: Path) -> Iterator[WarmParent]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOST_SECRET", "unguessable")
        with WarmParent(inputs) as parent:
            yield parent
