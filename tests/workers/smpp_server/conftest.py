import pytest

from tests.support.passwords import forget_guesses


@pytest.fixture(autouse=True)
def _nobody_has_guessed() -> None:
    """Wrong passwords of one test must not slow the next one's binds down: all come from one address."""
    forget_guesses()
