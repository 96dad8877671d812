"""Who writes completions: the policy itself, or a compiled copy of it under CUDA graphs, in 8 bits too.

What is asked and what is made of the answers does not belong here.
"""
