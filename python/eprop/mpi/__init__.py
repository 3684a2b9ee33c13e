"""Training on several processes or machines by MPI, started with ``mpiexec -n 4 python script.py``.

`DataParallel` spreads the streams of a trainer over the ranks; `fit` does so for an estimator of `eprop.sklearn`.
`NeuronParallel` spreads the neurons of a network. The extra ``eprop[mpi]`` brings mpi4py and Open MPI; ``import eprop``
never asks for it.
"""

try:
    import mpi4py as mpi4py
except ModuleNotFoundError as missing:
    raise ImportError(
        'eprop.mpi needs mpi4py, which is not installed: pip install "eprop[mpi]"', name=missing.name
    ) from missing

from ._estimators import fit
from ._exchange import RankError
from ._neurons import NeuronParallel
from ._parallel import DataParallel

__all__ = ["DataParallel", "NeuronParallel", "RankError", "fit"]
