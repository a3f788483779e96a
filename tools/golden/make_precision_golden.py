#!/usr/bin/env python3
"""Makes what Transformers computes with the 16-bit models of
tests/golden/{gpt2,llama}-{bf16,f16-sharded}. See tests/golden/README.md.

    python3 tools/golden/make_precision_golden.py

Needs torch (2.1 or newer, for products of float16 on CPU), transformers and
safetensors, and the models, which make_model_golden.py makes. Each is run twice:
in float64, with its 16-bit weights, and wholly in its own type.
"""
import sys

import safetensors.torch
import torch
import transformers

from make_model_golden import ROOT, llama_in_double, logits_of, save

# float16 loses small gradients without a scale, which is left in them.
LOSS_SCALE = {torch.bfloat16: 1.0, torch.float16: 1024.0}


def load(folder, dtype, attention):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, torch_dtype=dtype, attn_implementation=attention).eval()


def results_of(model, tokens, scale):
    """Logits, the loss of each row, and scaled gradients of the mean loss. The
    loss of 16-bit logits is computed in float32, as Transformers does since
    4.46."""
    logits = logits_of(model, tokens)[:, :-1]
    wide = logits if logits.dtype == torch.float64 else logits.float()
    losses = torch.nn.functional.cross_entropy(
        wide.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    (losses.mean() * scale).backward()
    return {"logits": logits.detach().contiguous(),
            "losses": losses.detach(),
            "gradients": {name: value.grad.contiguous()
                          for name, value in model.named_parameters()}}


def in_double(folder, dtype, tokens, scale):
    with llama_in_double():
        model = load(folder, dtype, "eager").double()
        return results_of(model, tokens, scale)


def error(theirs, exact):
    """Of all gradients together, relative."""
    names = exact["gradients"]
    squares = sum((theirs["gradients"][n].double() - names[n]).square().sum()
                  for n in names)
    norm = sum(names[n].square().sum() for n in names)
    return (squares / norm).sqrt().item()


def nearest(folder, dtype, tokens, exact, scale):
    """Of the attentions that the model has, the one with the least error."""
    found = []
    for attention in ["eager", "sdpa"]:
        try:
            model = load(folder, dtype, attention)
        except ValueError as reason:  # this version has none for the model
            print(f"  {attention}: {str(reason).splitlines()[0][:70]}")
            continue
        theirs = results_of(model, tokens, scale)
        assert theirs["logits"].dtype == dtype
        print(f"  {attention}: gradients off by {error(theirs, exact):.2e}")
        found.append(theirs)
    return min(found, key=lambda theirs: error(theirs, exact))


def make(folder, tokens):
    dtype = torch.bfloat16 if "bf16" in folder.name else torch.float16
    scale = LOSS_SCALE[dtype]
    exact = in_double(folder, dtype, tokens, scale)
    theirs = nearest(folder, dtype, tokens, exact, scale)
    save({"tokens": tokens,
          "loss_scale": torch.tensor(scale),
          "logits": exact["logits"].float(),
          "losses": exact["losses"].float(),
          "transformers.logits": theirs["logits"],
          "transformers.losses": theirs["losses"]},
         folder / "expected.safetensors")
    save({name: (value / scale).float()
          for name, value in exact["gradients"].items()},
         folder / "gradients.safetensors")
    save(theirs["gradients"], folder / "transformers_gradients.safetensors")


def main():
    print(f"Transformers {transformers.__version__}, PyTorch "
          f"{torch.__version__}", file=sys.stderr)
    for model in ["gpt2", "llama"]:
        tokens = safetensors.torch.load_file(
            ROOT / model / "expected.safetensors")["tokens"]
        for kind in ["bf16", "f16-sharded"]:
            print(f"{model}-{kind}")
            make(ROOT / f"{model}-{kind}", tokens)


if __name__ == "__main__":
    main()
