"""Parts that several networks share: transformer, DiT, dilated stacks, warping."""
