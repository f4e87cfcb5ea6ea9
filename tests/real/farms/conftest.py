"""One cloud with two farms for all tests of this folder."""

import shutil
from collections.abc import Generator, Iterator

import pytest
from farmland import Farmland

from farmctl.testing import demand_root


@pytest.fixture(scope="session")
def _farmland(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farmland]:
    demand_root()
    for program in ("ssh", "nft", "ip", "debootstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"real farms need {program}")
    made = Farmland(tmp_path_factory.mktemp("farms"))
    made.prepare()
    made.cloud.start()
    try:
        made.apply("alice", "bob")
        yield made
    finally:
        made.cloud.stop()


@pytest.fixture
def land(_farmland: Farmland) -> Farmland:
    """Both farms, as their files declare them; each test leaves them so."""
    return _farmland


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what the batch system and the consoles had to say."""
    report = yield
    made = getattr(item, "funcargs", {}).get("_farmland")
    if report.failed and isinstance(made, Farmland):
        report.sections.append(("what alice's nodes say", made.story()))
    return report
