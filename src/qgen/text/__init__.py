"""Strings made safe to keep, to show and to print: controls visible, markup and LaTeX escaped, passwords crossed out.

What a text means does not belong here: mathematics has that.
"""
