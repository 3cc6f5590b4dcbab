"""Source separation: sources that add up to the input, and rules that give each of them a place."""
