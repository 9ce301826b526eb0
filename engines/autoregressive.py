"""Autoregression: draw one pixel after another, each from a distribution that depends on all pixels before it.

A PixelCNN (van den Oord et al. 2016, arXiv:1601.06759 and arXiv:1606.05328) whose memory of the rows above is a small
Transformer over rows (in the spirit of the Image Transformer, Parmar et al. 2018, arXiv:1802.05751): the rows, with the text in
front, give a context for each pixel of the next row; a masked convolution looks at the pixels around; a residual network of 1x1
convolutions turns both into a distribution over grey levels. Simplified: 32 grey levels instead of 256.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engines import checkpoint
from engines.base import Engine, Frame, Inspection, Params, Request, Stopwatch, generators, guidance_slider, own_pictures, paste, slider
from engines.images import to_float, to_uint8

PIXELS_PER_FRAME = 7
EMPTY = 0.0  # brightness, in [-1, 1], at which pixels not drawn yet are shown


@dataclass(frozen=True)
class AutoregressiveParams(Params):
    """Settings of an autoregressive engine."""

    temperature: float = slider(
        1.0, 0.5, 1.5, 0.05, label="Temperature", hint="Spread of each pixel's distribution: 1 as learnt, lower is safer, higher is wilder."
    )
    guidance_scale: float = guidance_slider(1.75, 5.0)


class AutoregressiveEngine(Engine):
    """Draws pixel after pixel in raster order; pixels not drawn yet are shown grey."""

    family = "autoregressive"
    params_type = AutoregressiveParams
    max_threads = 1  # a pixel is too little work to share out
    inspects = True

    @staticmethod
    def load_model(folder: Path) -> nn.Module:
        from engines.networks.row_pixelcnn import RowPixelCNN

        return checkpoint.load(RowPixelCNN, folder)

    @torch.inference_mode()
    def generate(self, request: Request) -> Iterator[Frame]:
        params = self.params(request)
        self.refuse_walk(request)
        h, w, _ = self.model.config.image_shape
        watch = Stopwatch(self.device)
        canvas = torch.full((request.num_images, h, w), EMPTY)
        probabilities = torch.zeros(request.num_images, self.model.config.levels)
        pixels = self._pixels(request, params)
        for position in range(1, h * w + 1):
            with watch():
                value, probabilities = next(pixels)
            canvas.view(-1, h * w)[:, position - 1] = value
            if position == h * w or (request.previews and position % PIXELS_PER_FRAME == 0):
                images = to_uint8(canvas[:, None])
                yield Frame(
                    paste(images, request),
                    step=position,
                    num_steps=h * w,
                    nfe=position * (1 if params.guidance_scale == 1 else 2),
                    seconds=watch.seconds,
                    extra={
                        "probabilities": probabilities.cpu().numpy(),
                        **(own_pictures(images, request) if position == h * w else {}),
                    },
                )

    def pieces(self) -> tuple[int, int]:
        h, w, _ = self.model.config.image_shape
        return h, w

    @torch.inference_mode()
    def inspect(self, frame: Frame, prompt: str, place: int) -> Inspection:
        """Its attention is on whole rows; what the convolution sees beside it is not counted."""
        from engines.networks.row_pixelcnn import dequantize, quantize

        self.check_place(place)
        model = self.model
        (h, w), levels = self.pieces(), model.config.levels
        indices = quantize(to_float(frame.images[:1])[:, 0].to(self.device), levels)  # (1, H, W)
        logits, attention = model.attend(dequantize(indices, levels), self.text_encoder.encode((prompt,)))
        y, x = divmod(place, w)
        probabilities, candidates = logits[0, y, x].softmax(0).sort(descending=True)
        said = int((candidates == indices[0, y, x]).nonzero())
        looked = torch.zeros(h, w, device=self.device)
        looked[:y] = attention[0, y, 1 : y + 1, None] / w  # the first of the attended is the text
        return Inspection(
            candidates=to_uint8(dequantize(candidates, levels).view(-1, 1, 1, 1)),
            probabilities=probabilities.cpu().numpy(),
            said=said,
            said_probability=float(probabilities[said]),
            attention=looked.cpu().numpy(),
            words=(("the whole text", float(attention[0, y, 0])),),
        )

    def _pixels(self, request: Request, params: AutoregressiveParams) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Brightness (N,) in [-1, 1] and probabilities (N, K) of one pixel after another, in raster order."""
        from engines.networks.row_pixelcnn import dequantize, quantize

        model, n = self.model, request.num_images
        h, w, _ = model.config.image_shape
        guided = params.guidance_scale != 1
        # 1. Text (doubled by "no text" when guided), random numbers, empty canvas and cache
        text = self.text_encoder.encode(self.told(request))  # (N, D)
        if guided:
            text = torch.cat([text, self.text_encoder.encode(("",)).expand_as(text)])  # (2 N, D)
        uniform = torch.stack([torch.rand(h * w, generator=rng) for rng in generators(request)]).to(self.device)  # (N, H * W)
        padded = model.pad(torch.full((len(text), h, w), -1.0, device=self.device))
        rows, columns = model.config.rows_above, model.config.columns_beside
        drawn = padded[:, rows:, columns : columns + w]  # a view
        cache = model.new_cache(len(text))
        known = self.known(request)
        # 2. One row context per row, one position per pixel
        for y in range(h):
            context = model.start_row(text if y == 0 else drawn[:, y - 1], y, cache)
            for x in range(w):
                logits = model.pixel(padded, y, x, context)  # (N or 2 N, K)
                if guided:
                    with_text, without = logits.log_softmax(1).chunk(2)
                    logits = without + params.guidance_scale * (with_text - without)
                probabilities = (logits / params.temperature).softmax(1)
                index = (probabilities.cumsum(1) < uniform[:, y * w + x, None]).sum(1).clamp(max=model.config.levels - 1)
                if known:  # what must stay is said in place of what was drawn
                    x_known, mask = (tensor[:, 0, y, x] for tensor in known)
                    index = torch.where(mask > 0, quantize(x_known, model.config.levels), index)
                value = dequantize(index, model.config.levels)
                drawn[:, y, x] = value.repeat(len(text) // n)
                yield value, probabilities
