"""The graphs of `bench/src/graphs/ours.rs` in LangGraph.

For each line on its standard input, `GRAPH STORE SIZE`, it runs that graph once and prints how many nanoseconds of CPU the process has used for
it. What is measured is the synchronous interface, which is the cheaper one, and a compiled graph: neither building nor opening counts.
"""

import operator
import os
import sqlite3
import sys
import time
from contextlib import closing, contextmanager
from importlib.metadata import version
from platform import python_version
from typing import Annotated, TypedDict

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Send

from scripted import Scripted


class Counter(TypedDict):
    count: int


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class Work(TypedDict):
    item: int
    done: Annotated[list[int], operator.add]


def counter(steps):
    graph = StateGraph(Counter)
    graph.add_node("count", lambda state: {"count": state["count"] + 1})
    graph.add_edge(START, "count")
    graph.add_conditional_edges("count", lambda state: "count" if state["count"] < steps else END, ["count", END])
    return graph, {"count": 0}


def chat(steps, said):
    graph = StateGraph(Chat)
    graph.add_node("say", lambda state: {"messages": [HumanMessage(said)]})
    graph.add_edge(START, "say")
    graph.add_conditional_edges("say", lambda state: "say" if len(state["messages"]) <= steps else END, ["say", END])
    return graph, {"messages": [HumanMessage(said)]}


def fan_out(tasks):
    graph = StateGraph(Work)
    graph.add_node("work", lambda state: {"done": [state["item"]]})
    graph.add_conditional_edges(START, lambda state: [Send("work", {"item": item}) for item in range(tasks)], ["work"])
    graph.add_edge("work", END)
    return graph, {"item": 0}


def speech(tokens):
    model = Scripted(tokens=["token "] * tokens)
    graph = StateGraph(Chat)
    graph.add_node("say", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "say")
    graph.add_edge("say", END)
    return graph, {"messages": [HumanMessage("Say something.")]}


@contextmanager
def opened(store, file):
    if store == "memory":
        yield InMemorySaver()
    elif store == "sqlite":
        with closing(sqlite3.connect(file, check_same_thread=False)) as connection:
            saver = SqliteSaver(connection)
            saver.setup()
            yield saver
        for ending in ["", "-shm", "-wal"]:
            if os.path.exists(file + ending):
                os.remove(file + ending)
    else:
        yield None


def measure(graph, store, size, said, file):
    described, state = {
        "counter": lambda: counter(size),
        "chat": lambda: chat(size, said),
        "fan-out": lambda: fan_out(size),
        "tokens": lambda: speech(size),
    }[graph]()
    with opened(store, file) as checkpointer:
        app = described.compile(checkpointer=checkpointer)
        config = {"recursion_limit": size + 10, "configurable": {"thread_id": "thread"}}
        before = time.process_time_ns()
        if graph == "tokens":
            heard = sum(1 for chunk, _ in app.stream(state, config, stream_mode="messages") if chunk.content)
        else:
            end = app.invoke(state, config)
        used = time.process_time_ns() - before
    done = {
        "counter": lambda: end["count"],
        "chat": lambda: len(end["messages"]) - 1,
        "fan-out": lambda: len(end["done"]),
        "tokens": lambda: heard,
    }[graph]()
    if done != size:
        raise RuntimeError(f"{graph} did {done} of {size}")
    return used


def main():
    said, file = sys.argv[1:]
    print(f"LangGraph {version('langgraph')} on Python {python_version()}", flush=True)
    for line in sys.stdin:
        graph, store, size = line.split()
        print(measure(graph, store, int(size), said, file), flush=True)


main()
