"""Random words by counting, in the kernel language: Philox4x32-10, see `tinygraph.ops.random`."""

from __future__ import annotations

from tinygraph_numba.language.dialect import i64, lanes, ptr_u32, u32, u64, unroll

LOW = 0xFFFFFFFF
FIRST, SECOND = 0xD2511F53, 0xCD9E8D57
KEY_STEP, SECOND_KEY_STEP = 0x9E3779B9, 0xBB67AE85


def philox_block(seed: u64, draw: u64, block: u64) -> tuple[u64, u64, u64, u64]:
    """The four words of a block of a draw.

    Words of 32 bits stand in numbers of 64, so that a product is there whole: processors have
    an instruction for that.
    """
    c0 = block & LOW
    c1 = block >> 32
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
    return c0, c1, c2, c3


def philox(seed: u64, draw: u64, index: u64) -> u32:
    """Word `index` % 4 of block `index` // 4 of a draw."""
    c0, c1, c2, c3 = philox_block(seed, draw, index >> 2)
    early = c1 if (index & 1) != 0 else c0
    late = c3 if (index & 1) != 0 else c2
    return u32(late if (index & 2) != 0 else early)


def philox_run(words: ptr_u32, seed: u64, draw: u64, index: u64, count: i64) -> i64:
    """Write `count` words of a draw, and what else is in their blocks, to memory.

    That word `index` is the first; the result is the place in `words` where it stands. There has
    to be room for six more words.
    """
    first = index >> 2
    place = i64(index & 3)
    for block in lanes(0, (place + count + 3) >> 2, 4):
        c0, c1, c2, c3 = philox_block(seed, draw, first + u64(block))
        words[4 * block] = u32(c0)
        words[4 * block + 1] = u32(c1)
        words[4 * block + 2] = u32(c2)
        words[4 * block + 3] = u32(c3)
    return place
