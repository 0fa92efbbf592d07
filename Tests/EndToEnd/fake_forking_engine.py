"""A fake engine, for tests: it answers OpenAI's completions with one word, and only when all of its processes do their part.

Like vLLM it consists of several processes, which share semaphores that have names and a file in /dev/shm. Its answers say how often
it was asked since it was started, so that a process that came back can be told from a new one. Usage: fake_forking_engine.py PORT
"""

import http.server
import json
import multiprocessing
import sys
from multiprocessing import shared_memory

WORKERS = 6


def work(gate, ear, file: str) -> None:
    memory = shared_memory.SharedMemory(name=file)
    while True:
        index = ear.recv()
        with gate:
            ear.send(memory.buf[index])


def main() -> None:
    # As vLLM does it; semaphores then keep their names, by which the new processes find them.
    context = multiprocessing.get_context("spawn")
    gate = context.Semaphore(1)
    memory = shared_memory.SharedMemory(create=True, size=1 << 16)
    memory.buf[:WORKERS] = b"chorus"
    ears = []
    for _ in range(WORKERS):
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(gate, theirs, memory.name), daemon=True).start()
        ears.append(ours)

    class Handler(http.server.BaseHTTPRequestHandler):
        asked = 0

        def say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.say(b"ok")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            Handler.asked += 1
            for index, ear in enumerate(ears):
                ear.send(index)
            word = bytes(ear.recv() for ear in ears).decode()
            self.say(json.dumps({"choices": [{"text": word}], "asked": Handler.asked}).encode())

    # One request after the other: the pipes have one reader each.
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
