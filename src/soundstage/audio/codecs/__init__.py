"""Codecs: sound files through libsndfile and FFmpeg, and checks of their containers."""
