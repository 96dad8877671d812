"""How a stage is trained: SFT, GRPO and distillation, what all three share, and what guards them.

What a reward is worth and how results are shown does not belong here.
"""
