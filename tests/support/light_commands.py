"""Script for a separate process: loads a model, runs commands, and prints exit code, output and error of each."""

import json
import sys

from typer.testing import CliRunner

import compression
from compression.cli import app

path, commands = json.loads(sys.argv[1])
answers = [list(compression.load(path).state_dict())]
for command in commands:
    result = CliRunner().invoke(app, command)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    answers.append([result.exit_code, result.stdout, result.stderr])
print(json.dumps(answers))
