"""Example models with all that is claimed of them: model, data, training, claims.

`import torchlean_jax` does not import this. What a model needs beyond the core
(scikit-learn, say) comes with the `zoo` extra and is imported when it is used.
"""

from torchlean_jax.zoo import digits

__all__ = ["digits"]
