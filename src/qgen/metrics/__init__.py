"""Measures of texts and of sets of problems: each gives one number and says what it means.

What is measured, what it is compared with, and whether it can be believed does not belong here: evaluation has that.
"""
