"""The core against a simple model of itself, through long random histories."""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from model.leased import Leased
from model.supervision import BOUNDED, GoodPrograms, Supervision


@pytest.mark.timeout(300)  # seconds of computing; a busy machine takes many times as long
@pytest.mark.parametrize(("corner", "examples"), [(Supervision, 150), (GoodPrograms, 60), (Leased, 80)])
def test_every_promise_holds_through_random_histories(corner, examples):
    """Whatever happens in whatever order, no promise of the supervisor is broken."""
    run_state_machine_as_test(corner, settings=settings(BOUNDED, max_examples=examples))
