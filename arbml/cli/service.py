"""`arbml build` and `arbml serve`."""

from typing import Annotated

import typer

from arbml.cli.output import Output
from arbml.cli.session import session


def add_commands(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command()(build)
    app.command()(serve)


def build(context: typer.Context) -> None:
    """Package the champions (a baseline where there is none) as a Bento that runs on its own."""
    out: Output = context.obj
    with session(out, "build"):
        from flows.build import build_flow
        from flows.workspace import Selection

        built = build_flow(Selection())
    out.line(f"built {built.tag}: {built.path}")
    for kind, version in built.versions.items():
        out.line(f"  {kind}: {version}")
    out.line("next: arbml serve")
    out.fact(bento=built)
    out.finish()


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on (ML_INFERENCE__HOST; default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one (ML_INFERENCE__PORT; default 3000).")] = None,
) -> None:
    """Serve the last built Bento over HTTP until Ctrl-C."""
    out: Output = context.obj
    from arbml.settings import load_settings
    from bentos.packaging import latest_bento
    from bentos.serving_process import ServiceProcess

    config = load_settings()
    bento = latest_bento(config.home_path)
    host, port = host or config.inference.host, config.inference.port if port is None else port
    service = ServiceProcess(bento, config.home_path, host=host, port=port).start()
    try:
        out.line(f"serving {bento.tag} at {service.url} (OpenAPI: {service.url}/docs; log: {service.log_path}); Ctrl-C stops it")
        service.wait()
    finally:
        service.stop()
