"""The GPUs that a plan can be made for without having one."""

# name, GiB that PyTorch says it has, and whether it computes in bfloat16
GPUS = {
    "t4-16": ("Tesla T4", 14.6, False),
    "v100-32": ("Tesla V100", 31.7, False),
    "l4-24": ("NVIDIA L4", 22.0, True),
    "a10g-24": ("NVIDIA A10G", 22.0, True),
    "rtx3090-24": ("NVIDIA GeForce RTX 3090", 23.6, True),
    "rtx4090-24": ("NVIDIA GeForce RTX 4090", 23.6, True),
    "rtx5090-32": ("NVIDIA GeForce RTX 5090", 31.3, True),
    "l40s-48": ("NVIDIA L40S", 44.4, True),
    "a6000-48": ("NVIDIA RTX A6000", 47.5, True),
    "a100-40": ("NVIDIA A100 40GB", 39.4, True),
    "a100-80": ("NVIDIA A100 80GB", 79.1, True),
    "h100-80": ("NVIDIA H100 80GB", 79.1, True),
    "h200-141": ("NVIDIA H200", 139.8, True),
}
