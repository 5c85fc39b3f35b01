"""The chains of `bench/src/chains/ours.rs` in LangChain.

For each line on its standard input, `CHAIN WATCHED PLACE SIZE`, it runs that chain once and prints how many nanoseconds of CPU the process has used
for it. What is measured is the asynchronous interface, the only one that has events, on a chain that is built.
"""

import asyncio
import json
import math
import sys
import time
from importlib.metadata import version
from platform import python_version

from langchain_core.load import dumps
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel
from langchain_openai import ChatOpenAI

from scripted import Scripted

# What is asked, the answer that is JSON, and how many characters of it a token has.
QUESTION, JSON, WIDTH = sys.argv[1], sys.argv[2], int(sys.argv[3])
VALUE = json.loads(JSON)


def asked(model, parser):
    said = [("system", "You are a concise technical writer."), ("human", "{question}")]
    return ChatPromptTemplate.from_messages(said) | model | parser


def model(place, size):
    if place == "memory":
        return Scripted(tokens=["token "] * size)
    # Also what is awaited is streamed, as it is in Millstream: an answer that comes whole has no tokens.
    return ChatOpenAI(model="gpt-4o-mini", base_url=f"http://{place}/v1", api_key="none", streaming=True)


def built(chain, place, size):
    if chain == "json":
        return asked(Scripted(tokens=[JSON[at : at + WIDTH] for at in range(0, len(JSON), WIDTH)]), JsonOutputParser())
    if chain == "map":
        long, short = (asked(model(place, size // 2), StrOutputParser()) for _ in range(2))
        return RunnableParallel(long=long, short=short)
    return asked(model(place, size), StrOutputParser())


async def awaited(chain, given):
    return len((await chain.ainvoke(given)).split())


async def streamed(chain, given):
    heard = 0
    async for piece in chain.astream(given):
        heard += bool(piece)
    return heard


async def streamed_map(chain, given):
    heard = 0
    async for piece in chain.astream(given):
        heard += any(piece.values())
    return heard


async def streamed_json(chain, given):
    last = None
    async for piece in chain.astream(given):
        last = piece
    # Pieces may give nothing new: what is heard is all, if the last shows it.
    return math.ceil(len(JSON) / WIDTH) if last == VALUE else 0


async def events(chain, given):
    heard = 0
    async for event in chain.astream_events(given, version="v2"):
        heard += event["event"] == "on_chat_model_stream" and bool(event["data"]["chunk"].content)
    return heard


async def written(chain, given, **wanted):
    heard = 0
    async for event in chain.astream_events(given, version="v2", **wanted):
        heard += event["event"] == "on_chat_model_stream" and bool(event["data"]["chunk"].content)
        dumps(event)
    return heard


async def model_written(chain, given):
    return await written(chain, given, include_types=["chat_model"])


WATCHED = {
    "text awaited": awaited,
    "text streamed": streamed,
    "text events": events,
    "text written": written,
    "text model-written": model_written,
    "json streamed": streamed_json,
    "map streamed": streamed_map,
}


async def measure(chain, watched, place, size):
    app, run = built(chain, place, size), WATCHED[f"{chain} {watched}"]
    before = time.process_time_ns()
    heard = await run(app, {"question": QUESTION})
    used = time.process_time_ns() - before
    if heard != size:
        raise RuntimeError(f"{chain} {watched} gave {heard} of {size}")
    return used


def main():
    print(f"LangChain {version('langchain-core')} on Python {python_version()}", flush=True)
    # One loop, so that connections are kept.
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            chain, watched, place, size = line.split()
            print(runner.run(measure(chain, watched, place, int(size))), flush=True)


main()
