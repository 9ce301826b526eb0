"""How far a training run is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Clock:
    """How far a run is: steps, pictures seen, seconds and FLOPs, over all its sessions."""

    minutes: float | None
    steps: int | None
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    flops: float = 0.0

    @property
    def progress(self) -> float:
        """Share of the budget used, 0 ... 1."""
        return min(1.0, self.step / self.steps if self.steps else self.seconds / 60 / self.minutes)

    def set_from_log(self, path: Path) -> None:
        """Go to where the run stood when it last saved its weights (or, in an older log, wrote its last line)."""
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        last = next((line for line in reversed(lines) if line.get("saved")), lines[-1])
        self.step, self.images, self.seconds, self.flops = (last[key] for key in ("step", "images", "seconds", "flops"))
