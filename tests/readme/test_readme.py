"""Every command of the README that needs neither a GPU nor another host is run, in order, in a fresh copy."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?:<!-- needs (?P<need>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<body>.*?)```", re.DOTALL)


def commands(*, docker: bool) -> list[str]:
    """The command lines of the README's sh blocks, those with docker or those without."""
    blocks = BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8"))
    lines = [m["body"].splitlines() for m in blocks if m["language"] == "sh" and not m["need"]]
    return [line for block in lines for line in block if line.strip() and line.startswith("docker") == docker]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as git has it, with what is new, in an empty folder."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def run(line: str, folder: Path) -> None:
    """Run one line as a person would; a failure shows the line and what it printed."""
    keep = ("PATH", "HOME", "LANG")
    hosts = ("PIP", "SSL", "REQUESTS", "CURL", "HTTP", "http", "DOCKER", "COMPOSE")
    environment = {name: value for name, value in os.environ.items() if name in keep or name.startswith(hosts)}
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.stress
@pytest.mark.timeout(1200)
def test_the_commands_of_the_readme_work_in_a_fresh_copy(copy: Path) -> None:
    for line in commands(docker=False):
        run(line, copy)
    assert [p.name for p in (copy / "input").iterdir() if not p.name.startswith(".")] == ["sample.mp4"]


@pytest.mark.docker
@pytest.mark.timeout(1800)
def test_the_docker_commands_of_the_readme_work_in_a_fresh_copy(copy: Path) -> None:
    owner = f"UID={os.getuid()}\nGID={os.getgid()}\n"
    (copy / ".env").write_text(owner)
    run("docker build -t faceblur .", copy)
    user = f"{os.getuid()}:{os.getgid()}"
    run(f'docker run --rm --user {user} -v "$PWD/input:/input" faceblur sample', copy)
    for line in commands(docker=True):
        run(line.replace("docker-compose run --rm", "docker-compose run --rm -T"), copy)
    assert (copy / "output/sample/sample-blurred.mp4").is_file()


def test_the_readme_has_commands_of_both_kinds() -> None:
    assert len(commands(docker=False)) > 20
    assert len(commands(docker=True)) > 10


def test_the_option_table_names_every_option_of_the_command_line() -> None:
    import click

    from faceblur.cli import cli

    def below(command: click.Command) -> Iterator[click.Command]:
        yield command
        for part in command.commands.values() if isinstance(command, click.Group) else ():
            yield from below(part)

    named = set(re.findall(r"--[a-z-]+", (ROOT / "README.md").read_text(encoding="utf-8")))
    names = {max(p.opts, key=len) for c in below(cli) for p in c.params if isinstance(p, click.Option)}
    assert names - {"--version", "--help"} <= named


def test_every_command_that_the_option_table_names_for_an_option_takes_it() -> None:
    import click

    from faceblur.cli import cli

    takes: dict[str, set[str]] = {}
    for name, command in cli.commands.items():
        takes[name] = {o for p in command.params for o in p.opts}
        for part, one in (command.commands if isinstance(command, click.Group) else {}).items():
            takes[f"{name} {part}"] = {o for p in one.params for o in p.opts}
    takes["evaluate"] = takes["evaluate video"] & takes["evaluate photos"]
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| option | commands |")[2].partition("\n\n")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:3] for line in table.splitlines() if line.startswith("| `--")]
    named = [
        (o, c.strip())
        for options, commands in rows
        for o in re.findall("--[a-z-]+", options)
        for c in commands.split(",")
        if c.strip() in takes
    ]
    assert len(named) > 60
    assert not [(option, command) for option, command in named if option not in takes[command]]


def test_the_exit_code_table_names_every_code() -> None:
    from faceblur import errors

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
    assert not [code for code in codes if f"| {code} |" not in text]
