"""Multitracks rendered from generated band arrangements: music of which every stem is known."""
