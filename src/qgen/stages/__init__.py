"""How a stage is trained: SFT, GRPO and distillation, the code that all three share, and the checks that guard them.

How a reward is computed and how results are shown does not belong here.
"""
