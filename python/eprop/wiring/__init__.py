"""Wiring: which synapses a recurrent layer has, and the signs of its sources.

Each function makes what a trainer takes as `connect_in`, `connect_rec` or `sign`. Rows are the neurons that a synapse leads
to, columns its sources, as in `W_in` and `W_rec`; no neuron has a synapse to itself. Arrays are sparse arrays of SciPy
(extra ``eprop[sparse]``), or boolean arrays of NumPy with ``sparse=False``. `Wiring` puts them together.

Examples
--------
>>> from eprop import wiring
>>> net = wiring.Wiring(
...     20,
...     100,
...     connect_in=wiring.fixed_indegree(100, 20, 5, seed=0),
...     connect_rec=wiring.small_world(100, 10, 0.1, seed=0),
...     sign=wiring.dale(100, n_inputs=20, seed=0),
... )
>>> net
<Wiring: 20 inputs, 100 neurons, 1,500 synapses>
>>> list(net.options())
['connect_in', 'connect_rec', 'sign']
"""

from .._connections import Connections
from ._edges import Edges, from_edges
from ._graphs import distance, small_world
from ._layered import layered
from ._random import dale, fixed_indegree, random
from ._wiring import Wiring

__all__ = [
    "Connections",
    "Edges",
    "Wiring",
    "dale",
    "distance",
    "fixed_indegree",
    "from_edges",
    "layered",
    "random",
    "small_world",
]
