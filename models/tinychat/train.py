"""Trains tinychat.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python3 train.py [--epochs N] [--minutes M] [--out DIR]

Two threads are slower than one on matrices this small.

Writes tok.model and model.pt (the newest checkpoint) into DIR. The result depends only on the seed
as long as the time limit is not reached; when it is, the learning rate still falls to its end, so
that a time cut gives a finished model.
"""
import argparse
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from dialogues import IM_END, all_lessons, epoch, prompt_text
from model import BOS, Tinychat, Tokenizer

SEED = 7
PEAK_RATE, WARMUP_STEPS = 3e-3, 100
BATCH_TOKENS = 1500
CHECKPOINT_EPOCHS = 5


def train_tokenizer(lessons, out):
    rng = random.Random(SEED)
    lines = []
    for system, turns in epoch(lessons, rng):
        lines += [f"system\n{system}"] if system else []
        lines += [f"user\n{question}\nassistant\n{answer}" for question, answer in turns]
    (out / "tok.txt").write_text("\n".join(lines), encoding="utf-8")
    Tokenizer.train(out / "tok.txt", out / "tok")
    return Tokenizer(out / "tok.model")


def encode(tokenizer, system, turns):
    """(ids, learn): `learn` marks the answers' ids with their end mark; the rest is given."""
    ids, learn = [BOS], [False]
    for question, answer in turns:
        given = tokenizer.encode(prompt_text(question, system))
        target = tokenizer.encode(answer + IM_END)
        newline = tokenizer.encode("\n")
        ids += given + target + newline
        learn += [False] * len(given) + [True] * len(target) + [False] * len(newline)
        system = None
    return ids, learn


def batches(examples, rng):
    """Batches of about BATCH_TOKENS ids, each of examples of nearly one length, in random order."""
    rng.shuffle(examples)
    examples = sorted(examples, key=lambda example: len(example[0]))
    result, batch = [], []
    for example in examples:
        if batch and len(example[0]) * (len(batch) + 1) > BATCH_TOKENS:
            result.append(batch)
            batch = []
        batch.append(example)
    result.append(batch)
    rng.shuffle(result)
    return result


def tensors(batch):
    length = max(len(ids) for ids, _ in batch)
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    learn = torch.zeros(len(batch), length, dtype=torch.bool)
    for row, (row_ids, row_learn) in enumerate(batch):
        ids[row, :len(row_ids)] = torch.tensor(row_ids)
        learn[row, :len(row_ids)] = torch.tensor(row_learn)
    return ids, learn


def missed(model, tokenizer, lessons):
    """The questions answered wrongly, as (topic, question, answer), and how many were asked.

    Greedy decoding gives the right answer exactly when each right token is the likeliest one after
    the right tokens before it, so one pass over question and answer decides.
    """
    asked = [(lesson.topic, question, lesson.answer)
             for lesson in lessons for question in lesson.questions]
    wrong = []
    with torch.no_grad():
        for start in range(0, len(asked), 128):
            part = asked[start:start + 128]
            ids, learn = tensors([encode(tokenizer, None, [(q, a)]) for _, q, a in part])
            wanted = learn[:, 1:]
            right = torch.ones_like(wanted)
            right[wanted] = model(ids[:, :-1], wanted).argmax(-1) == ids[:, 1:][wanted]
            wrong += [item for item, ok in zip(part, right.all(1).tolist()) if not ok]
    return wrong, len(asked)


def train(model, tokenizer, lessons, options):
    rng = random.Random(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98),
                                  weight_decay=0.02)
    started, step, number, progress = time.monotonic(), 0, 0, 0.0
    while progress < 1:
        number += 1
        todo = batches([encode(tokenizer, *talk) for talk in epoch(lessons, rng)], rng)
        total = 0.0
        for position, batch in enumerate(todo):
            spent = (time.monotonic() - started) / 60
            progress = max((number - 1 + (position + 1) / len(todo)) / options.epochs,
                           spent / options.minutes)
            step += 1
            rate = PEAK_RATE * (0.5 + 0.5 * math.cos(math.pi * min(1, progress)))
            optimizer.param_groups[0]["lr"] = min(1, step / WARMUP_STEPS) * rate
            ids, learn = tensors(batch)
            wanted = learn[:, 1:]
            loss = F.cross_entropy(model(ids[:, :-1], wanted), ids[:, 1:][wanted])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        print(f"epoch {number} step {step} minutes {spent:.1f} loss {total / len(todo):.4f}",
              flush=True)
        if number % CHECKPOINT_EPOCHS == 0 or progress >= 1:
            torch.save(model.state_dict(), options.out / "model.pt")
            wrong, asked = missed(model, tokenizer, lessons)
            print(f"  recall {asked - len(wrong)} of {asked}", flush=True)
    for topic, question, answer in wrong:
        print(f"  missed [{topic}] {question} -> {answer!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=110)
    parser.add_argument("--minutes", type=float, default=40, help="time limit")
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    lessons = all_lessons()
    tokenizer = train_tokenizer(lessons, options.out)
    model = Tinychat()
    print(f"{sum(weight.numel() for weight in model.parameters())} parameters, "
          f"{len(lessons)} lessons, {sum(len(x.questions) for x in lessons)} questions", flush=True)
    train(model, tokenizer, lessons, options)


if __name__ == "__main__":
    main()
