"""Weights, tokenizers and adapters: found, checked and loaded, by transformers or Unsloth, in 4 bits or in full.

Training a model, and generating from it, does not belong here.
"""
