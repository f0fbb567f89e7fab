"""The name of a flow in an address, with the folders that it is in: `/api/flows/marketing/welcome/runs`."""

from starlette.convertors import Convertor, register_url_convertor


class _FlowPath(Convertor[str]):
    """Starlette's own of paths leaves out a line break at the end, so that two addresses would mean one flow."""

    regex = "[^/]+(?:/[^/]+)*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("flow", _FlowPath())

FLOW = "{name:flow}"
