"""The conversions of the 16-bit floats, in the kernel language. Their type here is u16.

They round to the nearest, to even at halves, also where the processor does otherwise: its bf16
instruction takes subnormals for zero, and processors without f16 instructions exist.
"""

from __future__ import annotations

from tinygraph_numba.language.dialect import bits, f32, f64, u16, u32

INFINITY_F32 = 0x7F800000
HALF_F32 = 0x3F000000  # the bits of 0.5
QUIET_F32 = 0x00400000  # the bit that tells a quiet NaN


def wide_bf16(half: u16) -> f32:
    """bf16 to f32: the upper half of the bits."""
    return bits(f32, u32(half) << 16)


def narrow_bf16(x: f32) -> u16:
    """f32 to bf16."""
    pattern = bits(u32, x)
    odd = pattern >> 16 & 1
    rounded = pattern + 0x7FFF + odd
    return u16((rounded if x == x else pattern | QUIET_F32) >> 16)


def wide_f16(half: u16) -> f32:
    """f16 to f32: the fields of the one moved to those of the other, and the exponent, whose
    zero lies 112 higher, corrected by a product, which is right for subnormals too."""
    size = (u32(half) & 0x7FFF) << 13
    finite = bits(u32, bits(f32, size) * 5192296858534827628530496329220096.0)
    sign = (u32(half) & 0x8000) << 16
    return bits(f32, sign | (finite if size < 0x0F800000 else size | INFINITY_F32))


def narrow_f16(x: f32) -> u16:
    """f32 to f16. Adding 0.5 to what will be subnormal rounds at the bit that will be last."""
    pattern = bits(u32, x)
    size = pattern & 0x7FFFFFFF
    odd = size >> 13 & 1
    normal = (size - 0x38000000 + 0xFFF + odd) >> 13
    small = bits(u32, bits(f32, size) + 0.5) - HALF_F32
    finite = small if size < 0x38800000 else normal
    special = 0x7E00 | size >> 13 & 0x1FF if size > INFINITY_F32 else 0x7C00
    result = finite if size < 0x47800000 else special
    return u16(result | pattern >> 16 & 0x8000)


def odd_f32(x: f64) -> f32:
    """f64 to f32, such that rounding once more gives what rounding once would have given: what
    is inexact goes to the neighbour whose last bit is one (Boldo and Melquiond, 2008)."""
    near = f32(x)
    pattern = bits(u32, near)
    below = pattern - u32(abs(f64(near)) > abs(x))
    inexact = f64(near) < x or f64(near) > x
    return bits(f32, below | 1 if inexact else pattern)
