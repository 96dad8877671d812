"""Weights in 4 bits (NF4 with doubly quantized scales, QLoRA, arXiv:2305.14314), through bitsandbytes."""

import torch
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedConfig, PreTrainedModel
from transformers.quantizers import AutoHfQuantizer


def settings(dtype: torch.dtype) -> BitsAndBytesConfig:
    """How weights are quantized; products are computed in `dtype`."""
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def random_model(shape: PreTrainedConfig, dtype: torch.dtype, attn_implementation: str | None) -> PreTrainedModel:
    """Random weights of a shape on torch's present device, quantized one by one: 14B never stand there in bfloat16."""
    import bitsandbytes

    device = torch.empty(0).device
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape, dtype=dtype, attn_implementation=attn_implementation)
    for name, module in list(model.named_modules()):
        if type(module) is nn.Linear and module is not model.get_output_embeddings():
            linear = bitsandbytes.nn.Linear4bit(
                module.in_features, module.out_features, module.bias is not None, dtype, quant_type="nf4", device="meta"
            )
            weight = torch.randn(module.weight.shape, dtype=dtype, device=device) * shape.initializer_range
            linear.weight = bitsandbytes.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", module=linear)
            model.set_submodule(name, linear.to(device) if module.bias is None else linear.to_empty(device=device))
            del weight
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and parameter.is_meta:
                fresh = torch.ones if parameter.ndim == 1 else torch.randn
                value = fresh(parameter.shape, dtype=parameter.dtype, device=device)
                value = value if parameter.ndim == 1 else value * shape.initializer_range
                module._parameters[name] = nn.Parameter(value, requires_grad=parameter.requires_grad)
    model.model.rotary_emb = type(model.model.rotary_emb)(config=shape).to(device)
    model.tie_weights()
    model.config.quantization_config = settings(dtype)
    model.hf_quantizer = AutoHfQuantizer.from_config(model.config.quantization_config)
    model.is_loaded_in_4bit = model.is_quantized = True
    return model
