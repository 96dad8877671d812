"""What generates completions: the policy itself, or a compiled copy of it under CUDA graphs, also in 8 bits.

Prompts, and what is done with the completions, do not belong here.
"""
