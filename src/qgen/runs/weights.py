"""Whether a file of weights may be read at all: it is whole, and every number in it is finite. Torch-free."""

import json
from pathlib import Path

# of each floating type of safetensors: an integer of its size, and the bits that are all set in NaN and infinity alone
_EXPONENT = {
    "F64": ("uint64", 0x7FF0_0000_0000_0000),
    "F32": ("uint32", 0x7F80_0000),
    "F16": ("uint16", 0x7C00),
    "BF16": ("uint16", 0x7F80),
}


def fault(path: Path) -> str | None:
    """What is wrong with a safetensors file, in words that follow its name; None where nothing is."""
    import numpy as np  # takes a tenth of a second, for which a mistyped key need not wait

    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 0 < size <= path.stat().st_size - 8:
                return "is not a whole safetensors file"
            tensors = json.loads(file.read(size))
        tensors.pop("__metadata__", None)
        data = np.memmap(path, np.uint8, "r", offset=8 + size) if tensors else np.empty(0, np.uint8)
        if max((about["data_offsets"][1] for about in tensors.values()), default=0) != len(data):
            return "is not a whole safetensors file"
        for name, about in tensors.items():
            kind, bits = _EXPONENT.get(about["dtype"], (None, 0))
            values = data[slice(*about["data_offsets"])]
            if kind is not None and ((values.view(kind) & np.dtype(kind).type(bits)) == bits).any():
                return f"holds numbers that are not finite, first in {name}"
    except FileNotFoundError:
        return "is not there"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "is not a whole safetensors file"
    return None
