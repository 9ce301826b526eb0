"""What was published of the same as the table's cells measure: row -> family -> a sentence that names its sources.

Numbers were read again at their source; what is from a paper's abstract alone says so. A cell without a sentence has no such source.
"""

from __future__ import annotations

REFERENCES: dict[str, dict[str, str]] = {
    "quality": {
        "vae": "people misjudge real or fake (.50 is chance): NVAE .13 (CIFAR-10), Efficient-VDVAE .09 (FFHQ-256) (Stein et al. 2023)",
        "gan": "people misjudge real or fake (.50 is chance), ImageNet-256: BigGAN .16, StyleGAN-XL .15, GigaGAN .21 (Stein et al. 2023); "
        "CIFAR-10 FID: StyleGAN2-ADA 2.42 (Karras et al. 2020, abstract)",
        "autoregressive": "people misjudge real or fake (.50 is chance), ImageNet-256: RQ-Transformer .22 (Stein et al. 2023)",
        "diffusion": "people misjudge real or fake (.50 is chance), ImageNet-256: ADM .27, DiT .29, LDM .31, DiT guided .33 "
        "(Stein et al. 2023); CIFAR-10 FID: DDPM 3.17 (Ho et al. 2020, abstract)",
    },
    "speed": {
        "gan": "50,000 images of 32×32 in under a minute on one GPU (Song et al. 2020)",
        "autoregressive": "one network evaluation per pixel, each after the last; drawing groups of pixels together is orders of magnitude "
        "faster (Reed et al. 2017, abstract)",
        "diffusion": "50,000 images of 32×32 in about 20 hours on one GPU (DDPM); CIFAR-10 FID of DDIM at 10/20/50/100/1000 steps: "
        "13.36 / 6.84 / 4.67 / 4.16 / 4.04 (Song et al. 2020)",
    },
    "stability": {
        "vae": "CIFAR-10 FID: VAE with learnt noise 76.7 ± 0.8 (Dai & Wipf 2019, table 1)",
        "gan": "CIFAR-10 FID: LSGAN 87.1 ± 47.5, six other GANs ± 0.9 to ± 3.6 (Dai & Wipf 2019, table 1)",
    },
    "control": {
        "autoregressive": "GenEval overall: minDALL-E .23 (Ghosh et al. 2023)",
        "diffusion": "GenEval overall: SD 1.5 .43, SD 2.1 .50, SDXL .55, IF-XL .61 (Ghosh et al. 2023)",
    },
    "faces": {
        "vae": "latent vectors of a VAE hold what a face expresses well enough to predict its attributes (Hou et al. 2016, abstract)",
        "gan": "gender, age, expression, glasses and pose are edited along directions of the latent space (Shen et al. 2020, abstract)",
        "diffusion": "no semantic latent space of its own, but one is found inside the frozen network (Kwon et al. 2023, abstract)",
    },
    "novelty": {
        "gan": "mode collapse and lack of diversity count as known shortcomings (Razavi et al. 2019, abstract); gives away less of its "
        "training images than diffusion does (Carlini et al. 2023, abstract)",
        "autoregressive": "VQ-VAE-2 rivals GANs without their mode collapse and lack of diversity (Razavi et al. 2019, abstract)",
        "diffusion": "covers more of the distribution than BigGAN-deep (Dhariwal & Nichol 2021, abstract), but over a thousand training "
        "images were extracted from such models (Carlini et al. 2023, abstract)",
    },
    "resources": {
        "gan": "V100-days: BigGAN-deep 128-256 (ImageNet-256); StyleGAN2 64 (LSUN-Churches) (Rombach et al. 2022, table 18)",
        "diffusion": "V100-days: LDM-4 271, ADM 916 (ImageNet-256); LDM-8 18 (LSUN-Churches), converted from A100-days "
        "(Rombach et al. 2022, table 18)",
    },
}

SOURCES = {  # as they are named above -> where they can be read
    name: f"https://arxiv.org/abs/{number}"
    for name, number in {
        "Hou et al. 2016": "1610.00291",
        "Reed et al. 2017": "1703.03664",
        "Dai & Wipf 2019": "1903.05789",
        "Razavi et al. 2019": "1906.00446",
        "Shen et al. 2020": "1907.10786",
        "Karras et al. 2020": "2006.06676",
        "Ho et al. 2020": "2006.11239",
        "Song et al. 2020": "2010.02502",
        "Dhariwal & Nichol 2021": "2105.05233",
        "Rombach et al. 2022": "2112.10752",
        "Kwon et al. 2023": "2210.10960",
        "Carlini et al. 2023": "2301.13188",
        "Stein et al. 2023": "2306.04675",
        "Ghosh et al. 2023": "2310.11513",
    }.items()
}
