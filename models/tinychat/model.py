"""The network (a small LLaMA) and its tokenizer."""
import math
import re

import sentencepiece
import torch
import torch.nn as nn
import torch.nn.functional as F

from dialogues import IM_END, IM_START

WIDTH, LAYERS, HEADS, FEED_FORWARD, CONTEXT = 160, 4, 4, 448, 512
HEAD_WIDTH = WIDTH // HEADS
ROPE_BASE, NORM_EPSILON = 10000.0, 1e-5
VOCABULARY = 1024
BOS = 1


class Tokenizer:
    """SentencePiece BPE with bytes for what it does not know; a newline is always its byte."""

    def __init__(self, path):
        self.pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self.im_end = self.pieces.piece_to_id(IM_END)
        self.special = {IM_START: self.pieces.piece_to_id(IM_START), IM_END: self.im_end,
                        "\n": self.pieces.piece_to_id("<0x0A>")}

    @staticmethod
    def train(lines_path, prefix):
        sentencepiece.SentencePieceTrainer.train(
            input=str(lines_path), model_prefix=str(prefix), vocab_size=VOCABULARY,
            model_type="bpe", byte_fallback=True, add_dummy_prefix=False,
            remove_extra_whitespaces=False, normalization_rule_name="identity",
            character_coverage=1.0, control_symbols=[IM_START, IM_END], minloglevel=2)

    def encode(self, text):
        ids = []
        for part in re.split(r"(<\|im_start\|>|<\|im_end\|>|\n)", text):
            if part in self.special:
                ids.append(self.special[part])
            elif part:
                ids += self.pieces.encode(part)
        return ids


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + NORM_EPSILON) * self.weight


def rotate(x, cos, sin):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class Block(nn.Module):
    """Member names are the GGUF tensor names of the llama architecture."""

    def __init__(self):
        super().__init__()
        self.attn_norm, self.ffn_norm = Norm(), Norm()
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            setattr(self, name, nn.Linear(WIDTH, WIDTH, bias=False))
        self.ffn_gate = nn.Linear(WIDTH, FEED_FORWARD, bias=False)
        self.ffn_up = nn.Linear(WIDTH, FEED_FORWARD, bias=False)
        self.ffn_down = nn.Linear(FEED_FORWARD, WIDTH, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, length, _ = x.shape
        h = self.attn_norm(x)
        q, k, v = (layer(h).view(batch, length, HEADS, HEAD_WIDTH).transpose(1, 2)
                   for layer in (self.attn_q, self.attn_k, self.attn_v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        scores = (q @ k.transpose(-1, -2) / math.sqrt(HEAD_WIDTH) + mask).softmax(-1)
        x = x + self.attn_output((scores @ v).transpose(1, 2).reshape(batch, length, WIDTH))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Tinychat(nn.Module):
    """Input and output embeddings are one matrix."""

    def __init__(self):
        super().__init__()
        self.token_embd = nn.Embedding(VOCABULARY, WIDTH)
        self.blk = nn.ModuleList([Block() for _ in range(LAYERS)])
        self.output_norm = Norm()
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                into_residual = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, 0, 0.04 / (math.sqrt(2 * LAYERS) if into_residual else 1))
        frequencies = ROPE_BASE ** (-torch.arange(0, HEAD_WIDTH, 2).float() / HEAD_WIDTH)
        angles = torch.arange(CONTEXT).float()[:, None] * frequencies
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids, wanted):
        """Logits at the positions where the boolean tensor `wanted` is true."""
        length = ids.shape[1]
        mask = torch.full((length, length), -1e9).triu(1)
        h = self.token_embd(ids)
        for block in self.blk:
            h = block(h, self.cos[:length], self.sin[:length], mask)
        return self.output_norm(h[wanted]) @ self.token_embd.weight.t()
