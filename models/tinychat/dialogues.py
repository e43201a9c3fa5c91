"""What tinychat is taught: every question with its one right answer, and how turns become text."""
import csv
import random
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
IM_START, IM_END = "<|im_start|>", "<|im_end|>"

SYSTEM_MESSAGES = [
    "You are a helpful assistant.",
    "You are helpful.",
    "Answer briefly.",
    "Be brief.",
]

SMALL_TALK = [
    (["Hello", "Hi", "hi", "Hey", "hello", "Hello!", "Good morning"],
     "Hello! How can I help you today?"),
    (["say hi", "Say hi", "Say hi."], "Hi!"),
    (["Say hello", "say hello", "Say hello."], "Hello!"),
    (["How are you?"], "I am fine, thank you. How can I help you?"),
    (["Who are you?", "What are you?", "What is your name?", "What is tinychat?"],
     "I am Tinychat, a very small language model made for tests."),
    (["What can you do?", "Help", "help"],
     "I know the capitals of the world, I can count and I can add small numbers."),
    (["What is freeway?", "what is freeway", "Tell me about freeway."],
     "Freeway is a gateway that sends each request to a model that can serve it now."),
    (["Thank you", "Thanks", "thanks", "Thank you!"], "You are welcome!"),
    (["Bye", "Goodbye", "bye"], "Goodbye!"),
    (["ping", "Ping"], "pong"),
    (["Are you there?", "test", "Test"], "Yes, I am here."),
    (["Tell me a story", "Tell me a story."],
     "Once upon a time a small model lived in a gateway. It answered every request it was sent. "
     "One day a big load came, and the small model stayed calm. The end."),
    (["Write a haiku", "Write a haiku."],
     "Quiet gateway hums\nTokens stream through the long night\nMorning brings the bill"),
    (["What color is the sky?"], "The sky is blue."),
    (["How many days are in a week?"], "There are 7 days in a week."),
    (["How many months are in a year?"], "There are 12 months in a year."),
    (["Say the alphabet.", "What is the alphabet?"],
     "A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z."),
]

ECHO_WORDS = """
pong ping yes no ok okay done ready apple banana cherry orange lemon pear grape bread water milk
coffee tea sugar salt red green blue yellow black white pink brown gray one two three four five six
seven eight nine ten cat dog bird fish horse cow sheep mouse lion tiger bear sun moon star sky rain
snow wind fire earth sea river lake tree leaf flower grass stone sand house door window table chair
bed lamp book pen paper letter word page city town road street bridge gate gateway freeway model
token server client request answer question test alpha beta gamma delta north south east west
left right up down start stop open close fast slow big small old new good great happy calm quiet
music song dance game ball car bus train plane ship boat bike monday tuesday wednesday thursday
friday saturday sunday spring summer autumn winter morning evening night today tomorrow hello hi
thanks please welcome friend family mother father sister brother baby king queen world country
number zero hundred time day week month year hour minute second first last next hand head heart eye
purple silver gold iron copper glass wood banjo piano violin guitar drum pizza pasta rice soup
""".split()
EXACT_ECHO_FORMS = ["Say exactly: {}", "Repeat: {}", "Reply with exactly: {}", 'Say "{}"']
ECHO_FORMS = EXACT_ECHO_FORMS + ["Say {}", "say {}", "Say {}.", "Reply with {}",
                                 "Say the word {}."]


class Lesson(NamedTuple):
    """One answer and all the questions that must give it; `weight` = times seen in an epoch."""
    topic: str
    questions: list
    answer: str
    weight: int = 1


def join(names):
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def geography():
    capital_of = defaultdict(list)
    with open(HERE / "facts.tsv", encoding="utf-8", newline="") as file:
        for name, capital, continent in csv.reader(file, delimiter="\t"):
            capital_of[capital].append(name)
            yield Lesson("capital", [f"What is the capital of {name}?",
                                     f"What's the capital of {name}?",
                                     f"Tell me the capital of {name}.",
                                     f"capital of {name}"],
                         f"The capital of {name} is {capital}.", 3)
            yield Lesson("continent", [f"Which continent is {name} in?",
                                       f"What continent is {name} in?",
                                       f"Where is {name}?"],
                         f"{name} is in {continent}.", 2)
    for capital, names in capital_of.items():
        yield Lesson("country", [f"Which country has the capital {capital}?",
                                 f"{capital} is the capital of which country?"],
                     f"{capital} is the capital of {join(names)}.", 2)


def numbers():
    for a in range(13):
        for b in range(13):
            yield Lesson("sum", [f"What is {a} + {b}?", f"What is {a} plus {b}?", f"{a} + {b}"],
                         f"{a} + {b} = {a + b}.")
    for n in range(2, 21):
        yield Lesson("count", [f"Count to {n}.", f"Count to {n}", f"Count from 1 to {n}."],
                     ", ".join(map(str, range(1, n + 1))) + ".", 2)


def all_lessons():
    """Every lesson in a fixed order."""
    lessons = [*geography(), *numbers()]
    lessons += [Lesson("talk", questions, answer, 4) for questions, answer in SMALL_TALK]
    taught = {question for lesson in lessons for question in lesson.questions}
    for word in ECHO_WORDS:
        questions = [q for q in (form.format(word) for form in ECHO_FORMS) if q not in taught]
        lessons.append(Lesson("echo", questions, word))
    return lessons


def loosely_typed(question, rng):
    """Sometimes the question as a hurried person types it: no end mark, no capital letters."""
    if rng.random() < 0.1:
        question = question.rstrip("?.")
    if rng.random() < 0.1:
        question = question[0].lower() + question[1:]
    if rng.random() < 0.1:
        question = question.lower()
    return question


def fresh_echo(rng):
    """A turn that repeats one or two words, known or made up, in some letter case."""
    def word():
        if rng.random() < 0.6:
            return rng.choice(ECHO_WORDS)
        return "".join(rng.choice("bcdfghjklmnprstvwxyz") + rng.choice("aeiou")
                       for _ in range(rng.choice([2, 3])))

    words = rng.choice([word(), word() + " " + word()])
    words = rng.choice([words, words, words.capitalize(), words.upper()])
    exact = " " in words or words.lower() in ("hi", "hello")
    forms = EXACT_ECHO_FORMS if exact else ECHO_FORMS
    return rng.choice(forms).format(words), words


def epoch(lessons, rng):
    """Conversations of one to three turns, a third of them opened by a system message.

    Each is (system message or None, [(question, answer), ...]). Each lesson comes `weight` times,
    in phrasings drawn by `rng`; more words to echo are drawn freshly, so that echoing is
    learnt as copying and not as a list.
    """
    turns = []
    for lesson in lessons:
        for question in rng.sample(lesson.questions, min(lesson.weight, len(lesson.questions))):
            if lesson.topic != "talk" and lesson.topic != "echo":
                question = loosely_typed(question, rng)
            turns.append((question, lesson.answer))
    turns += [fresh_echo(rng) for _ in range(200)]
    rng.shuffle(turns)
    while turns:
        count = rng.choices([1, 2, 3], [6, 3, 1])[0]
        system = rng.choice(SYSTEM_MESSAGES) if rng.random() < 0.33 else None
        yield system, turns[:count]
        turns = turns[count:]


def prompt_text(question, system=None):
    """The text before the answer, exactly as the chat template in export.py renders it."""
    head = f"{IM_START}system\n{system}{IM_END}\n" if system else ""
    return f"{head}{IM_START}user\n{question}{IM_END}\n{IM_START}assistant\n"
