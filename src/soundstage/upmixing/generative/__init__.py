"""Parts that the generative methods share: styles, windows, sampling, constraints."""
