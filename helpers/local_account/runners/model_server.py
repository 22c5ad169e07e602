"""The web server in the container of an endpoint: GET /ping says that the model is loaded, POST /invocations predicts.

    python model_server.py FRAMEWORK PORT_FILE

It takes a free port of the loopback interface and writes its number into PORT_FILE, once the model is loaded.
"""

import asyncio
import logging
import os
import socket
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main(framework, port_file):
    """Load the model, then serve until SIGTERM."""
    import uvicorn

    # What a script logs is shown, from the level that the variable names on, as AWS's images do.
    level = int(os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL", logging.INFO))
    logging.basicConfig(format="%(asctime)s %(levelname)s - %(name)s - %(message)s", level=level)
    model_dir = Path(os.environ["SAGEMAKER_BASE_DIR"], "model")
    try:
        handler = handler_for(framework)(framework, model_dir)
        handler.load()
    except Exception:
        traceback.print_exc()
        return 1
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sees that it is TCP
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    draft = Path(port_file + ".draft")
    draft.write_text(str(listening.getsockname()[1]))
    draft.rename(port_file)
    config = uvicorn.Config(
        application(handler), access_log=False, log_level="warning", lifespan="off", timeout_keep_alive=3600,
        timeout_graceful_shutdown=30,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def handler_for(framework):
    """Return the class that answers: a script if SAGEMAKER_PROGRAM names one, else the image's own algorithm."""
    script = os.environ.get("SAGEMAKER_PROGRAM")
    if not script and framework != "xgboost":
        raise RuntimeError(f"SAGEMAKER_PROGRAM is not set: the {framework} image serves a script, but which one?")
    if not script:
        sys.modules["sklearn"] = None  # XGBoost would import it, which takes longer than all the rest
    import xgboost_server

    if script:
        import script_handler
    sys.path.remove(str(Path(__file__).parent))  # a script's own `import training` must not find ours
    return script_handler.ScriptHandler if script else xgboost_server.AlgorithmHandler


def application(handler):
    """Return the ASGI application of a handler.

    Predictions run one after the other in a thread of their own, so that /ping is answered meanwhile. AWS's images run
    one such worker for each vCPU.
    """
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    worker = ThreadPoolExecutor(1, thread_name_prefix="predict")

    async def ping(request):
        return Response(status_code=200)

    async def parameters(request):
        return JSONResponse({"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6})

    async def invocations(request):
        body = await request.body()
        headers = dict(request.headers)
        loop = asyncio.get_running_loop()
        status, answered, body = await loop.run_in_executor(worker, answer, handler, body, headers)
        loop.call_soon(print, f'"POST /invocations HTTP/1.1" {status} {len(body)}')  # once the answer is on its way
        return Response(body, status, answered)

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/execution-parameters", parameters),  # what batch transform asks for: one worker, so one at a time
            Route("/invocations", invocations, methods=["POST"]),
        ]
    )


def answer(handler, body, headers):
    """Return the handler's answer, or a 500 if it raised."""
    try:
        return handler.answer(body, headers)
    except Exception as error:
        traceback.print_exc()
        return 500, {"Content-Type": "text/plain; charset=utf-8"}, str(error).encode()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
