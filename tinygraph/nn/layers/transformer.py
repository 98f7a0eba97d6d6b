"""The transformer: attention and a feed-forward part, each with a layer norm and a short cut."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from tinygraph import init
from tinygraph.array.convert import to_tensor
from tinygraph.array.creation import full, triu
from tinygraph.errors import ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.nn.layers.attention import KVCache, MultiheadAttention
from tinygraph.nn.layers.container import ModuleList
from tinygraph.nn.layers.dropout import Dropout
from tinygraph.nn.layers.feed_forward import Activation, WithFeedForward, named_activation
from tinygraph.nn.layers.linear import at_least
from tinygraph.nn.layers.norm import LayerNorm
from tinygraph.nn.module import Module
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer",
    "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip


class _Layer(WithFeedForward):
    """What the layers of encoder and decoder have in common."""

    norm_first: bool
    self_attn: MultiheadAttention

    def _part(
        self, x: Tensor, norm: Module, part: Callable[[Tensor], Tensor], dropout: Module
    ) -> Tensor:
        """x with what `part` makes of it added, and the layer norm before it or after all."""
        result: Tensor
        if self.norm_first:
            result = x + dropout(part(norm(x)))
        else:
            result = norm(x + dropout(part(x)))
        return result

    def make_cache(self, batch: int, max_length: int) -> KVCache:
        """An empty `KVCache` for the self-attention of this layer."""
        return self.self_attn.make_cache(batch, max_length)


class TransformerEncoderLayer(_Layer):
    """norm1(x + attention(x)), then norm2(x + feed_forward(x)); or with the norms inside.

    d_model: the features. nhead: the heads of the attention. dim_feedforward, activation: see
    `FeedForward`. dropout: the probability of dropping attention weights, hidden features of the
    feed-forward part, and what both parts add. layer_norm_eps: see `LayerNorm`. batch_first: see
    `MultiheadAttention`. norm_first: x + attention(norm1(x)), then x + feed_forward(norm2(x)): the
    pre-norm form, which trains without a warm-up of the learning rate; the original paper has
    the post-norm form, the default. bias: whether linear maps and norms have one.

    self_attn, linear1, linear2, norm1, norm2: the parts.

    Called as `layer(src, src_mask=None, src_key_padding_mask=None, is_causal=False)`; the masks
    are those of `MultiheadAttention`. cache: a `KVCache` from `make_cache`, with which the layer,
    causal then, is called with one new token after the other.

    Source: Vaswani et al., "Attention Is All You Need" (2017); Xiong et al., "On Layer
    Normalization in the Transformer Architecture" (2020).

    >>> import tinygraph as tg
    >>> tg.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)(tg.ones((2, 7, 8))).shape
    (2, 7, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        function = named_activation("TransformerEncoderLayer", activation)
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self._add_maps(d_model, dim_feedforward, dropout, function, bias, dtype)
        self.norm_first = norm_first
        for number in (1, 2):
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            self.add_module(f"norm{number}", norm)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.activation = function

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            result: Tensor = self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal, cache=cache
            )[0]
            return result

        x = self._part(src, self.norm1, attend, self.dropout1)
        return self._part(x, self.norm2, self._feed_forward, self.dropout2)


class TransformerDecoderLayer(_Layer):
    """norm1(x + attention(x)), norm2(x + attention(x, memory)), norm3(x + feed_forward(x)).

    The arguments are those of `TransformerEncoderLayer`; with norm_first the norms are inside, as
    there.

    self_attn, multihead_attn, linear1, linear2, norm1, norm2, norm3: the parts; multihead_attn
    takes its keys and values from the memory, the states of the encoder.

    Called as `layer(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
    memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False)`; the masks are
    those of `MultiheadAttention`. cache: for the self-attention, as in the encoder layer.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> layer = tg.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
    >>> layer(tg.ones((2, 5, 8)), tg.ones((2, 7, 8)), tgt_is_causal=True).shape
    (2, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        function = named_activation("TransformerDecoderLayer", activation)
        for name in ("self_attn", "multihead_attn"):
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
            )
            self.add_module(name, attention)
        self._add_maps(d_model, dim_feedforward, dropout, function, bias, dtype)
        self.norm_first = norm_first
        for number in (1, 2, 3):
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            self.add_module(f"norm{number}", norm)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = function

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        cache: KVCache | None = None,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            result: Tensor = self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal,
                cache=cache,
            )[0]  # fmt: skip
            return result

        def attend_memory(x: Tensor) -> Tensor:
            result: Tensor = self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask,
                is_causal=memory_is_causal,
            )[0]  # fmt: skip
            return result

        x = self._part(tgt, self.norm1, attend, self.dropout1)
        x = self._part(x, self.norm2, attend_memory, self.dropout2)
        return self._part(x, self.norm3, self._feed_forward, self.dropout3)


class _Stack(Module):
    """Copies of a layer one after the other, and perhaps a norm at the end."""

    layers: ModuleList
    norm: Module | None

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        super().__init__()
        self.num_layers = at_least(type(self).__name__, "num_layers", num_layers, 0)
        self.layers = ModuleList(copy.deepcopy(layer) for _ in range(num_layers))
        self.norm = norm

    def make_caches(self, batch: int, max_length: int) -> list[KVCache]:
        """An empty `KVCache` for each layer."""
        return [layer.make_cache(batch, max_length) for layer in self.layers]

    def _run(
        self, x: Tensor, call: Callable[..., Tensor], caches: Sequence[KVCache] | None
    ) -> Tensor:
        """x through `call(layer, x)` for all layers and the norm."""
        given: list[dict[str, KVCache]] = [{}] * len(self.layers)
        if caches is not None:
            given = [{"cache": cache} for cache in caches]
        if len(given) != len(self.layers):
            raise ValueError(
                f"{type(self).__name__}: expected {len(self.layers)} caches, one for each layer, "
                f"got {len(given)}"
            )
        for layer, cache in zip(self.layers, given, strict=True):
            x = call(layer, x, **cache)
        if self.norm is not None:
            x = self.norm(x)
        return x


class TransformerEncoder(_Stack):
    """norm(layer_n(... layer_1(x))): copies of an encoder layer, which start with equal weights.

    encoder_layer: a `TransformerEncoderLayer`, which is copied. num_layers: how often. norm: a
    module for the end, or None. enable_nested_tensor, mask_check: ignored; they speed PyTorch up,
    which then has zeros at padded places.

    Called as `encoder(src, mask=None, src_key_padding_mask=None, is_causal=None)`; see the layer.
    caches: one for each layer, from `make_caches(batch, max_length)`.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> layer = tg.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> tg.nn.TransformerEncoder(layer, 3)(tg.ones((2, 7, 8))).shape
    (2, 7, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
        *,
        caches: Sequence[KVCache] | None = None,
    ) -> Tensor:
        def call(layer: Module, x: Tensor, **cache: KVCache) -> Tensor:
            result: Tensor = layer(
                x, src_mask=mask, src_key_padding_mask=src_key_padding_mask,
                is_causal=bool(is_causal), **cache,
            )  # fmt: skip
            return result

        return self._run(src, call, caches)


class TransformerDecoder(_Stack):
    """norm(layer_n(... layer_1(x, memory), memory)): copies of a decoder layer.

    decoder_layer: a `TransformerDecoderLayer`, which is copied. num_layers: how often. norm: a
    module for the end, or None.

    Called as `decoder(tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
    memory_key_padding_mask=None, tgt_is_causal=None, memory_is_causal=False)`; see the layer.
    caches: one for each layer, from `make_caches(batch, max_length)`.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> layer = tg.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
    >>> tg.nn.TransformerDecoder(layer, 3)(tg.ones((2, 5, 8)), tg.ones((2, 7, 8))).shape
    (2, 5, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
        *,
        caches: Sequence[KVCache] | None = None,
    ) -> Tensor:
        def call(layer: Module, x: Tensor, **cache: KVCache) -> Tensor:
            result: Tensor = layer(
                x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal), memory_is_causal=memory_is_causal, **cache,
            )  # fmt: skip
            return result

        return self._run(tgt, call, caches)


class Transformer(Module):
    """decoder(tgt, encoder(src)): encoder and decoder stacks with a layer norm at each end.

    d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first,
    bias: see `TransformerEncoderLayer`. num_encoder_layers, num_decoder_layers: how many.
    custom_encoder, custom_decoder: modules in the place of the stacks.

    encoder, decoder: the stacks. All matrices are drawn from Xavier's uniform distribution.
    Embeddings, positions and the last linear map are not part of it.

    Called as `transformer(src, tgt, src_mask=None, tgt_mask=None, memory_mask=None,
    src_key_padding_mask=None, tgt_key_padding_mask=None, memory_key_padding_mask=None,
    src_is_causal=None, tgt_is_causal=None, memory_is_causal=False)`; the masks are those of
    `MultiheadAttention`. Returns a sequence as `tgt` is laid out.

    Source: Vaswani et al., "Attention Is All You Need" (2017).

    >>> import tinygraph as tg
    >>> model = tg.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> mask = model.generate_square_subsequent_mask(5)
    >>> model(tg.ones((2, 7, 8)), tg.ones((2, 5, 8)), tgt_mask=mask).shape
    (2, 5, 8)
    """

    encoder: Module
    decoder: Module

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps,
                   batch_first, norm_first, bias)  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*options, dtype=dtype)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*options, dtype=dtype)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new matrices; vectors stay as they are."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        src, tgt = to_tensor(src), to_tensor(tgt)
        self._check(src, tgt)
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        result: Tensor = self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal,
        )  # fmt: skip
        return result

    def _check(self, src: Tensor, tgt: Tensor) -> None:
        batch = slice(0, 1) if self.batch_first else slice(1, 2)
        batches = (*src.shape[:-1][batch], *tgt.shape[:-1][batch]) if src.ndim == 3 else (0, 0)
        if batches[0] != batches[-1] and is_known(*batches):
            raise ShapeError(
                f"Transformer: expected a batch as large in src and tgt, got shapes "
                f"{show_shape(src.shape)} and {show_shape(tgt.shape)}"
            )
        for name, x in (("src", src), ("tgt", tgt)):
            if not x.ndim or (x.shape[-1] != self.d_model and is_known(x.shape[-1])):
                raise ShapeError(
                    f"Transformer: expected {name} of {self.d_model} features, got shape "
                    f"{show_shape(x.shape)}"
                )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: Any = None) -> Tensor:
        """The causal mask as floats: 0 where key j is not after query i, else -inf; (sz, sz).

        >>> import tinygraph as tg
        >>> tg.nn.Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        result: Tensor = triu(full((sz, sz), float("-inf"), dtype=dtype), 1)
        return result
