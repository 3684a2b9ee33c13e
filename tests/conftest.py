"""Hypothesis draws the same examples on every run: a failure in CI is a failure at home. No test sees another's figures."""

import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ci")


def _close() -> None:
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(autouse=True)
def no_figures():
    """Those of the package's docstrings, too, which run in the same process: from 20 on matplotlib warns."""
    _close()
    yield
    _close()
