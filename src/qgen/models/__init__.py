"""Weights, tokenizers and adapters: found, checked, loaded, by transformers or Unsloth, in 4 bits or whole.

How a model is trained or written from does not belong here.
"""
