"""Counting the floating point operations of what runs."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count


def _attention(query, key, value, *_, **__) -> int:
    return sdpa_flop_count(query.shape, key.shape, value.shape)


def _attention_backward(gradient, query, key, value, *_, **__) -> int:
    return sdpa_backward_flop_count(gradient.shape, query.shape, key.shape, value.shape)


# Attention on the CPU is missing from torch's table (2.13).
FORMULAS = {
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class FlopCounter(TorchDispatchMode):
    """Adds up the FLOPs of what runs inside; unlike torch's FlopCounterMode it also sees second derivatives and attention on a CPU."""

    def __init__(self):
        super().__init__()
        self.total = 0.0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._overloadpacket not in FORMULAS and func is not torch.ops.prim.device.default:
            with self:  # in inference mode operators arrive whole
                out = func.decompose(*args, **(kwargs or {}))
            if out is not NotImplemented:
                return out
        out = func(*args, **(kwargs or {}))
        if count := FORMULAS.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out
