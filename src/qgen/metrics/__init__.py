"""Measures of texts and of sets of problems: each says one number, and what it means.

What is measured, against what, and whether to believe it does not belong here: evaluation has that.
"""
