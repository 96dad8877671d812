"""Makes strings safe to keep, to show and to print: control characters become visible, markup and LaTeX are escaped,
passwords are crossed out.

What a text means does not belong here: mathematics has that.
"""
