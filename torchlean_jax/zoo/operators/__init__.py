"""What the Fourier neural operators share: layers, pairs of functions, training,
claims. Which equation an operator is of is in the folders of the entries."""
