"""Writes the trained model as GGUF: python3 export.py --gguf-py FOLDER [--from FOLDER] [--out FILE]

FOLDER of --gguf-py is `gguf-py` of a llama.cpp source tree. Matrices become q8_0, norms stay f32.
"""
import argparse
import sys
from pathlib import Path

import torch

from dialogues import IM_END, IM_START
from model import (BOS, CONTEXT, FEED_FORWARD, HEAD_WIDTH, HEADS, LAYERS, NORM_EPSILON, ROPE_BASE,
                   VOCABULARY, WIDTH, Tokenizer)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '" + IM_START + "' + message['role'] + '\\n' + message['content'] + '" + IM_END + "\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + IM_START + "assistant\\n' }}{% endif %}")


def write_vocabulary(writer, gguf, tokenizer):
    pieces = tokenizer.pieces
    kinds = gguf.TokenType

    def kind(i):
        if pieces.is_unknown(i):
            return kinds.UNKNOWN
        if pieces.is_control(i):
            return kinds.CONTROL
        return kinds.BYTE if pieces.is_byte(i) else kinds.NORMAL

    ids = range(VOCABULARY)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([pieces.id_to_piece(i).encode() for i in ids])
    writer.add_token_scores([pieces.get_score(i) for i in ids])
    writer.add_token_types([kind(i) for i in ids])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(tokenizer.im_end)
    writer.add_unk_token_id(pieces.unk_id())
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_architecture(writer, gguf):
    writer.add_name("tinychat")
    writer.add_description("A very small chat model for tests; see models/tinychat/README.md")
    writer.add_license("apache-2.0")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(HEAD_WIDTH)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def main():
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gguf-py", type=Path, required=True)
    parser.add_argument("--from", dest="source", type=Path, default=Path("out"))
    parser.add_argument("--out", type=Path, default=here / "tinychat-q8_0.gguf")
    options = parser.parse_args()
    sys.path.insert(0, str(options.gguf_py))
    import gguf

    writer = gguf.GGUFWriter(options.out, "llama")
    write_architecture(writer, gguf)
    write_vocabulary(writer, gguf, Tokenizer(options.source / "tok.model"))
    for name, weight in torch.load(options.source / "model.pt").items():
        values = weight.numpy()
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            q8_0 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(values, q8_0), raw_dtype=q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{options.out}: {options.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
