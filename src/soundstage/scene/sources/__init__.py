"""Sources of sounds by words: a library of recordings, generators of our own and of others."""
