"""`python -m torchlean_jax.cli`, where the `torchlean` script is not on the path."""

import sys

from torchlean_jax.cli._main import main

sys.exit(main())
