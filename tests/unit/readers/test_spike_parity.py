"""Networks of other libraries, read through NIR, spike where those libraries spike; runs where they are installed."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.spiking_peers import CASES, answer
from tests.support.spiking_reference import membranes_and_events

pytest.importorskip("nir")


@pytest.mark.parametrize(("library", "what"), CASES)
def test_every_spike_is_the_library_s_own(library: str, what: str) -> None:
    pytest.importorskip(library)
    from twentywatts.readers.nir import from_nir

    graph, dialect, fed, spikes = answer(library, what)
    network = from_nir(graph, dialect=dialect)
    (source,) = network.inputs
    _, events = membranes_and_events(network, {source: fed})
    assert spikes.any()
    np.testing.assert_array_equal(events[network.results[0]], spikes)
