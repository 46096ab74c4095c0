"""Figures of speed and memory, as ratios against a floor that the same run measures."""
