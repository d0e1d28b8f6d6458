from collections.abc import Iterator

import pytest

from tests.e2e.site import Site, running_site


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with running_site() as site:
        yield site
