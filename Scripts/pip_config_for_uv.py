"""Prints the user's pip configuration as NAME=VALUE lines that uv reads.

pip's files and PIP_* variables say where packages come from (an index, a mirror, a folder of wheels, a
certificate bundle). uv reads none of them, so they are translated here; what the user set for uv itself wins.
"""

import ast
import os
import subprocess
import sys

# pip's key -> (uv's variable, how several values are joined)
TRANSLATION = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
}
# pip lists the weakest source first: site, user, environment.
SECTIONS = ("global.", "install.", ":env:.")


def translate(listing: str) -> dict[str, str]:
    """The variables for `pip config list`'s output; a later line for the same key wins."""
    variables: dict[str, str] = {}
    lines = [line for line in listing.splitlines() if "=" in line]
    for section in SECTIONS:
        for line in lines:
            name, _, quoted = line.partition("=")
            if not name.startswith(section):
                continue
            variable, joint = TRANSLATION.get(name[len(section) :], (None, ""))
            if variable is None:
                continue
            try:
                value = str(ast.literal_eval(quoted))
            except (SyntaxError, ValueError):
                value = quoted
            variables[variable] = joint.join(value.split())
    return variables


if __name__ == "__main__":
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    for variable, value in translate(listing).items():
        if variable not in os.environ:
            print(f"{variable}={value}")
