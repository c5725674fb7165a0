"""Properties of networks from VNN-LIB files.

Here: reading a file, what it asks in the words of this package (boxes and specs), and
answering it. Such a file describes the *unsafe* set; `unsat` means that the network is
safe. Networks are read in `torchlean_jax.onnx`.
"""

from torchlean_jax.vnnlib._case import Case
from torchlean_jax.vnnlib._decide import Answer, decide
from torchlean_jax.vnnlib._query import Query, read_vnnlib

__all__ = ["Answer", "Case", "Query", "decide", "read_vnnlib"]
