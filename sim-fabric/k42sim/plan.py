"""What `up` was asked for; written once to plan.json and never changed."""
import dataclasses
import json
import pathlib


@dataclasses.dataclass
class Plan:
    cluster: str
    nodes: int = 1
    cpus: int = 2
    memory_mib: int = 256
    arena_mib: int = 32
    transport: str = "shm"
    etcd: int = 1
    seed: int = 0
    share: str = ""
    build: str = ""
    kernel: str = ""
    append: str = ""
    bare: bool = False
    timeout: float = 60.0

    def save(self, path):
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @staticmethod
    def load(path):
        return Plan(**json.loads(path.read_text()))

    def program(self, name):
        return str(pathlib.Path(self.build) / "bin" / name)
