#!/usr/bin/env python3
"""Makes tests/golden/{gpt2,llama}*: tiny Hugging Face models and what
Transformers computes with them. See tests/golden/README.md.

    python3 tools/golden/make_model_golden.py

Needs torch, transformers and safetensors. Weights are float32; logits, loss
and gradients are computed in float64, so that a fixture is wrong by its
storage in float32 alone.
"""
import contextlib
import json
import math
import pathlib
import types

import torch
import transformers
from safetensors.torch import save_file
from transformers.models.llama import modeling_llama

ROOT = pathlib.Path(__file__).parent.parent.parent / "tests" / "golden"
BATCH, SEQUENCE = 2, 24

GPT2 = transformers.GPT2Config(
    vocab_size=211, n_positions=32, n_embd=32, n_layer=2, n_head=4,
    activation_function="gelu_new", resid_pdrop=0.0, embd_pdrop=0.0,
    attn_pdrop=0.0, bos_token_id=None, eos_token_id=None,
    attn_implementation="eager")
LLAMA = transformers.LlamaConfig(
    vocab_size=211, max_position_embeddings=32, hidden_size=32,
    intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, rope_theta=10000.0, rms_norm_eps=1e-5,
    tie_word_embeddings=False, bos_token_id=None, eos_token_id=None,
    attn_implementation="eager")


class DoubleTorch(types.ModuleType):
    """torch, but asking it for float32 gives float64."""

    def __getattr__(self, name):
        return torch.float64 if name == "float32" else getattr(torch, name)


def rotary_in_double(self, x, position_ids):
    """LlamaRotaryEmbedding.forward, which rounds to float32, in float64."""
    frequency = self.base ** (
        -torch.arange(0, self.dim, 2, dtype=torch.float64) / self.dim)
    angle = position_ids[..., None].double() * frequency
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


@contextlib.contextmanager
def llama_in_double():
    """Transformers' Llama without its roundings to float32."""
    rotary = modeling_llama.LlamaRotaryEmbedding
    forward = rotary.forward
    modeling_llama.torch = DoubleTorch("torch")
    rotary.forward = rotary_in_double
    try:
        yield
    finally:
        modeling_llama.torch = torch
        rotary.forward = forward


def randomise(model, generator):
    """Weights far larger than a fresh model's, norms and biases included, so
    that every one of them matters to the logits."""
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        norm_gain = value.dim() == 1 and not name.endswith("bias")
        norm_gain |= ".ln_" in name and name.endswith("weight")
        with torch.no_grad():
            if norm_gain:
                value.copy_(1 + 0.2 * noise)
            elif value.dim() == 1:
                value.copy_(0.2 * noise)
            else:
                value.copy_(noise / math.sqrt(value.shape[-1]))


def logits_of(model, tokens):
    """Without the model's own rounding of the logits to float32."""
    return model.lm_head(model.base_model(tokens).last_hidden_state)


def loss_of(model, tokens):
    return torch.nn.functional.cross_entropy(
        logits_of(model, tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def expected(model, tokens):
    """Logits and loss, and the gradient of every weight, in float64."""
    single = model(tokens, labels=tokens)  # Transformers as it comes
    with llama_in_double():
        model.double()
        loss = loss_of(model, tokens)
        loss.backward()
        logits = logits_of(model, tokens)[:, :-1].detach()
    difference = (logits - single.logits[:, :-1]).abs().max().item()
    print(f"  loss {loss.item():.12f}; Transformers' own float32: "
          f"{single.loss.item():.12f}, logits off by {difference:.1e}")
    assert difference < 1e-4 and abs(single.loss - loss) < 1e-5
    return logits, loss.detach()


def weights_of(model):
    """Name -> tensor as save_pretrained would write it: tied ones once."""
    return {name: value.detach().float().contiguous()
            for name, value in model.named_parameters()}


def save(tensors, path):
    save_file(tensors, path, metadata={"format": "pt"})


def make_reference(folder, model, generator):
    folder.mkdir(parents=True, exist_ok=True)
    weights = weights_of(model)
    model.config.save_pretrained(folder)
    save(weights, folder / "model.safetensors")
    tokens = torch.randint(0, model.config.vocab_size, (BATCH, SEQUENCE + 1),
                           generator=generator)
    logits, loss = expected(model, tokens)
    save({"tokens": tokens, "logits": logits.float(), "loss": loss},
         folder / "expected.safetensors")
    save({name: value.grad.float().contiguous()
          for name, value in model.named_parameters()},
         folder / "gradients.safetensors")
    return weights


def make_variant(folder, config, weights, dtype):
    """The same weights rounded to a shorter type, in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    config.torch_dtype = dtype
    config.save_pretrained(folder)
    save({name: value.to(dtype) for name, value in weights.items()},
         folder / "model.safetensors")


def make_sharded(folder, config, weights, dtype, shards=3):
    """The same weights rounded, split over files with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    config.torch_dtype = dtype
    config.save_pretrained(folder)
    rounded = {name: value.to(dtype) for name, value in weights.items()}
    names = list(rounded)
    where = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: rounded[name] for name in names[shard::shards]}
        where.update(dict.fromkeys(part, file))
        save(part, folder / file)
    total = sum(v.numel() * v.element_size() for v in rounded.values())
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {"total_size": total}, "weight_map": where}, indent=1))


def main():
    generator = torch.Generator().manual_seed(1234)
    for name, config, kind in [
            ("gpt2", GPT2, transformers.GPT2LMHeadModel),
            ("llama", LLAMA, transformers.LlamaForCausalLM)]:
        print(name)
        model = kind(config).eval()
        randomise(model, generator)
        weights = make_reference(ROOT / name, model, generator)
        make_variant(ROOT / f"{name}-bf16", config, weights, torch.bfloat16)
        make_sharded(ROOT / f"{name}-f16-sharded", config, weights,
                     torch.float16)


if __name__ == "__main__":
    main()
