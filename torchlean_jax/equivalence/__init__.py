"""How `tl.equivalent` decides: residues for "equal", real numbers for "different".

The verb and its report are in `torchlean_jax._equivalent`.
"""
