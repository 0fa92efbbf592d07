"""Runs one real llama.cpp HTTP server (the `xllamacpp` package) on 127.0.0.1, in the foreground.

Prints `listening on http://127.0.0.1:PORT` when requests are answered. Ends on SIGTERM, on SIGINT, and (without --stay)
when the process that started it dies, so that no server is left behind.
"""

import argparse
import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the process that wanted this server is gone")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", help="a GGUF file")
    arguments.add_argument("--alias", required=True, help="the model name that /v1/models and answers carry")
    arguments.add_argument("--port", type=int, default=0, help="0: any free port")
    arguments.add_argument("--context", type=int, default=2048, help="tokens of context, for each slot")
    arguments.add_argument("--slots", type=int, default=1, help="requests answered at the same time")
    arguments.add_argument("--greedy", action="store_true", help="the likeliest token each time: the same answer again")
    arguments.add_argument("--embeddings", action="store_true", help="answer /v1/embeddings too")
    arguments.add_argument("--stay", action="store_true", help="live on when the process that started this one is gone")
    options = arguments.parse_args()
    if not options.stay:
        end_with_parent()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.port = options.port
    params.n_ctx = options.context * options.slots
    params.n_parallel = options.slots
    # More threads than free cores make llama.cpp spin: one thread is the fast setting on shared machines.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_threads_http = options.slots + 4
    params.endpoint_metrics = True
    params.ui = False
    params.cache_ram_mib = 0
    params.verbosity = 1
    if options.greedy:
        params.sampling.temp = 0.0
    if options.embeddings:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", flush=True)
    ended.wait()
    # The server's own shutdown waits for answers in progress; nobody wants them any more.
    os._exit(0)


if __name__ == "__main__":
    main()
