"""One file per shape of function; importing this package fills the table."""

from torchlean_jax.domains.affine.relaxations import _max
