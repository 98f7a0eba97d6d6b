"""Random words by counting, in the kernel language: Philox4x32-10, see `tinygraph.ops.random`."""

from __future__ import annotations

from tinygraph_numba.dialect import u32, u64, unroll

LOW = 0xFFFFFFFF
FIRST, SECOND = 0xD2511F53, 0xCD9E8D57
KEY_STEP, SECOND_KEY_STEP = 0x9E3779B9, 0xBB67AE85


def philox(seed: u64, draw: u64, index: u64) -> u32:
    """Word `index` % 4 of block `index` // 4 of a draw.

    Words of 32 bits stand in numbers of 64, so that a product is there whole: processors have
    an instruction for that. Each element computes its whole block, which is cheaper than to
    hand words from one lane to another.
    """
    c0 = (index >> 2) & LOW
    c1 = index >> 34
    c2 = draw & LOW
    c3 = draw >> 32
    key = seed & LOW
    second_key = seed >> 32
    for _ in unroll(0, 10):
        upper = c0 * FIRST
        lower = c2 * SECOND
        c0 = c1 ^ key ^ (lower >> 32)
        c1 = lower & LOW
        c2 = c3 ^ second_key ^ (upper >> 32)
        c3 = upper & LOW
        key = (key + KEY_STEP) & LOW
        second_key = (second_key + SECOND_KEY_STEP) & LOW
    early = c1 if (index & 1) != 0 else c0
    late = c3 if (index & 1) != 0 else c2
    return u32(late if (index & 2) != 0 else early)
