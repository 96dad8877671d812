"""Strings made safe to keep and to show: controls visible, markup escaped, passwords crossed out.

What a text means does not belong here: mathematics has that.
"""
